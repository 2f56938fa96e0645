//! Usage of what nothing here does: images, audio, stores and tools. OpenAI's endpoints for them
//! answer buckets in which nothing happened.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use store::usage_reports::Kind;

use crate::Control;
use crate::authenticate::Admin;
use crate::query::Query;
use crate::respond::{Outcome, answer};
use crate::usage::{Asked, BucketPage, Span, Stretch, UsageResult};

/// An endpoint whose buckets are empty: its path, its name, and what it may be grouped by.
macro_rules! nothing {
    ($($handler:ident $path:literal $operation:literal $summary:literal
       [$($field:literal),*];)*) => {
        $(
            #[doc = $summary]
            #[utoipa::path(
                get, path = $path, tag = "Usage", operation_id = $operation,
                params(Stretch),
                responses((status = 200, body = BucketPage<UsageResult>)),
                security(("admin_key" = []))
            )]
            pub(crate) async fn $handler(
                State(control): State<Control>,
                Admin(_): Admin,
                query: Query,
            ) -> Response {
                answer(&control, empty(&control, &query, &[$($field),*]))
            }
        )*
    };
}

nothing! {
    moderations "/v1/organization/usage/moderations" "usage_of_moderations"
        "Usage of moderations: none." ["project_id", "user_id", "api_key_id", "model"];
    images "/v1/organization/usage/images" "usage_of_images"
        "Usage of images: none." ["project_id", "user_id", "api_key_id", "model", "size", "source"];
    audio_speeches "/v1/organization/usage/audio_speeches" "usage_of_audio_speeches"
        "Usage of speech: none." ["project_id", "user_id", "api_key_id", "model"];
    audio_transcriptions "/v1/organization/usage/audio_transcriptions"
        "usage_of_audio_transcriptions"
        "Usage of transcriptions: none." ["project_id", "user_id", "api_key_id", "model"];
    vector_stores "/v1/organization/usage/vector_stores" "usage_of_vector_stores"
        "Usage of vector stores: none." ["project_id"];
    code_interpreter_sessions "/v1/organization/usage/code_interpreter_sessions"
        "usage_of_code_interpreter_sessions"
        "Usage of code interpreters: none." ["project_id"];
    file_search_calls "/v1/organization/usage/file_search_calls" "usage_of_file_search_calls"
        "Usage of file searches: none."
        ["project_id", "user_id", "api_key_id", "vector_store_id"];
    web_search_calls "/v1/organization/usage/web_search_calls" "usage_of_web_search_calls"
        "Usage of web searches: none."
        ["project_id", "user_id", "api_key_id", "model", "context_level", "api_source"];
    decisions "/v1/organization/usage/decisions" "usage_of_decisions"
        "Usage of decisions: none."
        ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"];
}

/// The buckets that were asked for, without results.
fn empty(
    control: &Control,
    query: &Query,
    fields: &[&str],
) -> Outcome<Json<BucketPage<UsageResult>>> {
    let span = Span {
        kind: Kind::All,
        default: None,
        most: None,
    };
    let asked = Asked::read(query, &span, fields, control.now())?;
    Ok(Json(asked.page(&[], |_| Vec::new())))
}
