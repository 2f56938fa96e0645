//! Recognises operators, and refuses everybody else: in the same words whoever they are and
//! whatever they ask for, so that nothing can be learned of what there is.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;
use store::audit::{Actor, Who};

use crate::Control;
use crate::access::is_operators;
use crate::people::caller::SignedIn;
use crate::respond::{self, Outcome, Refusal};

/// An operator: a handler that takes it cannot be reached by anybody else.
pub(crate) struct Operator {
    /// What the operators' log says of whoever calls.
    pub(crate) actor: Actor,
}

impl Operator {
    /// Who moves money, as the books have it.
    pub(crate) fn for_books(&self) -> String {
        let user = self.actor.user();
        user.map_or("operator".into(), |id| format!("operator:{id}"))
    }
}

impl FromRequestParts<Control> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let refused = |refusal| respond::answer::<()>(control, Err(refusal));
        operator(parts, control).await.map_err(refused)
    }
}

async fn operator(parts: &Parts, control: &Control) -> Outcome<Operator> {
    let path = parts.extensions.get::<MatchedPath>();
    if !path.is_some_and(|path| is_operators(&parts.method, path.as_str())) {
        return Err(Refusal::NoRule);
    }
    // A key counts, and not the cookie that comes along; and no key is an operator.
    if parts.headers.contains_key(AUTHORIZATION) {
        return Err(Refusal::NotOperator);
    }
    let SignedIn { visitor, user, .. } = SignedIn::of(parts, control).await?;
    if !user.is_operator {
        return Err(Refusal::NotOperator);
    }
    Ok(Operator {
        actor: Actor {
            who: Who::Session(user.id),
            ip_address: visitor.ip_address(),
            user_agent: visitor.user_agent,
        },
    })
}
