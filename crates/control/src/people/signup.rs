//! Signing up: an address and a password, the code that was mailed, and, where the operator wants
//! it, a phone number and the code that was sent there.
//!
//! Somebody whose address has an account already gets the same answer, after the same work. Only
//! the mail says what happened, and the code that is asked for next was told to nobody.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::InviteId;
use domain::people::code::{Purpose, SentCode};
use domain::people::email::Email;
use domain::people::phone::Phone;
use domain::people::secret::{BearerDigest, BearerSecret};
use domain::people::throttle::{CODES_FROM_NETWORK, SIGNUPS_FROM_NETWORK};
use domain::time::AtUs;
use serde::Serialize;
use store::Tx;
use store::invites::{self, Which};
use store::people::signups::{self, ActivateError, LIFETIME_US, Signup as Row};
use store::people::trials::TrialCredit;
use store::people::{codes, users};
use utoipa::ToSchema;

use super::guessing;
use super::refusal::PeopleRefusal;
use super::sending::{Sending, mails, texts};
use super::sessions::{enter, with_cookie};
use super::telling::Deed;
use super::visitor::Visitor;
use super::{SignupMode, SignupRules, policy};
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, Refusal, answer};

/// How far a sign-up is: what is asked for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignupStatus {
    /// The code that was mailed.
    EmailCodeRequired,
    /// A phone number.
    PhoneRequired,
    /// The code that was sent to the phone.
    PhoneCodeRequired,
    /// Nothing: there is a user, and the answer signs them in.
    Complete,
}

/// A sign-up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signup {
    /// Goes on with this sign-up: keep it to yourself.
    #[schema(example = "(from POST /api/signup)")]
    id: String,
    #[schema(value_type = String, example = "signup")]
    object: &'static str,
    status: SignupStatus,
    /// When another code can be asked for.
    resend_at: Option<i64>,
    /// When the sign-up is over if it is not complete.
    expires_at: i64,
}

/// Who may sign up here, and what they get.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignupTerms {
    #[schema(value_type = String, example = "signup_terms")]
    object: &'static str,
    /// `open`, `invite` or `closed`.
    #[schema(value_type = String, example = "open")]
    mode: &'static str,
    /// Whether a phone number is asked for.
    is_phone_required: bool,
    /// Granted once for each phone number: a decimal number of US dollars.
    #[schema(example = "5.00")]
    trial_credit_usd: String,
}

/// An account to be made.
#[derive(Debug, ToSchema)]
pub(crate) struct NewSignup {
    #[schema(value_type = String, example = "ada@example.com")]
    email: Email,
    /// 8 to 256 characters, hard to guess.
    #[schema(value_type = String)]
    password: String,
    /// What you are called; if absent, what stands before the `@`.
    name: Option<String>,
    /// What your organization is called; if absent, `Personal`.
    organization: Option<String>,
    /// From the link of an invite to this address: you join that organization, and get none of your
    /// own.
    #[schema(value_type = Option<String>)]
    invite: Option<BearerSecret>,
}

/// A code that was received.
#[derive(Debug, ToSchema)]
pub(crate) struct SignupCode {
    /// The sign-up.
    #[schema(value_type = String, example = "(from POST /api/signup)")]
    id: Option<BearerSecret>,
    #[schema(example = "123456")]
    code: String,
}

/// A phone number to prove.
#[derive(Debug, ToSchema)]
pub(crate) struct SignupPhone {
    /// The sign-up.
    #[schema(value_type = String, example = "(from POST /api/signup)")]
    id: Option<BearerSecret>,
    #[schema(value_type = String, example = "+4930901820")]
    phone: Phone,
}

/// A sign-up whose code did not arrive.
#[derive(Debug, ToSchema)]
pub(crate) struct SignupResend {
    /// The sign-up.
    #[schema(value_type = String, example = "(from POST /api/signup)")]
    id: Option<BearerSecret>,
}

/// What somebody's organization is called who calls it nothing.
pub(super) const DEFAULT_ORGANIZATION: &str = "Personal";

