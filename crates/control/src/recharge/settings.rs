//! `/api/billing/auto_recharge`: what an organization wants of auto-recharge, how it stands, and
//! the recharges there were.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, PaymentMethodId};
use domain::money::Nusd;
use domain::payment::Bounds;
use domain::recharge::{Rules, State as Stand, Unfit};
use domain::time::AtUs;
use serde::Serialize;
use serde_json::{Value, json};
use store::audit::{Event, Kind};
use store::page::Place;
use store::payments;
use store::recharges::{self, Attempt, Kept, Settings};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::next_list::{NextList, NextPage, Placed};
use crate::respond::{Outcome, answer};

/// An organization's auto-recharge. Where it never wanted any, there are no amounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AutoRecharge {
    #[schema(value_type = String, example = "billing.auto_recharge")]
    object: &'static str,
    /// Whether it is wanted.
    enabled: bool,
    /// Credit is bought when less than this is available: what is held for requests is not.
    #[schema(example = "5.00")]
    threshold_usd: Option<String>,
    /// So much that this is available then.
    #[schema(example = "20.00")]
    restore_to_usd: Option<String>,
    /// At most so much in a calendar month (UTC), before tax; null: as much as it takes.
    #[schema(example = "100.00")]
    monthly_cap_usd: Option<String>,
    /// The saved card that is charged; null: the default one.
    #[schema(example = "card_4fQxL0aB9cDeFgHiJkLmNoPq")]
    payment_method_id: Option<String>,
    state: AutoRechargeState,
    /// Until when the card is left alone, or the month's cap holds.
    #[schema(example = 1_796_083_200)]
    until: Option<i64>,
    /// Why Farebox switched it off: `declined` or `no_payment_method`.
    #[schema(example = "declined")]
    gave_up: Option<String>,
    /// How many recharges in a row were declined; after three it is switched off.
    #[schema(minimum = 0, example = 0)]
    declines_in_a_row: u32,
    /// What is being bought now.
    #[schema(example = "15.01")]
    in_flight_usd: Option<String>,
    /// Where the card's owner authenticates, while the bank waits for that.
    #[schema(example = "https://hooks.stripe.com/3d_secure_2/hosted")]
    authentication_url: Option<String>,
    /// What was bought by itself in this calendar month (UTC), or is about to be.
    #[schema(example = "40.02")]
    bought_this_month_usd: String,
    /// What the month's cap leaves of that.
    #[schema(example = "59.98")]
    left_this_month_usd: Option<String>,
    /// What a new request could hold now.
    #[schema(example = "12.345")]
    available_usd: String,
}

/// How auto-recharge stands: `off`, `armed` (it waits for the wallet to run low), `in_flight` (a
/// card is charged), `backing_off` (it was declined, and is left alone for a while), `gave_up`
/// (Farebox switched it off), `needs_authentication` (its bank waits for its owner), or
/// `cap_reached`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AutoRechargeState {
    Off,
    Armed,
    InFlight,
    BackingOff,
    GaveUp,
    NeedsAuthentication,
    CapReached,
}

/// What is to change of auto-recharge; what is absent stays.
#[derive(Debug, ToSchema)]
pub(crate) struct AutoRechargeChanges {
    /// Switched on, declines before count no more.
    enabled: Option<bool>,
    /// Whole cents, above 0. Needed the first time.
    #[schema(value_type = Option<String>, example = "5.00")]
    threshold_usd: Option<Nusd>,
    /// Whole cents, above the threshold by at least the smallest purchase. Needed the first time.
    #[schema(value_type = Option<String>, example = "20.00")]
    restore_to_usd: Option<Nusd>,
    /// Whole cents, at least the smallest purchase; null: as much as it takes.
    #[schema(value_type = Option<String>, example = "100.00")]
    monthly_cap_usd: Option<Option<Nusd>>,
    /// A saved card; null: the default one.
    #[schema(value_type = Option<String>, example = "card_4fQxL0aB9cDeFgHiJkLmNoPq")]
    payment_method_id: Option<Option<PaymentMethodId>>,
}

/// A recharge.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RechargeAttempt {
    /// The id of its payment.
    #[schema(example = "pay_4fQxL0aB9cDeFgHiJkLmNoPq")]
    id: String,
    #[schema(value_type = String, example = "billing.recharge")]
    object: &'static str,
    state: RechargeState,
    /// The credit that it buys.
    #[schema(example = "15.01")]
    amount_usd: String,
    /// What was available when it began.
    #[schema(example = "4.99")]
    available_usd: String,
    /// The provider's word for why it was declined.
    #[schema(example = "insufficient_funds")]
    failure_code: Option<String>,
    /// The same, for people.
    #[schema(example = "The card has too little money.")]
    failure_message: Option<String>,
    /// Where the card's owner authenticates, while the bank waits for that.
    #[schema(example = "https://hooks.stripe.com/3d_secure_2/hosted")]
    authentication_url: Option<String>,
    created_at: i64,
    ended_at: Option<i64>,
}

