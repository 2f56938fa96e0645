//! `/api/operator/signup_policy`: who may sign up, as configured or as operators said since.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::money::Nusd;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::{Value, json};
use store::audit::{Event, Kind};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use crate::Control;
use crate::body::Fields;
use crate::people::policy::Said;
use crate::people::{SignupMode, SignupRules};
use crate::respond::{Outcome, answer};

/// Who may sign up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignupPolicy {
    #[schema(value_type = String, example = "operator.signup_policy")]
    object: &'static str,
    #[serde(flatten)]
    in_force: SignupSettings,
    /// What the configuration says: in force where no operator said otherwise.
    configured: SignupSettings,
    /// Which settings operators changed.
    #[schema(value_type = Vec<String>, example = json!(["mode"]))]
    changed: Vec<&'static str>,
    /// When they changed the last of them.
    changed_at: Option<i64>,
}

/// Settings of the sign-up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignupSettings {
    /// `open`, `invite` or `closed`.
    #[schema(value_type = String, example = "open")]
    mode: &'static str,
    /// `required` or `off`.
    #[schema(value_type = String, example = "required")]
    phone_verification: &'static str,
    /// Granted once for each phone number.
    #[schema(example = "5.00")]
    trial_credit_usd: String,
}

/// What is to change; what is absent stays.
#[derive(Debug, ToSchema)]
pub(crate) struct SignupPolicyChanges {
    /// `open`: anybody; `invite`: who was invited; `closed`: nobody.
    #[schema(value_type = Option<String>, example = "invite")]
    mode: Option<SignupMode>,
    /// `required` or `off`.
    #[schema(value_type = Option<String>, example = "required")]
    phone_verification: Option<bool>,
    /// A decimal number of US dollars, at most 1,000.
    #[schema(value_type = Option<String>, example = "5.00")]
    trial_credit_usd: Option<Nusd>,
}

const MOST_CREDIT: Nusd = Nusd::new(1_000 * 1_000_000_000);
const REQUIRED: &str = "required";
const OFF: &str = "off";

impl From<SignupRules> for SignupSettings {
    fn from(rules: SignupRules) -> Self {
        SignupSettings {
            mode: rules.mode.as_str(),
            phone_verification: if rules.needs_phone { REQUIRED } else { OFF },
            trial_credit_usd: rules.trial_credit.to_usd(),
        }
    }
}

impl SignupPolicy {
    fn of(configured: SignupRules, said: Said, at: Option<AtUs>) -> Self {
        let changed = [
            ("mode", said.mode.is_some()),
            ("phone_verification", said.needs_phone.is_some()),
            ("trial_credit_usd", said.trial_credit.is_some()),
        ];
        let changed = changed.into_iter().filter(|(_, is_changed)| *is_changed);
        SignupPolicy {
            object: "operator.signup_policy",
            in_force: said.rules(configured).into(),
            configured: configured.into(),
            changed: changed.map(|(name, _)| name).collect(),
            changed_at: at.map(|at| at.seconds()),
        }
    }
}

impl SignupPolicyChanges {
    fn read(fields: &Fields) -> Outcome<Self> {
        let trial_credit_usd = fields.usd("trial_credit_usd")?;
        if trial_credit_usd.is_some_and(|it| it < Nusd::ZERO || it > MOST_CREDIT) {
            return Err(fields.invalid("trial_credit_usd", "it must be from 0 to 1000"));
        }
        let modes = SignupMode::ALL.map(|mode| (mode.as_str(), mode));
        let words = [(REQUIRED, true), (OFF, false)];
        Ok(SignupPolicyChanges {
            mode: fields.word("mode", modes)?,
            phone_verification: fields.word("phone_verification", words)?,
            trial_credit_usd,
        })
    }

    /// As the log tells it.
    fn to_json(&self) -> Value {
        json!({
            "mode": self.mode.map(SignupMode::as_str),
            "phone_verification": self.phone_verification.map(|it| if it { REQUIRED } else { OFF }),
            "trial_credit_usd": self.trial_credit_usd.map(Nusd::to_usd),
        })
    }

    fn said(&self) -> Said {
        Said {
            mode: self.mode,
            needs_phone: self.phone_verification,
            trial_credit: self.trial_credit_usd,
        }
    }
}

/// Tell who may sign up.
#[utoipa::path(
    get, path = "/api/operator/signup_policy", tag = "Operator",
    operation_id = "retrieve_signup_policy",
    responses((status = 200, body = SignupPolicy)), security(("session" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, _: Operator) -> Response {
    let configured = control.people.signup;
    let read = control.store.read(move |tx| -> Outcome<_> {
        let (said, at) = Said::read(tx)?;
        Ok(Json(SignupPolicy::of(configured, said, at)))
    });
    answer(&control, read.await)
}

/// Change who may sign up, from the next step of any sign-up on.
#[utoipa::path(
    post, path = "/api/operator/signup_policy", tag = "Operator",
    operation_id = "update_signup_policy", request_body = SignupPolicyChanges,
    responses((status = 200, body = SignupPolicy)), security(("session" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    operator: Operator,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = SignupPolicyChanges::read(&fields)?;
        let configured = control.people.signup;
        let change = control.operate(operator, move |tx, now| {
            let (before, at) = Said::read(tx)?;
            let said = changes.said().over(before);
            if said == before {
                return Ok(Acted::nothing(SignupPolicy::of(configured, said, at)));
            }
            said.keep(tx, now)?;
            let event = Event::new(Kind::SignupPolicyUpdated, "signup").changes(changes.to_json());
            let policy = SignupPolicy::of(configured, said, Some(now));
            Ok(Acted::new(event, policy))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Let the sign-up be as the configuration says.
#[utoipa::path(
    delete, path = "/api/operator/signup_policy", tag = "Operator",
    operation_id = "reset_signup_policy",
    responses((status = 200, body = SignupPolicy)), security(("session" = []))
)]
pub(crate) async fn reset(State(control): State<Control>, operator: Operator) -> Response {
    let configured = control.people.signup;
    let change = control.operate(operator, move |tx, _| {
        let was_changed = Said::forget(tx)?;
        let policy = SignupPolicy::of(configured, Said::default(), None);
        let event = Event::new(Kind::SignupPolicyReset, "signup");
        Ok(Acted::when(was_changed, event, policy))
    });
    answer(&control, change.await.map(Json))
}
