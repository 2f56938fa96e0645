//! `/api/billing/redeem`: credit for a code.
//!
//! A code is exchanged once by an organization, and as often by all as its batch allows, however
//! many try at once. Guessing gains nothing: a code is 90 random bits, and tries are few.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::people::throttle::{self, CODES_FROM_NETWORK, REDEMPTIONS_OF_ORGANIZATION, Throttle};
use domain::redeem_code::RedeemCode;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::credits;
use store::redeem_codes::{self, RedeemError, Redeemed};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::change::Done;
use crate::respond::{Refusal, answer};

/// Credit that a code was exchanged for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingRedemption {
    /// Its id in the books.
    #[schema(example = "code:9f86d081884c7d659a2feaa0c55ad015")]
    id: String,
    #[schema(value_type = String, example = "billing.redemption")]
    object: &'static str,
    #[schema(example = "10.00")]
    amount_usd: String,
    /// What the code was for.
    #[schema(example = "Conference 2026")]
    reason: String,
    /// When what is left of it lapses; null if it does not.
    expires_at: Option<i64>,
    created_at: i64,
    /// What the organization has now.
    #[schema(example = "24.98")]
    balance_usd: String,
}

/// A code to be exchanged for credit.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by the handler")]
pub(crate) struct NewRedemption {
    /// As it was printed; letters in either case, dashes and spaces anywhere or nowhere.
    #[schema(example = "7YKQ2-N0BX4-CR9SA-W3ETZ", max_length = 64)]
    code: String,
}

/// Why a code gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeRefusal {
    /// It is mistyped, or nobody made it, or it was disabled.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was used as often as it can be.
    UsedUp,
    /// This organization used it, or another one of the same kind.
    UsedHere,
}

impl CodeRefusal {
    /// The code of the error and its message.
    pub(crate) fn told(self) -> (&'static str, &'static str) {
        match self {
            CodeRefusal::Unknown => (
                "redeem_code_unknown",
                "There is no such code, or it does not work any more. Check each letter and digit.",
            ),
            CodeRefusal::Expired => (
                "redeem_code_expired",
                "This code had to be used earlier: its time is over.",
            ),
            CodeRefusal::UsedUp => (
                "redeem_code_used_up",
                "This code was used as often as it can be, by others.",
            ),
            CodeRefusal::UsedHere => (
                "redeem_code_used_here",
                "Your organization has used this code, or another one of the same offer, which can be used once.",
            ),
        }
    }
}

/// Redeem a code: its credit is there at once.
#[utoipa::path(
    post, path = "/api/billing/redeem", tag = "Billing", operation_id = "redeem_code",
    request_body = NewRedemption,
    responses((status = 200, body = BillingRedemption)), security(("admin_key" = []))
)]
pub(crate) async fn redeem(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let typed = fields.required("code", fields.text("code")?)?;
        let parsed = RedeemCode::parse(typed);
        control.take_all(buckets(&admin), control.now()).await?;
        let code = parsed.ok_or(Refusal::RedeemCode(CodeRefusal::Unknown))?;
        let by = match admin.actor.user() {
            Some(user) => user.to_string(),
            None => "key".to_owned(),
        };
        let change = control.change(admin, move |tx, organization, now| {
            let redeemed = redeem_codes::redeem(tx, organization, &code, &by, now);
            let redeemed = redeemed.map_err(refusal)?;
            let standing = credits::standing(tx, organization)?.unwrap_or_default();
            let event = event(&redeemed);
            let Redeemed {
                id,
                amount,
                expires_at,
                note,
                ..
            } = redeemed;
            let answer = BillingRedemption {
                id,
                object: "billing.redemption",
                amount_usd: amount.to_usd(),
                reason: note,
                expires_at: expires_at.map(AtUs::seconds),
                created_at: now.seconds(),
                balance_usd: standing.balance.to_usd(),
            };
            Ok(Done::new(event, answer))
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
}

/// What an attempt is counted in.
fn buckets(admin: &Caller) -> Vec<(&'static Throttle, String)> {
    let of_organization = admin.organization.to_string();
    let address = admin.actor.ip_address.as_deref();
    let address = address.and_then(|it| it.parse::<IpAddr>().ok());
    let network = address.map_or_else(|| "unknown".to_owned(), throttle::network);
    vec![
        (&REDEMPTIONS_OF_ORGANIZATION, of_organization),
        (&CODES_FROM_NETWORK, network),
    ]
}

fn event(redeemed: &Redeemed) -> Event {
    Event::new(Kind::CodeRedeemed, &redeemed.id).data(json!({
        "amount_usd": redeemed.amount.to_usd(),
        "reason": redeemed.note,
        "batch_id": redeemed.batch.as_str(),
    }))
}

fn refusal(error: RedeemError) -> Refusal {
    Refusal::RedeemCode(match error {
        RedeemError::Unknown => CodeRefusal::Unknown,
        RedeemError::Expired => CodeRefusal::Expired,
        RedeemError::UsedUp => CodeRefusal::UsedUp,
        RedeemError::UsedHere => CodeRefusal::UsedHere,
        RedeemError::Store(error) => return Refusal::Store(error),
        RedeemError::Grant(error) => {
            return Refusal::Invalid {
                param: "code".into(),
                message: format!("This code's credit cannot be given: {error}."),
            };
        }
    })
}