/// How far a recharge is: `open`, `needs_authentication`, `succeeded`, `declined`, or `abandoned`
/// (called off, or its owner was waited for in vain).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RechargeState {
    Open,
    NeedsAuthentication,
    Succeeded,
    Declined,
    Abandoned,
}

impl AutoRechargeChanges {
    fn read(fields: &Fields) -> Outcome<Self> {
        let enabled = fields.flag("enabled")?;
        let cap = fields.usd("monthly_cap_usd")?;
        let card = fields.id("payment_method_id")?.map(PaymentMethodId::new);
        Ok(AutoRechargeChanges {
            enabled,
            threshold_usd: fields.usd("threshold_usd")?,
            restore_to_usd: fields.usd("restore_to_usd")?,
            monthly_cap_usd: fields.or_null("monthly_cap_usd", cap),
            payment_method_id: fields.or_null("payment_method_id", card),
        })
    }

    /// As the caller wrote it.
    fn to_json(&self) -> Value {
        let usd = |amount: Option<Nusd>| amount.map(Nusd::to_usd);
        json!({
            "enabled": self.enabled,
            "threshold_usd": usd(self.threshold_usd),
            "restore_to_usd": usd(self.restore_to_usd),
            "monthly_cap_usd": self.monthly_cap_usd.map(|cap| usd(cap).unwrap_or("none".into())),
            "payment_method_id": self.payment_method_id.as_ref().map(|card| {
                card.as_ref().map_or("default", PaymentMethodId::as_str)
            }),
        })
    }

    /// What is wanted then.
    fn apply(&self, fields: &Fields, before: Option<Settings>) -> Outcome<Settings> {
        let rules = before.as_ref().map(|before| before.rules);
        let amount = |name, new: Option<Nusd>, old: fn(Rules) -> Nusd| {
            fields.required(name, new.or(rules.map(old)))
        };
        Ok(Settings {
            rules: Rules {
                threshold: amount("threshold_usd", self.threshold_usd, |it| it.threshold)?,
                restore_to: amount("restore_to_usd", self.restore_to_usd, |it| it.restore_to)?,
                monthly_cap: match self.monthly_cap_usd {
                    Some(cap) => cap,
                    None => rules.and_then(|it| it.monthly_cap),
                },
            },
            method: match &self.payment_method_id {
                Some(card) => card.clone(),
                None => before.as_ref().and_then(|it| it.method.clone()),
            },
            is_enabled: self
                .enabled
                .or(before.map(|it| it.is_enabled))
                .unwrap_or(true),
        })
    }
}

/// Refuses what cannot be obeyed.
fn check(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    settings: &Settings,
    (fields, bounds, provider): (&Fields, Bounds, &str),
) -> Outcome<()> {
    settings.rules.check(bounds).map_err(|unfit| {
        let param = match unfit {
            Unfit::Threshold => "threshold_usd",
            Unfit::RestoreTo(_) => "restore_to_usd",
            Unfit::MonthlyCap(_) => "monthly_cap_usd",
        };
        fields.invalid(param, &unfit.to_string())
    })?;
    let card = match &settings.method {
        Some(id) => payments::method(tx, organization, id)?,
        None => payments::default_method(tx, organization, provider)?,
    };
    let is_there = card.is_some_and(|card| card.saved.provider == provider);
    if is_there || (settings.method.is_none() && !settings.is_enabled) {
        return Ok(());
    }
    let problem = match settings.method {
        Some(_) => "the organization has no such card",
        None => "no card is saved; save one first",
    };
    Err(fields.invalid("payment_method_id", problem))
}

/// What is known of an organization's auto-recharge at some instant.
struct Seen {
    kept: Option<Kept>,
    url: Option<String>,
    bought: Nusd,
    available: Nusd,
    now: AtUs,
}

impl Seen {
    fn read(tx: &mut Tx<'_>, organization: &OrganizationId, now: AtUs) -> Result<Self, StoreError> {
        Ok(Seen {
            kept: recharges::get(tx, organization)?,
            url: recharges::open_attempt(tx, organization)?.and_then(|attempt| attempt.url),
            bought: recharges::bought(tx, organization, now)?,
            available: recharges::available(tx, organization)?,
            now,
        })
    }
}

impl From<Seen> for AutoRecharge {
    fn from(seen: Seen) -> Self {
        let kept = seen.kept.as_ref();
        let settings = kept.map(|kept| &kept.settings);
        let rules = settings.map(|settings| settings.rules);
        let stand = kept.map_or(Stand::Off, |kept| kept.course.state(seen.now));
        let until = match stand {
            Stand::BackingOff(until) | Stand::Capped(until) => Some(until.seconds()),
            _ => None,
        };
        let in_flight = kept.and_then(|kept| kept.course.open);
        let cap = rules.and_then(|rules| rules.monthly_cap);
        let left = |cap: Nusd| (cap - seen.bought).max(Nusd::ZERO).to_usd();
        AutoRecharge {
            object: "billing.auto_recharge",
            enabled: settings.is_some_and(|settings| settings.is_enabled),
            threshold_usd: rules.map(|rules| rules.threshold.to_usd()),
            restore_to_usd: rules.map(|rules| rules.restore_to.to_usd()),
            monthly_cap_usd: cap.map(Nusd::to_usd),
            payment_method_id: settings
                .and_then(|settings| settings.method.as_ref().map(ToString::to_string)),
            state: stand.into(),
            until,
            gave_up: match stand {
                Stand::GaveUp(why) => Some(why.as_str().to_owned()),
                _ => None,
            },
            declines_in_a_row: kept.map_or(0, |kept| kept.declines),
            in_flight_usd: in_flight.map(|open| open.amount.to_usd()),
            authentication_url: seen.url,
            bought_this_month_usd: seen.bought.to_usd(),
            left_this_month_usd: cap.map(left),
            available_usd: seen.available.to_usd(),
        }
    }
}

