//! Where the load goes, and the bytes of the request that is sent over and over.

use std::net::{SocketAddr, ToSocketAddrs};

use serde_json::json;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub model: String,
    /// The length of the JSON body.
    pub body_bytes: usize,
    pub max_tokens: u64,
    pub stream: bool,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            model: "bench-model".to_owned(),
            body_bytes: 1024,
            max_tokens: 256,
            stream: false,
        }
    }
}

/// An address and the request for it.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub request: Vec<u8>,
}

impl Target {
    /// A chat request to `url` (`http://host:port/path`), with `key` if it is not "".
    ///
    /// # Errors
    /// If the address is not such a one, or its host is unknown.
    pub fn chat(url: &str, key: &str, prompt: &Prompt) -> Result<Self, String> {
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{url} is not http://…"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = if authority.contains(':') {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = host
            .to_socket_addrs()
            .map_err(|error| format!("{authority} is unknown: {error}"))?
            .next()
            .ok_or_else(|| format!("{authority} has no address"))?;
        let body = body(prompt);
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {key}\r\n")
        };
        let request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {authority}\r\n{key}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len(),
        );
        Ok(Self {
            address,
            request: request.into_bytes(),
        })
    }
}

fn body(prompt: &Prompt) -> String {
    let with = |content: &str| {
        let mut body = json!({
            "model": prompt.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": prompt.max_tokens,
        });
        if prompt.stream {
            body["stream"] = true.into();
        }
        body.to_string()
    };
    let missing = prompt.body_bytes.saturating_sub(with("").len());
    let words = "Tell me the exact fare from here to there. ";
    with(&words.chars().cycle().take(missing).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_as_long_as_asked() {
        for stream in [false, true] {
            let prompt = Prompt {
                body_bytes: 1024,
                stream,
                ..Prompt::default()
            };
            assert_eq!(body(&prompt).len(), 1024);
        }
    }

    #[test]
    fn an_address_is_taken_apart() {
        let target = Target::chat(
            "http://127.0.0.1:8080/v1/chat/completions",
            "k",
            &Prompt::default(),
        )
        .expect("a good address");
        assert_eq!(
            target.address,
            "127.0.0.1:8080".parse().expect("an address")
        );
        let text = String::from_utf8(target.request).expect("text");
        assert!(text.starts_with("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"));
        assert!(text.contains("authorization: Bearer k\r\n"));
        assert!(Target::chat("https://127.0.0.1/", "", &Prompt::default()).is_err());
    }
}
