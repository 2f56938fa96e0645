//! Making new recovery codes.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::people::factor::FactorChange;
use domain::people::recovery_code::RecoveryCode;
use serde::Serialize;
use store::people::recovery_codes;
use utoipa::ToSchema;

use super::super::caller::SignedIn;
use super::super::proof::Proof;
use super::super::refusal::PeopleRefusal;
use super::Change;
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, answer};

/// Proof, to make new recovery codes.
#[derive(ToSchema)]
pub(crate) struct NewRecoveryCodes {
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
}

/// Recovery codes that were just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    #[schema(value_type = String, example = "recovery_codes")]
    object: &'static str,
    /// Each lets you in once, after the password: shown this once.
    #[schema(example = json!(["7K3M-X2QP-90BD-ZT5W"]))]
    recovery_codes: Vec<String>,
}

/// Make new recovery codes. Earlier ones work no more.
#[utoipa::path(
    post, path = "/api/me/recovery_codes", tag = "Accounts", operation_id = "renew_recovery_codes",
    request_body = NewRecoveryCodes,
    responses((status = 200, body = RecoveryCodes)), security(("session" = []))
)]
pub(crate) async fn renew(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let NewRecoveryCodes { current_password } = NewRecoveryCodes {
            current_password: fields.proof()?,
        };
        control.ensure_proved(&caller, current_password).await?;
        let (now, entropy) = (control.now(), control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            let change = Change {
                caller: &caller,
                now,
                entropy,
            };
            if !change.before(tx)?.is_on() {
                return Err(PeopleRefusal::NoFactor.into());
            }
            let made = recovery_codes::renew(tx, &caller.user.id, now, entropy)?;
            change.tell(tx, FactorChange::RecoveryCodesMade, "recovery_codes")?;
            Ok(Json(RecoveryCodes {
                object: "recovery_codes",
                recovery_codes: made.iter().map(RecoveryCode::expose).collect(),
            }))
        });
        write.await
    };
    answer(&control, outcome.await)
}
