//! The site that passkeys are bound to: this installation's pages.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::super::origin::{host_of, origin_of};

/// The "relying party" of the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Site {
    /// The host, by which authenticators know the site.
    pub(in super::super) id: String,
    /// Scheme, host and port of its pages, as browsers write them.
    pub(in super::super) origin: String,
}

impl Site {
    /// The site of an installation whose console is at `public_url`; none if that has no name:
    /// browsers make no passkeys for addresses of numbers.
    pub(in super::super) fn of(public_url: &str) -> Option<Self> {
        let id = host_of(public_url).to_ascii_lowercase();
        let is_number = id.starts_with('[') || id.parse::<IpAddr>().is_ok();
        if id.is_empty() || is_number {
            return None;
        }
        let origin = origin_of(public_url).to_ascii_lowercase();
        // Browsers leave out the port that the scheme stands for.
        let usual_port = match origin.starts_with("https://") {
            true => ":443",
            false => ":80",
        };
        let origin = origin
            .strip_suffix(usual_port)
            .unwrap_or(&origin)
            .to_owned();
        Some(Site { id, origin })
    }

    /// What authenticators sign of the site.
    pub(super) fn id_hash(&self) -> [u8; 32] {
        Sha256::digest(self.id.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_known_by_its_host_and_its_pages_by_their_origin() {
        for (url, id, origin) in [
            (
                "https://AI.example.com",
                "ai.example.com",
                "https://ai.example.com",
            ),
            (
                "https://ai.example.com:443/farebox",
                "ai.example.com",
                "https://ai.example.com",
            ),
            (
                "https://ai.example.com:8443",
                "ai.example.com",
                "https://ai.example.com:8443",
            ),
            (
                "http://localhost:8080",
                "localhost",
                "http://localhost:8080",
            ),
            ("http://localhost:80", "localhost", "http://localhost"),
        ] {
            let site = Site::of(url).unwrap();
            assert_eq!((&*site.id, &*site.origin), (id, origin), "{url}");
        }
        for url in [
            "http://127.0.0.1:8080",
            "https://[::1]",
            "https://[2001:db8::1]:8443",
            "",
        ] {
            assert_eq!(Site::of(url), None, "{url}");
        }
    }
}
