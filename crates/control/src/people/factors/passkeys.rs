//! Adding passkeys, naming and removing them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::PasskeyId;
use domain::people::factor::{Factor, FactorChange};
use domain::people::secret::BearerSecret;
use domain::people::throttle::CODES_FROM_NETWORK;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::{Value, json};
use store::people::challenges::{self, LIFETIME_US, Purpose};
use store::people::passkeys::{self, MOST_OF_USER, Passkey as Row};
use store::people::ways::{self, Taken, Ways};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::super::caller::SignedIn;
use super::super::guessing;
use super::super::proof::Proof;
use super::super::refusal::PeopleRefusal;
use super::super::webauthn::ALGORITHMS;
use super::super::webauthn::problem::Problem;
use super::super::webauthn::registration::{Registered, Registration};
use super::super::webauthn::site::Site;
use super::credential::NewCredential;
use super::{Change, FactorAdded, FactorRemoved};
use crate::Control;
use crate::body::Fields;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// What a passkey is called until its owner says something else.
const DEFAULT_NAME: &str = "Passkey";

/// A passkey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Passkey {
    id: String,
    #[schema(value_type = String, example = "passkey")]
    object: &'static str,
    #[schema(example = "Ada's phone")]
    name: String,
    /// Whether it lets you in without the password: its authenticator knows who is there, by a PIN,
    /// a fingerprint or a face.
    signs_in_alone: bool,
    /// Whether it is on other devices of yours too, or in a backup.
    is_backed_up: bool,
    created_at: i64,
    last_used_at: Option<i64>,
}

/// Your passkeys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    /// The oldest first.
    data: Vec<Passkey>,
}

