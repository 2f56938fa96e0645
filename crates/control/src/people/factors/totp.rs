//! Adding an authenticator app, and removing it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::people::factor::{Factor, FactorChange};
use domain::people::throttle::CODES_FROM_NETWORK;
use domain::people::totp::TotpSecret;
use serde::Serialize;
use store::StoreError;
use store::people::totp::{self, ENROLMENT_US, NotConfirmed};
use utoipa::ToSchema;

use super::super::caller::SignedIn;
use super::super::contact::ReceivedCode;
use super::super::guessing;
use super::super::origin;
use super::super::proof::Proof;
use super::super::refusal::PeopleRefusal;
use super::{Change, FactorAdded, FactorRemoved};
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, answer};

/// Proof, to add an authenticator app.
#[derive(ToSchema)]
pub(crate) struct NewAuthenticatorApp {
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
}

/// An authenticator app that is to be added. It is when a code of it was shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpEnrolment {
    #[schema(value_type = String, example = "totp.enrolment")]
    object: &'static str,
    /// To be typed into an app, in base32.
    secret: String,
    /// To be shown to an app as a QR code.
    #[schema(example = "otpauth://totp/Farebox%20%28ai.example.com%29:ada%40example.com?secret=…")]
    uri: String,
    /// Until when a code must be shown.
    expires_at: i64,
}

/// Begin to add an authenticator app: put the secret into it, and confirm with a code that it
/// shows. Until then, nothing changes.
#[utoipa::path(
    post, path = "/api/me/totp", tag = "Accounts", operation_id = "enrol_authenticator_app",
    request_body = NewAuthenticatorApp,
    responses((status = 200, body = TotpEnrolment)), security(("session" = []))
)]
pub(crate) async fn enrol(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let NewAuthenticatorApp { current_password } = NewAuthenticatorApp {
            current_password: fields.proof()?,
        };
        control.ensure_proved(&caller, current_password).await?;
        let (key, entropy) = (control.sealing()?, control.entropy);
        let (secret, now) = (TotpSecret::mint(entropy), control.now());
        let issuer = format!("Farebox ({})", origin::host_of(&control.public_url));
        let enrolment = TotpEnrolment {
            object: "totp.enrolment",
            secret: secret.expose(),
            uri: secret.uri(&issuer, &caller.user.email),
            expires_at: now.plus(ENROLMENT_US).seconds(),
        };
        let write = control.store.write(move |tx| -> Result<(), StoreError> {
            totp::begin(tx, &caller.user.id, &secret, (&key, entropy), now)
        });
        write.await?;
        Ok(Json(enrolment))
    };
    answer(&control, outcome.await)
}

/// Add the authenticator app, with a code that it shows. From now on a code is asked for after the
/// password.
#[utoipa::path(
    post, path = "/api/me/totp/confirm", tag = "Accounts",
    operation_id = "confirm_authenticator_app", request_body = ReceivedCode,
    responses((status = 200, body = FactorAdded)), security(("session" = []))
)]
pub(crate) async fn confirm(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let code = fields.code("code")?;
        let key = control.sealing()?;
        let (now, entropy) = (control.now(), control.entropy);
        let bucket = [(&CODES_FROM_NETWORK, caller.visitor.network())];
        let write = control.store.write(move |tx| -> Outcome<Outcome<_>> {
            guessing::take(tx, &bucket, now)?;
            let change = Change {
                caller: &caller,
                now,
                entropy,
            };
            let before = change.before(tx)?;
            let refused = match totp::confirm(tx, &caller.user.id, &code, &key, now)? {
                Ok(()) => None,
                Err(NotConfirmed::Over) => Some(PeopleRefusal::EnrolmentOver),
                Err(NotConfirmed::Wrong) => Some(PeopleRefusal::WrongFactor),
            };
            if let Some(refusal) = refused {
                // The try that was taken stays taken.
                return Ok(Err(refusal.into()));
            }
            let added = change.added(tx, before, Factor::Totp)?;
            change.tell(tx, FactorChange::TotpAdded, "totp")?;
            Ok(Ok(Json(added)))
        });
        write.await?
    };
    answer(&control, outcome.await)
}

/// Remove the authenticator app. The session must be proved lately.
#[utoipa::path(
    delete, path = "/api/me/totp", tag = "Accounts", operation_id = "remove_authenticator_app",
    responses((status = 200, body = FactorRemoved)), security(("session" = []))
)]
pub(crate) async fn remove(State(control): State<Control>, caller: SignedIn) -> Response {
    let outcome = async {
        control.ensure_proved(&caller, Proof::Session).await?;
        let (now, entropy) = (control.now(), control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            if !totp::remove(tx, &caller.user.id)? {
                return Err(PeopleRefusal::NoFactor.into());
            }
            let change = Change {
                caller: &caller,
                now,
                entropy,
            };
            change.tell(tx, FactorChange::TotpRemoved, "totp")?;
            Ok(Json(change.removed(tx)?))
        });
        write.await
    };
    answer(&control, outcome.await)
}
