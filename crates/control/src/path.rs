//! The ids in a request's path.

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::request::Parts;

use crate::Control;
use crate::respond::{self, Refusal};

/// The ids in a path, in order. Every id is made of visible ASCII, so a path with anything else
/// (a null character, say, which no database keeps) leads nowhere.
pub(crate) struct Ids<const N: usize>(pub(crate) [String; N]);

impl<const N: usize> FromRequestParts<Control> for Ids<N> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let path = Path::<Vec<String>>::from_request_parts(parts, control).await;
        let visible = |id: &String| id.bytes().all(|byte| byte.is_ascii_graphic());
        path.ok()
            .filter(|Path(ids)| ids.iter().all(visible))
            .and_then(|Path(ids)| ids.try_into().ok())
            .map(Ids)
            .ok_or_else(|| {
                let nowhere = Refusal::NoRoute {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                };
                respond::answer::<()>(control, Err(nowhere))
            })
    }
}