impl From<Stand> for AutoRechargeState {
    fn from(stand: Stand) -> Self {
        match stand {
            Stand::Off => AutoRechargeState::Off,
            Stand::Armed => AutoRechargeState::Armed,
            Stand::InFlight(_) => AutoRechargeState::InFlight,
            Stand::BackingOff(_) => AutoRechargeState::BackingOff,
            Stand::GaveUp(_) => AutoRechargeState::GaveUp,
            Stand::NeedsAuthentication(_) => AutoRechargeState::NeedsAuthentication,
            Stand::Capped(_) => AutoRechargeState::CapReached,
        }
    }
}

impl From<recharges::AttemptState> for RechargeState {
    fn from(state: recharges::AttemptState) -> Self {
        match state {
            recharges::AttemptState::Open => RechargeState::Open,
            recharges::AttemptState::NeedsAuthentication => RechargeState::NeedsAuthentication,
            recharges::AttemptState::Succeeded => RechargeState::Succeeded,
            recharges::AttemptState::Declined => RechargeState::Declined,
            recharges::AttemptState::Abandoned => RechargeState::Abandoned,
        }
    }
}

impl Placed for Attempt {
    fn place(&self) -> Place {
        Attempt::place(self)
    }
}

impl From<Attempt> for RechargeAttempt {
    fn from(attempt: Attempt) -> Self {
        let (code, message) = attempt.failure.map(|it| (it.code, it.message)).unzip();
        RechargeAttempt {
            id: attempt.payment.to_string(),
            object: "billing.recharge",
            state: attempt.state.into(),
            amount_usd: attempt.amount.to_usd(),
            available_usd: attempt.available.to_usd(),
            failure_code: code,
            failure_message: message,
            authentication_url: attempt.url,
            created_at: attempt.began_at.seconds(),
            ended_at: attempt.ended_at.map(AtUs::seconds),
        }
    }
}

/// Retrieve auto-recharge: what is wanted, and how it stands now.
#[utoipa::path(
    get, path = "/api/billing/auto_recharge", tag = "Billing",
    operation_id = "retrieve_auto_recharge",
    responses((status = 200, body = AutoRecharge)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, Admin(admin): Admin) -> Response {
    answer(&control, seen(&control, admin.organization).await)
}

/// Change auto-recharge. It acts on the next request that ends, and within 30 seconds without any.
#[utoipa::path(
    post, path = "/api/billing/auto_recharge", tag = "Billing",
    operation_id = "update_auto_recharge", request_body = AutoRechargeChanges,
    responses((status = 200, body = AutoRecharge)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = AutoRechargeChanges::read(&fields)?;
        let provider = control.payments.provider()?.name();
        let bounds = control.payments.bounds;
        let organization = admin.organization.clone();
        let change = control.change(admin, move |tx, owner, now| {
            let before = recharges::get(tx, owner)?.map(|kept| kept.settings);
            let settings = changes.apply(&fields, before)?;
            check(tx, owner, &settings, (&fields, bounds, provider))?;
            recharges::set(tx, owner, &settings, now)?;
            let event = Event::new(Kind::AutoRechargeUpdated, owner);
            Ok(Done::new(event.changes(changes.to_json()), ()))
        });
        change.await?;
        // It may be low already: nobody need spend first.
        control.low_wallets.tell(&organization);
        seen(&control, organization).await
    };
    answer(&control, outcome.await)
}

async fn seen(control: &Control, organization: OrganizationId) -> Outcome<Json<AutoRecharge>> {
    let now = control.now();
    let read = move |tx: &mut Tx<'_>| Seen::read(tx, &organization, now);
    let seen = control.store.read(read).await?;
    Ok(Json(seen.into()))
}

/// List recharges, each with what became of it.
#[utoipa::path(
    get, path = "/api/billing/auto_recharge/recharges", tag = "Billing",
    operation_id = "list_recharges", params(NextPage::<20, 100>),
    responses((status = 200, body = NextList<RechargeAttempt>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<RechargeAttempt, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let part = page.part(|id| {
            let attempt = recharges::attempt(tx, &domain::id::PaymentId::new(id))?;
            let own = attempt.filter(|attempt| attempt.organization == *organization);
            Ok(own.map(|attempt| attempt.place()))
        })?;
        Ok(recharges::attempts(tx, organization, &part)?)
    });
    answer(&control, list.await)
}
