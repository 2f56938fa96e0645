//! The stock script: every endpoint, sensibly.

use super::reply::Reply;
use super::request::UpstreamRequest;

const GREETING: &str = "Hello from the upstream.";

pub(super) fn answer(request: &UpstreamRequest) -> Reply {
    let endpoint = request.path.strip_prefix("/v1").unwrap_or(&request.path);
    match (request.method.as_str(), endpoint) {
        ("POST", "/chat/completions") => Reply::chat(GREETING).obey_limit(),
        ("POST", "/completions") => Reply::completion(GREETING).obey_limit(),
        ("POST", "/responses") => Reply::response(GREETING).obey_limit(),
        ("POST", "/embeddings") => {
            let asked = request.json()["dimensions"].as_u64();
            Reply::embeddings(asked.and_then(|n| usize::try_from(n).ok()).unwrap_or(8))
        }
        ("POST", "/moderations") => Reply::moderation(false),
        ("GET", "/models") => Reply::models(&["echo"]),
        (method, _) => {
            let message = format!("Invalid URL ({method} {})", request.path);
            Reply::error(404, "invalid_request_error", "not_found", &message)
        }
    }
}
