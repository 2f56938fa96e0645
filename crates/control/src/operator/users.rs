//! `/api/operator/users`: everybody with a login.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, UserId};
use serde::Serialize;
use store::audit::{Event, Kind};
use store::people::sessions;
use store::people::users::{self, User};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use crate::Control;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// Sessions that were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedOut {
    /// The user's.
    id: String,
    #[schema(value_type = String, example = "operator.user.signed_out")]
    object: &'static str,
    /// How many sessions were ended.
    sessions: u64,
}

/// Sign a user out everywhere. Their keys go on working.
#[utoipa::path(
    post, path = "/api/operator/users/{user_id}/sign_out", tag = "Operator",
    operation_id = "sign_out_user",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = SignedOut)), security(("session" = []))
)]
pub(crate) async fn sign_out(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, _| {
        let user = find(tx, &id)?.id;
        let signed_out = SignedOut {
            id,
            object: "operator.user.signed_out",
            sessions: sessions::end_others(tx, &user, None)?,
        };
        let event = Event::new(Kind::UserSignedOut, &user);
        Ok(Acted::new(event, signed_out).concerning(organizations(tx, &user)?))
    });
    answer(&control, change.await.map(Json))
}

fn find(tx: &mut Tx<'_>, id: &str) -> Outcome<User> {
    users::get(tx, &UserId::new(id))?.ok_or_else(|| Refusal::Nowhere {
        what: "user",
        id: id.to_owned(),
    })
}

/// Those that a user belongs to: they are told what is done to their people.
fn organizations(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<OrganizationId>, StoreError> {
    let memberships = users::memberships(tx, user)?.into_iter();
    Ok(memberships.map(|of| of.organization).collect())
}
