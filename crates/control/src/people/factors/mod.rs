//! Second factors: an authenticator app, passkeys, and recovery codes for when they are lost.
//!
//! Whoever has a factor is asked for one after the password. Nobody learns whether an account has
//! one who does not have its password.

pub(super) mod credential;
mod passkey_sign_in;
mod passkeys;
mod recovery_codes;
pub(super) mod second_step;
mod totp;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::Entropy;
use domain::message::Letter;
use domain::people::factor::{Factor, FactorChange};
use domain::people::recovery_code::{FEW, RecoveryCode};
use domain::time::AtUs;
use serde::Serialize;
use store::people::factors::{self, Factors};
use store::people::{
    passkeys as kept_passkeys, recovery_codes as kept_codes, sessions, totp as kept_totp, users,
};
use store::{StoreError, Tx};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::SignedIn;
use super::letters::Post;
use crate::Control;
use crate::respond::{Outcome, answer};
use passkeys::Passkey;

/// The routes about second factors.
pub(super) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(totp::enrol, totp::remove))
        .routes(routes!(totp::confirm))
        .routes(routes!(recovery_codes::renew))
        .routes(routes!(passkeys::list, passkeys::create))
        .routes(routes!(passkeys::options))
        .routes(routes!(passkeys::rename, passkeys::remove))
        .routes(routes!(passkey_sign_in::options))
        .routes(routes!(passkey_sign_in::proof_options))
        .routes(routes!(passkey_sign_in::sign_in))
        .routes(routes!(second_step::with_totp))
        .routes(routes!(second_step::with_recovery_code))
}

/// What is asked for after the password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecondFactors {
    #[schema(value_type = String, example = "second_factors")]
    object: &'static str,
    /// Whether the password alone does not let you in.
    is_on: bool,
    /// The authenticator app.
    totp: Option<AuthenticatorApp>,
    /// The oldest first.
    passkeys: Vec<Passkey>,
    /// How many recovery codes were not used.
    recovery_codes_left: i64,
    /// Whether these are so few that it is time to make new ones.
    needs_recovery_codes: bool,
}

/// An authenticator app.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthenticatorApp {
    #[schema(value_type = String, example = "totp")]
    object: &'static str,
    added_at: i64,
}

/// A second factor was added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FactorAdded {
    #[schema(value_type = String, example = "second_factor.added")]
    object: &'static str,
    /// The passkey, if it is one.
    passkey: Option<Passkey>,
    /// Recovery codes, if it is the first factor: shown this once.
    recovery_codes: Option<Vec<String>>,
    /// How many sessions this ended, if it is the first factor: those that were begun without one.
    ended_sessions: u64,
}

/// A second factor was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FactorRemoved {
    #[schema(value_type = String, example = "second_factor.removed")]
    object: &'static str,
    /// Whether there is another one, so that the password alone still does not let you in.
    is_on: bool,
}

/// Show what is asked for after the password.
#[utoipa::path(
    get, path = "/api/me/factors", tag = "Accounts", operation_id = "list_second_factors",
    responses((status = 200, body = SecondFactors)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, caller: SignedIn) -> Response {
    let user = caller.user.id;
    let read = control.store.read(move |tx| -> Outcome<_> {
        let found = factors::of(tx, &user)?;
        let app = kept_totp::added_at(tx, &user)?;
        let passkeys = kept_passkeys::list(tx, &user)?.into_iter();
        Ok(Json(SecondFactors {
            object: "second_factors",
            is_on: found.is_on(),
            totp: app.map(|added_at| AuthenticatorApp {
                object: "totp",
                added_at: added_at.seconds(),
            }),
            passkeys: passkeys.map(Passkey::from).collect(),
            recovery_codes_left: found.recovery_codes,
            needs_recovery_codes: found.is_on() && found.recovery_codes <= FEW,
        }))
    });
    answer(&control, read.await)
}

/// A change of somebody's factors, in the transaction that makes it.
struct Change<'a> {
    caller: &'a SignedIn,
    now: AtUs,
    entropy: Entropy,
}

impl Change<'_> {
    /// What there is before the change. Of several who change it at once, each sees what those
    /// before it did.
    fn before(&self, tx: &mut Tx<'_>) -> Result<Factors, StoreError> {
        users::keep_still(tx, &self.caller.user.id)?;
        factors::of(tx, &self.caller.user.id)
    }

    /// What follows when a factor was added; `before` is what there was. Of the first one it is
    /// that codes are made for when it is lost, and that every session ends that was begun without:
    /// so a session of somebody with a factor is one that showed it.
    fn added(&self, tx: &mut Tx<'_>, before: Factors, factor: Factor) -> Outcome<FactorAdded> {
        let SignedIn { user, session, .. } = self.caller;
        let (mut codes, mut ended_sessions) = (None, 0);
        if !before.is_on() {
            ended_sessions = sessions::end_others(tx, &user.id, Some(&session.id))?;
            sessions::note_factor(tx, &session.id, factor, self.now)?;
            let made = kept_codes::renew(tx, &user.id, self.now, self.entropy)?;
            codes = Some(made.iter().map(RecoveryCode::expose).collect());
        }
        Ok(FactorAdded {
            object: "second_factor.added",
            passkey: None,
            recovery_codes: codes,
            ended_sessions,
        })
    }

    /// What follows when a factor was removed.
    fn removed(&self, tx: &mut Tx<'_>) -> Outcome<FactorRemoved> {
        let user = &self.caller.user.id;
        factors::drop_idle_codes(tx, user)?;
        Ok(FactorRemoved {
            object: "second_factor.removed",
            is_on: factors::of(tx, user)?.is_on(),
        })
    }

    /// Tells whom it concerns: by mail, and in the audit log, which calls it `changed`.
    fn tell(&self, tx: &mut Tx<'_>, what: FactorChange, changed: &str) -> Result<(), StoreError> {
        let (now, entropy) = (self.now, self.entropy);
        let letter = Letter::SecondFactorsChanged { what, at: now };
        Post { now, entropy }.mail(tx, &self.caller.user.email, letter, None)?;
        self.caller.deed(now, entropy).changed(tx, changed)
    }
}
