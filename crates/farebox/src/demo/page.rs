//! What the demo writes: its configuration, and the page on the terminal.

use std::net::SocketAddr;
use std::path::Path;

use super::call::Exchange;
use crate::commands::aligned;

/// The demo's `farebox.toml`.
pub(super) fn configuration(
    folder: &Path,
    address: SocketAddr,
    weights: &Path,
    model: &str,
) -> String {
    let quoted = |text: String| toml::Value::String(text).to_string();
    let database = quoted(format!("sqlite://{}", folder.join("farebox.db").display()));
    let weights = std::path::absolute(weights).unwrap_or_else(|_| weights.to_owned());
    let weights = quoted(weights.display().to_string());
    format!(
        r#"listen = "{address}"
public_url = "http://{address}"
database_url = {database}

[log]
level = "warn"

[[upstreams]]
id = "built-in"
kind = "local"
model_path = {weights}
name = "{model}"

[[models]]
id = "{model}"
context_tokens = 2048
max_output_tokens = 512
deployments = [{{ upstream = "built-in", model = "{model}" }}]
price = {{ input = "0.15", output = "0.60" }}
"#
    )
}

/// Where the console is, and who may sign in to it.
pub(super) struct Console<'a> {
    pub(super) url: &'a str,
    pub(super) email: &'a str,
    pub(super) password: &'a str,
}

/// What was asked, what came back and what it cost; then how to reach it.
pub(super) fn summary(exchange: &Exchange, console: &Console<'_>, base: &str, key: &str) -> String {
    let Exchange {
        request,
        answer,
        usage,
        cost,
        balance,
    } = exchange;
    let rows = aligned(&[
        ("request", request.clone()),
        ("answer", answer.clone()),
        ("usage", usage.clone()),
        ("cost", format!("${cost}")),
        ("balance", format!("${balance}")),
        ("console", format!("{}/", console.url)),
        (
            "sign in",
            format!("{} / {}", console.email, console.password),
        ),
        ("API base", base.to_owned()),
        ("key", key.to_owned()),
    ]);
    format!("\n{rows}")
}

/// Commands to paste into a shell on this machine. They need nothing but the programs they name.
pub(super) fn snippets(base: &str, key: &str, model: &str) -> String {
    format!(
        r#"
Try it from another terminal. The key lives as long as this demo.

# curl
curl {base}/chat/completions \
  -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" \
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello World"}}]}}'

# Python
python3 - <<'END'
import json, urllib.request
request = urllib.request.Request(
    "{base}/chat/completions",
    headers={{"Authorization": "Bearer {key}", "Content-Type": "application/json"}},
    data=json.dumps({{
        "model": "{model}",
        "messages": [{{"role": "user", "content": "Hello World"}}],
    }}).encode(),
)
answer = json.load(urllib.request.urlopen(request))
print(answer["choices"][0]["message"]["content"])
END

# Node
node - <<'END'
fetch("{base}/chat/completions", {{
  method: "POST",
  headers: {{ Authorization: "Bearer {key}", "Content-Type": "application/json" }},
  body: JSON.stringify({{
    model: "{model}",
    messages: [{{ role: "user", content: "Hello World" }}],
  }}),
}})
  .then((response) => response.json())
  .then((answer) => console.log(answer.choices[0].message.content));
END

# Programs written for OpenAI, unchanged
export OPENAI_BASE_URL={base}
export OPENAI_API_KEY={key}
"#
    )
}