/// What to ask a browser for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyOptions {
    #[schema(value_type = String, example = "passkey.options")]
    object: &'static str,
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`:
    /// bytes are base64url.
    #[schema(value_type = Object)]
    public_key: Value,
    /// Until when the browser's answer is taken.
    expires_at: i64,
}

/// Proof, to add a passkey.
#[derive(ToSchema)]
pub(crate) struct NewPasskeyOptions {
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
}

/// A passkey that the browser made.
#[derive(ToSchema)]
pub(crate) struct NewPasskey {
    /// What you call it; if absent, `Passkey`.
    name: Option<String>,
    /// What `PublicKeyCredential.toJSON` gives.
    #[schema(value_type = Object)]
    credential: NewCredential,
}

/// What a passkey is to be called.
#[derive(ToSchema)]
pub(crate) struct PasskeyName {
    #[schema(example = "Ada's phone")]
    name: String,
}

impl From<Row> for Passkey {
    fn from(row: Row) -> Self {
        Passkey {
            id: row.id.to_string(),
            object: "passkey",
            name: row.name,
            signs_in_alone: row.is_user_verified,
            is_backed_up: row.is_backed_up,
            created_at: row.created_at.seconds(),
            last_used_at: row.last_used_at.map(|at| at.seconds()),
        }
    }
}

impl PasskeyOptions {
    pub(super) fn new(public_key: Value, now: AtUs) -> Self {
        PasskeyOptions {
            object: "passkey.options",
            public_key,
            expires_at: now.plus(LIFETIME_US).seconds(),
        }
    }
}

impl Control {
    /// The site that passkeys are made for here.
    pub(super) fn site(&self) -> Outcome<Site> {
        Ok(Site::of(&self.public_url).ok_or(PeopleRefusal::NoPasskeysHere)?)
    }

    /// Whether passkeys can be used here.
    pub(in super::super) fn has_passkeys(&self) -> bool {
        Site::of(&self.public_url).is_some()
    }
}

/// A challenge as browsers take it.
pub(super) fn shown(challenge: &BearerSecret) -> String {
    URL_SAFE_NO_PAD.encode(challenge.expose())
}

/// How long browsers wait.
pub(super) const TIMEOUT_MS: i64 = LIFETIME_US / 1000;

/// Names passkeys to a browser.
pub(super) fn named(rows: &[Row]) -> Vec<Value> {
    let name = |row: &Row| {
        let (id, transports) = (&row.credential_id, &row.transports);
        json!({"type": "public-key", "id": id, "transports": transports})
    };
    rows.iter().map(name).collect()
}

/// Ask what to ask the browser for, to add a passkey.
#[utoipa::path(
    post, path = "/api/me/passkeys/options", tag = "Accounts",
    operation_id = "begin_passkey", request_body = NewPasskeyOptions,
    responses((status = 200, body = PasskeyOptions)), security(("session" = []))
)]
pub(crate) async fn options(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let NewPasskeyOptions { current_password } = NewPasskeyOptions {
            current_password: fields.proof()?,
        };
        let site = control.site()?;
        control.ensure_proved(&caller, current_password).await?;
        let (challenge, now) = (BearerSecret::mint(control.entropy), control.now());
        let write = control.store.write(move |tx| -> Outcome<_> {
            let known = passkeys::list(tx, &caller.user.id)?;
            if known.len() >= MOST_OF_USER {
                return Err(PeopleRefusal::TooManyPasskeys.into());
            }
            let purpose = Purpose::Register(caller.session.id.to_string());
            challenges::begin(tx, &challenge.digest(), &purpose, now)?;
            let (user, algorithms) = (
                &caller.user,
                ALGORITHMS.map(|alg| json!({"type": "public-key", "alg": alg})),
            );
            let public_key = json!({
                "rp": {"id": site.id, "name": "Farebox"},
                "user": {
                    "id": URL_SAFE_NO_PAD.encode(user.id.as_str()),
                    "name": user.email,
                    "displayName": user.name,
                },
                "challenge": shown(&challenge),
                "pubKeyCredParams": algorithms,
                "timeout": TIMEOUT_MS,
                "excludeCredentials": named(&known),
                "authenticatorSelection": {
                    "residentKey": "preferred",
                    "requireResidentKey": false,
                    "userVerification": "preferred",
                },
                "attestation": "none",
            });
            Ok(Json(PasskeyOptions::new(public_key, now)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Add the passkey that the browser made. From now on the password alone does not let you in.
#[utoipa::path(
    post, path = "/api/me/passkeys", tag = "Accounts", operation_id = "add_passkey",
    request_body = NewPasskey,
    responses((status = 200, body = FactorAdded)), security(("session" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewPasskey {
            name: fields.name("name")?,
            credential: NewCredential::read(&fields)?,
        };
        let site = control.site()?;
        let challenge = new.credential.challenge()?;
        let now = control.now();
        let bucket = [(&CODES_FROM_NETWORK, caller.visitor.network())];
        control.ensure_room(&bucket, now).await?;
        let purpose = Purpose::Register(caller.session.id.to_string());
        let asked = challenge.clone();
        // Used up on its own, whatever the answer is worth.
        let take = control.store.write(move |tx| -> Outcome<bool> {
            guessing::take(tx, &bucket, now)?;
            Ok(challenges::take(tx, &asked, &purpose, now)?)
        });
        if !take.await? {
            return Err(PeopleRefusal::Passkey(Problem::Challenge).into());
        }
        let registration = Registration {
            client_data: &new.credential.client_data,
            attestation_object: &new.credential.attestation_object,
        };
        let made = registration.verify(&challenge, &site);
        let made = made.map_err(PeopleRefusal::Passkey)?;
        let row = row(&caller, new, &made, PasskeyId::random(control.entropy), now);
        let entropy = control.entropy;
        let write = control.store.write(move |tx| -> Outcome<_> {
            keep(
                tx,
                &Change {
                    caller: &caller,
                    now,
                    entropy,
                },
                row,
            )
        });
        write.await.map(Json)
    };
    answer(&control, outcome.await)
}

fn row(caller: &SignedIn, new: NewPasskey, made: &Registered, id: PasskeyId, now: AtUs) -> Row {
    Row {
        id,
        user: caller.user.id.clone(),
        credential_id: URL_SAFE_NO_PAD.encode(&made.credential_id),
        public_key: URL_SAFE_NO_PAD.encode(&made.public_key),
        sign_count: made.sign_count,
        is_user_verified: made.is_user_verified,
        is_backup_eligible: made.is_backup_eligible,
        is_backed_up: made.is_backed_up,
        transports: new.credential.transports,
        name: new.name.unwrap_or_else(|| DEFAULT_NAME.into()),
        created_at: now,
        last_used_at: None,
    }
}

/// Steps 22 and 23 of section 7.1: the passkey belongs to nobody yet, and is kept.
fn keep(tx: &mut Tx<'_>, change: &Change<'_>, row: Row) -> Outcome<FactorAdded> {
    let before = change.before(tx)?;
    if before.passkeys >= MOST_OF_USER {
        return Err(PeopleRefusal::TooManyPasskeys.into());
    }
    if !passkeys::create(tx, &row)? {
        return Err(PeopleRefusal::Passkey(Problem::Registered).into());
    }
    let mut added = change.added(tx, before, Factor::Passkey)?;
    change.tell(tx, FactorChange::PasskeyAdded, "passkeys")?;
    added.passkey = Some(row.into());
    Ok(added)
}

/// List your passkeys.
#[utoipa::path(
    get, path = "/api/me/passkeys", tag = "Accounts", operation_id = "list_passkeys",
    responses((status = 200, body = PasskeyList)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, caller: SignedIn) -> Response {
    let user = caller.user.id;
    let read = control
        .store
        .read(move |tx| -> Result<_, StoreError> { passkeys::list(tx, &user) });
    let shown = |rows: Vec<Row>| PasskeyList {
        object: "list",
        data: rows.into_iter().map(Passkey::from).collect(),
    };
    let outcome = read.await.map(|rows| Json(shown(rows)));
    answer(&control, outcome.map_err(Refusal::Store))
}

/// Call a passkey something else.
#[utoipa::path(
    post, path = "/api/me/passkeys/{passkey_id}", tag = "Accounts", operation_id = "rename_passkey",
    params(("passkey_id" = String, Path, description = "The passkey")),
    request_body = PasskeyName,
    responses((status = 200, body = Passkey)), security(("session" = []))
)]
pub(crate) async fn rename(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let PasskeyName { name } = PasskeyName {
            name: fields.required("name", fields.name("name")?)?,
        };
        let write = control.store.write(move |tx| -> Outcome<_> {
            let mut row = find(tx, &caller, &id)?;
            passkeys::rename(tx, &row.id, &name)?;
            row.name = name;
            Ok(Json(Passkey::from(row)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Remove a passkey. The session must be proved lately.
#[utoipa::path(
    delete, path = "/api/me/passkeys/{passkey_id}", tag = "Accounts",
    operation_id = "remove_passkey",
    params(("passkey_id" = String, Path, description = "The passkey")),
    responses((status = 200, body = FactorRemoved)), security(("session" = []))
)]
pub(crate) async fn remove(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([id]): Ids<1>,
) -> Response {
    let outcome = async {
        control.ensure_proved(&caller, Proof::Session).await?;
        let (now, entropy) = (control.now(), control.entropy);
        let providers = control.people.providers.clone();
        let write = control.store.write(move |tx| -> Outcome<_> {
            let passkey = find(tx, &caller, &id)?;
            let ways = Ways {
                issuers: &providers.issuers(),
                passkeys: true,
            };
            let taken = Taken::Passkey(&passkey.id);
            if passkey.is_user_verified && !ways::is_left(tx, &caller.user.id, taken, &ways)? {
                return Err(PeopleRefusal::LastWay.into());
            }
            if !passkeys::remove(tx, &caller.user.id, &PasskeyId::new(&id))? {
                return Err(unknown(&id));
            }
            let change = Change {
                caller: &caller,
                now,
                entropy,
            };
            change.tell(tx, FactorChange::PasskeyRemoved, "passkeys")?;
            Ok(Json(change.removed(tx)?))
        });
        write.await
    };
    answer(&control, outcome.await)
}

fn find(tx: &mut Tx<'_>, caller: &SignedIn, id: &str) -> Outcome<Row> {
    let found = passkeys::get(tx, &caller.user.id, &PasskeyId::new(id))?;
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Refusal {
    Refusal::NotFound {
        what: "passkey",
        id: id.to_owned(),
    }
}