/// Tell who may sign up, and what they get.
#[utoipa::path(
    get, path = "/api/signup", tag = "Accounts", operation_id = "retrieve_signup_terms",
    responses((status = 200, body = SignupTerms))
)]
pub(crate) async fn terms(State(control): State<Control>) -> Response {
    let outcome = async {
        let rules = control.signup_rules().await?;
        Ok(Json(SignupTerms {
            object: "signup_terms",
            mode: rules.mode.as_str(),
            is_phone_required: rules.needs_phone,
            trial_credit_usd: rules.trial_credit.to_usd(),
        }))
    };
    answer(&control, outcome.await)
}

/// Sign up. A code is mailed to the address.
#[utoipa::path(
    post, path = "/api/signup", tag = "Accounts", request_body = NewSignup,
    operation_id = "sign_up",
    responses((status = 200, body = Signup))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let rules = control.signup_rules().await?;
        allowed(rules, fields.has("invite"))?;
        let new = NewSignup {
            email: fields.address("email")?,
            password: fields
                .required("password", fields.text("password")?)?
                .to_owned(),
            name: fields.name("name")?,
            organization: fields.name("organization")?,
            invite: match fields.has("invite") {
                true => Some(fields.bearer("invite")?.ok_or(PeopleRefusal::BadLink)?),
                false => None,
            },
        };
        let now = control.now();
        let mut buckets = mails(&new.email, &visitor);
        buckets.push((&SIGNUPS_FROM_NETWORK, visitor.network()));
        control.ensure_room(&buckets, now).await?;
        let invite = match &new.invite {
            Some(secret) => Some(invited(&control, secret.digest(), &new.email, now).await?),
            None => None,
        };
        let about = [
            new.name.clone(),
            new.organization.clone(),
            Some(new.email.to_string()),
        ];
        let about = about.into_iter().flatten().collect();
        let chosen = control.people.hasher.choose(new.password, about).await?;
        let password = chosen.map_err(|why| fields.invalid("password", &why.to_string()))?;
        let row = Row {
            name: new
                .name
                .unwrap_or_else(|| new.email.local_part().to_owned()),
            email: new.email,
            organization: new
                .organization
                .unwrap_or_else(|| DEFAULT_ORGANIZATION.into()),
            password: Some(password),
            identity: None,
            invite,
            join: None,
            email_verified_at: None,
            begun_at: now,
        };
        let step = Step {
            secret: BearerSecret::mint(control.entropy),
            control: control.clone(),
            visitor,
            now,
        };
        let write = control.store.write(move |tx| -> Outcome<Response> {
            guessing::take(tx, &buckets, now)?;
            signups::begin(tx, &step.secret.digest(), &row)?;
            let sent = step.mail(tx, &row.email)?;
            Ok(step.shown(&row, SignupStatus::EmailCodeRequired, Some(&sent)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Prove that the address is yours, with the code that was mailed.
#[utoipa::path(
    post, path = "/api/signup/email_code", tag = "Accounts", request_body = SignupCode,
    operation_id = "verify_signup_email",
    responses((status = 200, body = Signup))
)]
pub(crate) async fn verify_email(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = SignupCode::read(&fields)?;
        let step = Step::of(&control, given.id, visitor)?;
        let needs_phone = control.signup_rules().await?.needs_phone;
        let write = control
            .store
            .write(move |tx| -> Outcome<Outcome<Response>> {
                let row = step.find(tx)?;
                if row.email_verified_at.is_some() {
                    return Err(PeopleRefusal::SignupOrder.into());
                }
                if let Err(refusal) = step.check(tx, Purpose::SignupEmail, &given.code)? {
                    // The try that was taken stays taken.
                    return Ok(Err(refusal));
                }
                signups::verify_email(tx, &step.secret.digest(), step.now)?;
                match needs_phone {
                    true => Ok(Ok(step.shown(&row, SignupStatus::PhoneRequired, None))),
                    false => step.completed(tx, &row, None).map(Ok),
                }
            });
        write.await?
    };
    answer(&control, outcome.await)
}

/// Give a phone number. A code is sent to it as a text message.
#[utoipa::path(
    post, path = "/api/signup/phone", tag = "Accounts", request_body = SignupPhone,
    operation_id = "give_signup_phone",
    responses((status = 200, body = Signup))
)]
pub(crate) async fn give_phone(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = SignupPhone {
            id: fields.bearer("id")?,
            phone: fields.phone("phone")?,
        };
        let buckets = texts(&given.phone, &visitor);
        let step = Step::of(&control, given.id, visitor)?;
        control.ensure_room(&buckets, step.now).await?;
        let write = control.store.write(move |tx| -> Outcome<Response> {
            let row = step.verified(tx)?;
            guessing::take(tx, &buckets, step.now)?;
            let sent = step.send(tx, Purpose::SignupPhone, given.phone.as_str())?;
            Ok(step.shown(&row, SignupStatus::PhoneCodeRequired, Some(&sent)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Prove that the phone is yours, with the code that was sent. That completes the sign-up, and
/// signs in.
#[utoipa::path(
    post, path = "/api/signup/phone_code", tag = "Accounts", request_body = SignupCode,
    operation_id = "verify_signup_phone",
    responses((status = 200, body = Signup))
)]
pub(crate) async fn verify_phone(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = SignupCode::read(&fields)?;
        let step = Step::of(&control, given.id, visitor)?;
        let write = control
            .store
            .write(move |tx| -> Outcome<Outcome<Response>> {
                let row = step.verified(tx)?;
                let number = match step.check(tx, Purpose::SignupPhone, &given.code)? {
                    Ok(number) => number,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let phone = Phone::parse(&number).map_err(|_| PeopleRefusal::SignupOrder)?;
                step.completed(tx, &row, Some(&phone)).map(Ok)
            });
        write.await?
    };
    answer(&control, outcome.await)
}

/// Send the code that is waited for again: another one, which takes its place.
#[utoipa::path(
    post, path = "/api/signup/resend", tag = "Accounts", request_body = SignupResend,
    operation_id = "resend_signup_code",
    responses((status = 200, body = Signup))
)]
pub(crate) async fn resend(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let given = SignupResend {
            id: fields.bearer("id")?,
        };
        let step = Step::of(&control, given.id, visitor)?;
        let write = control.store.write(move |tx| -> Outcome<Response> {
            let row = step.find(tx)?;
            if row.email_verified_at.is_none() {
                guessing::take(tx, &mails(&row.email, &step.visitor), step.now)?;
                let sent = step.mail(tx, &row.email)?;
                return Ok(step.shown(&row, SignupStatus::EmailCodeRequired, Some(&sent)));
            }
            let digest = step.secret.digest();
            let (number, _) = codes::get(tx, digest.as_hex(), Purpose::SignupPhone)?
                .ok_or(PeopleRefusal::SignupOrder)?;
            let phone = Phone::parse(&number).map_err(|_| PeopleRefusal::SignupOrder)?;
            guessing::take(tx, &texts(&phone, &step.visitor), step.now)?;
            let sent = step.send(tx, Purpose::SignupPhone, phone.as_str())?;
            Ok(step.shown(&row, SignupStatus::PhoneCodeRequired, Some(&sent)))
        });
        write.await
    };
    answer(&control, outcome.await)
}

