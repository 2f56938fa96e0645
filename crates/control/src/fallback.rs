//! What OpenAI's Administration API has and Farebox cannot have: endpoints that say so. They are no
//! part of the API, so they are in no document.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;

use crate::Control;
use crate::respond::{Refusal, answer};

/// The paths, and what is below them.
const NOT_HERE: [(&str, &str); 5] = [
    (
        "/v1/organization/certificates",
        "Farebox does not check client certificates. Let the proxy in front of it do that.",
    ),
    (
        "/v1/organization/projects/{project_id}/certificates",
        "Farebox does not check client certificates. Let the proxy in front of it do that.",
    ),
    (
        "/v1/organization/external_keys",
        "Farebox keeps no prompts and no answers, so there is nothing to encrypt with your keys.",
    ),
    (
        "/v1/organization/external_storage",
        "Farebox keeps no files, so there is nothing to be stored elsewhere.",
    ),
    (
        "/v1/organization/workload_identity_providers",
        "Farebox does not exchange workload identities. Use a service account's key.",
    ),
];

/// The routes that refuse.
pub(crate) fn routes() -> Router<Control> {
    let mut router = Router::new();
    for (path, message) in NOT_HERE {
        let refuse = move |State(control): State<Control>| async move {
            let refused: Result<(), Refusal> = Err(Refusal::NotHere { message });
            let response: Response = answer(&control, refused);
            response
        };
        let below = format!("{path}/{{*rest}}");
        router = router.route(path, any(refuse)).route(&below, any(refuse));
    }
    router
}
