//! Changing one's address or phone number: a code goes to the new one, a notice to the old one.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::message::Letter;
use domain::people::code::{Purpose, SentCode};
use domain::people::email::Email;
use domain::people::phone::Phone;
use domain::people::throttle::{CHANGES_OF_USER, CODES_FROM_NETWORK};
use serde::Serialize;
use store::people::{codes, users};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::caller::SignedIn;
use super::guessing::{self, Bucket};
use super::letters::Post;
use super::me::Me;
use super::proof::Proof;
use super::refusal::PeopleRefusal;
use super::sending::{self, Sending};
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, Refusal, answer};

/// An address to change to.
#[derive(ToSchema)]
pub(crate) struct EmailChange {
    #[schema(value_type = String, example = "ada@example.org")]
    email: Email,
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
}

/// A phone number to change to.
#[derive(ToSchema)]
pub(crate) struct PhoneChange {
    #[schema(value_type = String, example = "+4930901820")]
    phone: Phone,
    /// May be absent right after signing in.
    #[schema(value_type = Option<String>)]
    current_password: Proof,
}

/// A code that was received.
#[derive(ToSchema)]
pub(crate) struct ReceivedCode {
    #[schema(example = "123456")]
    code: String,
}

/// A code was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeSent {
    #[schema(value_type = String, example = "code.sent")]
    object: &'static str,
    /// When another one can be asked for.
    resend_at: i64,
    /// When it is worth nothing any more.
    expires_at: i64,
}

impl From<SentCode> for CodeSent {
    fn from(sent: SentCode) -> Self {
        CodeSent {
            object: "code.sent",
            resend_at: sent.resend_at().seconds(),
            expires_at: sent.expires_at().seconds(),
        }
    }
}

/// Change the address: a code is mailed to the new one.
#[utoipa::path(
    post, path = "/api/me/email", tag = "Accounts", operation_id = "change_email",
    request_body = EmailChange,
    responses((status = 200, body = CodeSent)), security(("session" = []))
)]
pub(crate) async fn change_email(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let EmailChange {
            email,
            current_password,
        } = EmailChange {
            email: fields.address("email")?,
            current_password: fields.proof()?,
        };
        if email.as_str() == caller.user.email {
            return Err(fields.invalid("email", "it is your address already"));
        }
        control.ensure_proved(&caller, current_password).await?;
        let buckets = sending::mails(&email, &caller.visitor);
        begin(&control, caller, Purpose::NewEmail, email.as_str(), buckets).await
    };
    answer(&control, outcome.await)
}

/// Prove that the new address is yours, with the code that was mailed. It is then the one that you
/// sign in with; the old one gets a notice.
#[utoipa::path(
    post, path = "/api/me/email/code", tag = "Accounts", operation_id = "verify_new_email",
    request_body = ReceivedCode,
    responses((status = 200, body = Me)), security(("session" = []))
)]
pub(crate) async fn verify_email(
    State(control): State<Control>,
    mut caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = ReceivedCode {
            code: fields.code("code")?,
        };
        caller.user.email = finish(&control, caller.clone(), Purpose::NewEmail, given).await?;
        control.shown(caller).await
    };
    answer(&control, outcome.await)
}

/// Change the phone number: a code is sent to the new one.
#[utoipa::path(
    post, path = "/api/me/phone", tag = "Accounts", operation_id = "change_phone",
    request_body = PhoneChange,
    responses((status = 200, body = CodeSent)), security(("session" = []))
)]
pub(crate) async fn change_phone(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let PhoneChange {
            phone,
            current_password,
        } = PhoneChange {
            phone: fields.phone("phone")?,
            current_password: fields.proof()?,
        };
        control.ensure_proved(&caller, current_password).await?;
        let buckets = sending::texts(&phone, &caller.visitor);
        begin(&control, caller, Purpose::NewPhone, phone.as_str(), buckets).await
    };
    answer(&control, outcome.await)
}

/// Prove that the new number is yours, with the code that was sent.
#[utoipa::path(
    post, path = "/api/me/phone/code", tag = "Accounts", operation_id = "verify_new_phone",
    request_body = ReceivedCode,
    responses((status = 200, body = Me)), security(("session" = []))
)]
pub(crate) async fn verify_phone(
    State(control): State<Control>,
    mut caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = ReceivedCode {
            code: fields.code("code")?,
        };
        let number = finish(&control, caller.clone(), Purpose::NewPhone, given).await?;
        caller.user.phone = Some(number);
        control.shown(caller).await
    };
    answer(&control, outcome.await)
}

/// Sends a code to `target`; only a notice where it is somebody else's address already.
async fn begin(
    control: &Control,
    caller: SignedIn,
    purpose: Purpose,
    target: &str,
    mut buckets: Vec<Bucket>,
) -> Outcome<Json<CodeSent>> {
    let user = caller.user.id;
    buckets.push((&CHANGES_OF_USER, user.to_string()));
    let (now, entropy, target) = (control.now(), control.entropy, target.to_owned());
    control.ensure_room(&buckets, now).await?;
    let public_url = control.public_url.clone();
    let write = control.store.write(move |tx| -> Outcome<_> {
        guessing::take(tx, &buckets, now)?;
        let sending = Sending {
            purpose,
            subject: user.as_str(),
            target: &target,
        };
        let sent = match purpose == Purpose::NewEmail && is_somebodys(tx, &target)? {
            false => sending.send(tx, now, entropy)?,
            true => sending.pretend(tx, &public_url, now, entropy)?,
        };
        Ok(Json(CodeSent::from(sent)))
    });
    write.await
}

fn is_somebodys(tx: &mut Tx<'_>, address: &str) -> Result<bool, StoreError> {
    match Email::parse(address) {
        Ok(email) => Ok(users::by_email(tx, &email)?.is_some()),
        Err(_) => Ok(false),
    }
}

/// Takes a code, and makes what it was sent to the user's own. Answers what that is.
async fn finish(
    control: &Control,
    caller: SignedIn,
    purpose: Purpose,
    given: ReceivedCode,
) -> Outcome<String> {
    let (now, entropy) = (control.now(), control.entropy);
    let bucket = [(&CODES_FROM_NETWORK, caller.visitor.network())];
    let write = control.store.write(move |tx| -> Outcome<Outcome<String>> {
        guessing::take(tx, &bucket, now)?;
        let (id, old) = (&caller.user.id, &caller.user.email);
        let target = match codes::check(tx, id.as_str(), purpose, &given.code, now)? {
            Ok(target) => target,
            // The try that was taken stays taken.
            Err(why) => return Ok(Err(PeopleRefusal::from(why).into())),
        };
        let letter = match purpose {
            Purpose::NewEmail => {
                users::set_email(tx, id, &target)?;
                Letter::EmailChanged {
                    new: target.clone(),
                    at: now,
                }
            }
            _ => {
                users::set_phone(tx, id, &target)?;
                let masked = Phone::parse(&target).map(|phone| phone.masked());
                Letter::PhoneChanged {
                    new: masked.map_err(|_| Refusal::from(PeopleRefusal::CodeOver))?,
                    at: now,
                }
            }
        };
        Post { now, entropy }.mail(tx, old, letter, None)?;
        let what = if purpose == Purpose::NewEmail {
            "email"
        } else {
            "phone"
        };
        caller.deed(now, entropy).changed(tx, what)?;
        Ok(Ok(target))
    });
    write.await?
}