impl SignupCode {
    fn read(fields: &Fields) -> Outcome<Self> {
        Ok(SignupCode {
            id: fields.bearer("id")?,
            code: fields.code("code")?,
        })
    }
}

/// One step of a sign-up: by whom, and when.
pub(super) struct Step {
    pub(super) control: Control,
    pub(super) visitor: Visitor,
    /// Goes on with the sign-up.
    pub(super) secret: BearerSecret,
    pub(super) now: AtUs,
}

impl Step {
    fn of(control: &Control, id: Option<BearerSecret>, visitor: Visitor) -> Outcome<Self> {
        Ok(Step {
            secret: id.ok_or(PeopleRefusal::SignupOver)?,
            now: control.now(),
            control: control.clone(),
            visitor,
        })
    }

    /// The sign-up, if whoever is at it may still sign up: what operators say acts on the next
    /// step.
    fn find(&self, tx: &mut Tx<'_>) -> Outcome<Row> {
        let found = signups::find(tx, &self.secret.digest(), self.now)?;
        let row = found.ok_or(PeopleRefusal::SignupOver)?;
        let rules = policy::rules(tx, self.control.people.signup)?;
        allowed(rules, row.invite.is_some() || row.join.is_some())?;
        Ok(row)
    }

    /// The sign-up, whose address must be proved.
    fn verified(&self, tx: &mut Tx<'_>) -> Outcome<Row> {
        let row = self.find(tx)?;
        match row.email_verified_at {
            Some(_) => Ok(row),
            None => Err(PeopleRefusal::SignupOrder.into()),
        }
    }

    fn check(
        &self,
        tx: &mut Tx<'_>,
        purpose: Purpose,
        typed: &str,
    ) -> Outcome<Result<String, Refusal>> {
        let bucket = [(&CODES_FROM_NETWORK, self.visitor.network())];
        guessing::take(tx, &bucket, self.now)?;
        let subject = self.secret.digest();
        let judged = codes::check(tx, subject.as_hex(), purpose, typed, self.now)?;
        Ok(judged.map_err(|why| PeopleRefusal::from(why).into()))
    }

    fn send(&self, tx: &mut Tx<'_>, purpose: Purpose, target: &str) -> Outcome<SentCode> {
        let subject = self.secret.digest();
        let sending = Sending {
            purpose,
            subject: subject.as_hex(),
            target,
        };
        sending.send(tx, self.now, self.control.entropy)
    }

    /// Mails a code, or, where the address is somebody's already, that.
    fn mail(&self, tx: &mut Tx<'_>, email: &Email) -> Outcome<SentCode> {
        let subject = self.secret.digest();
        let sending = Sending {
            purpose: Purpose::SignupEmail,
            subject: subject.as_hex(),
            target: email.as_str(),
        };
        let (now, entropy) = (self.now, self.control.entropy);
        match users::by_email(tx, email)? {
            None => sending.send(tx, now, entropy),
            Some(_) => sending.pretend(tx, &self.control.public_url, now, entropy),
        }
    }

    /// Makes the user, and signs them in. Answers the secret of their session.
    pub(super) fn complete(&self, tx: &mut Tx<'_>, phone: Option<&Phone>) -> Outcome<BearerSecret> {
        let (now, entropy) = (self.now, self.control.entropy);
        let rules = policy::rules(tx, self.control.people.signup)?;
        let credit = TrialCredit {
            amount: rules.trial_credit,
            days: rules.trial_credit_days,
        };
        let phone = phone.map(|phone| (phone, credit));
        let made = signups::activate(tx, &self.secret.digest(), phone, now, entropy);
        let made = made.map_err(|error| match error {
            ActivateError::Gone | ActivateError::Taken => PeopleRefusal::SignupOver.into(),
            ActivateError::Store(error) => Refusal::Store(error),
        })?;
        let deed = Deed {
            user: &made.user,
            visitor: &self.visitor,
            now,
            entropy,
        };
        let (_, secret) = enter(tx, &deed, "signup")?;
        Ok(secret)
    }

    /// As [`Step::complete`], for who did the last step.
    fn completed(&self, tx: &mut Tx<'_>, row: &Row, phone: Option<&Phone>) -> Outcome<Response> {
        let secret = self.complete(tx, phone)?;
        let shown = self.describe(row, SignupStatus::Complete, None);
        Ok(with_cookie(shown, &secret, &self.control.public_url).into_response())
    }

    fn shown(&self, row: &Row, status: SignupStatus, sent: Option<&SentCode>) -> Response {
        Json(self.describe(row, status, sent)).into_response()
    }

    fn describe(&self, row: &Row, status: SignupStatus, sent: Option<&SentCode>) -> Signup {
        Signup {
            id: self.secret.expose().to_owned(),
            object: "signup",
            status,
            resend_at: sent.map(|sent| sent.resend_at().seconds()),
            expires_at: row.begun_at.plus(LIFETIME_US).seconds(),
        }
    }
}

/// Refuses who may not sign up.
pub(super) fn allowed(rules: SignupRules, has_invite: bool) -> Outcome<()> {
    let by_invite = match rules.mode {
        SignupMode::Open => return Ok(()),
        SignupMode::Invite if has_invite => return Ok(()),
        SignupMode::Invite => true,
        SignupMode::Closed => false,
    };
    Err(PeopleRefusal::SignupClosed { by_invite }.into())
}

/// The invite to this address whose secret this is. Only who has the mail can ask.
async fn invited(
    control: &Control,
    secret: BearerDigest,
    email: &Email,
    now: AtUs,
) -> Outcome<InviteId> {
    let find = move |tx: &mut Tx<'_>| invites::find(tx, Which::Secret(&secret), now);
    match control.store.read(find).await? {
        Some((_, invite)) if invite.email == email.as_str() => Ok(invite.id),
        _ => Err(PeopleRefusal::BadLink.into()),
    }
}
