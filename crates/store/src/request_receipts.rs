//! What one request cost, and why: its receipt, put together from what its settlement left.
//!
//! Everything is found by primary keys: the usage record, the price that was pinned, the transfer
//! that charged the wallet, and the batch that chains them.

use domain::breakdown::Breakdown;
use domain::hold::Flags;
use domain::id::{OrganizationId, PriceId, RequestId};
use domain::markup::Markup;
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::{Usage, UsageClass};
use serde_json::{Value as Json, json};

use crate::sqlite_batch::TOKEN_CLASSES;
use crate::usage_reports::TOKENS;
use crate::{Row, StoreError, Tx, prices};

/// What is known of a request's cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was settled.
    Receipt(Box<Receipt>),
    /// Money is held for it: it is running.
    Running {
        /// The key that it was made with.
        key: String,
    },
    /// It was never charged here: it is unknown, was refused, released, or is somebody else's.
    Nothing,
}

/// The receipt of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The request.
    pub request: String,
    /// Who paid.
    pub organization: String,
    /// The project that it was made for.
    pub project: String,
    /// The key that it was made with.
    pub key: String,
    /// The model's public name.
    pub model: String,
    /// `chat`, `responses`, `completions` or `embeddings`.
    pub endpoint: String,
    /// The upstream that answered; `unknown` if its process died.
    pub upstream: String,
    /// When it was admitted.
    pub admitted_at: AtUs,
    /// When it was settled.
    pub ended_at: AtUs,
    /// The entry of the price book that was pinned.
    pub price: PriceId,
    /// When that came into force.
    pub price_effective_at: AtUs,
    /// What was on it.
    pub markup: Markup,
    /// How the cost comes about.
    pub breakdown: Breakdown,
    /// What was held for it.
    pub held: Nusd,
    /// What was charged.
    pub cost: Nusd,
    /// What the hold did not pay for, and nobody but the operator does.
    pub overrun: Nusd,
    /// What the wallet had once it was charged, in the order of commits; none if it cost nothing.
    pub balance_after: Option<Nusd>,
    /// What else happened.
    pub flags: Flags,
    /// The batch that it was committed with.
    pub batch: Batch,
}

/// A batch of a chain, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The chain.
    pub chain: String,
    /// Its number there.
    pub seq: i64,
    /// SHA-256 over its rows and all before it.
    pub hash: String,
    /// That of the batch before it.
    pub previous_hash: String,
}

/// What a flag says to whoever paid.
fn meaning(flag: &str) -> &'static str {
    match flag {
        "estimated" => {
            "Tokens were counted here, at least in part: the model's server did not tell."
        }
        "overrun" => "The model's server used more than was held; that is not charged.",
        "orphan" => "The process that served it ended early; what had been delivered is charged.",
        "disconnected" => "The client left before the end; what was produced is charged.",
        "broken_off" => "The model's server broke off; what had arrived is charged.",
        "cut_off" => "The answer was ended where the money held for it ended.",
        _ => "",
    }
}

impl Receipt {
    /// The receipt as both planes show it. docs/prices.md explains each part.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let Breakdown {
            classes,
            subtotal,
            rounding,
            ..
        } = &self.breakdown;
        let class = |it: &domain::breakdown::ClassAmount| {
            json!({
                "class": it.class.name(),
                "units": it.units,
                "unit_price_usd": it.price.to_usd(),
                "amount_usd": it.amount.to_usd(),
            })
        };
        let flag = |name: &&str| json!({"flag": name, "meaning": meaning(name)});
        json!({
            "id": self.request,
            "object": "request.receipt",
            "organization_id": self.organization,
            "project_id": self.project,
            "api_key_id": self.key,
            "model": self.model,
            "endpoint": self.endpoint,
            "upstream": self.upstream,
            "admitted_at": self.admitted_at.seconds(),
            "ended_at": self.ended_at.seconds(),
            "duration_ms": (self.ended_at.0 - self.admitted_at.0).max(0) / 1_000,
            "price": {
                "id": self.price.as_str(),
                "effective_at": self.price_effective_at.seconds(),
                "markup_basis_points": self.markup.basis_points(),
            },
            "classes": classes.iter().map(class).collect::<Vec<_>>(),
            "subtotal_usd": subtotal.to_usd(),
            "rounding_usd": rounding.to_usd(),
            "overrun_usd": self.overrun.to_usd(),
            "cost_usd": self.cost.to_usd(),
            "held_usd": self.held.to_usd(),
            "balance_after_usd": self.balance_after.map(Nusd::to_usd),
            "flags": self.flags.names().iter().map(flag).collect::<Vec<_>>(),
            "integrity": {
                "chain": self.batch.chain,
                "batch": self.batch.seq,
                "hash": self.batch.hash,
                "previous_hash": self.batch.previous_hash,
            },
        })
    }
}

/// What is known of the cost of a request, if it is one of this organization's.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    request: RequestId,
) -> Result<Found, StoreError> {
    let named = [organization.as_str().into(), request.to_string().into()];
    let sql = format!(
        "SELECT u.project_id, u.key_id, u.model, u.endpoint, u.upstream_id, u.admitted_at_us,
                u.ended_at_us, u.price_id, u.markup_bp, u.held_nusd, u.cost_nusd, u.overrun_nusd,
                u.flags, u.chain, u.batch, b.hash, b.previous_hash,
                t.wallet_credits_nusd - t.wallet_debits_nusd, {}
         FROM usage_records u
         JOIN batches b ON b.chain = u.chain AND b.seq = u.batch
         LEFT JOIN transfers t ON t.organization_id = u.organization_id AND t.id = u.id
         WHERE u.organization_id = $1 AND u.id = $2",
        TOKENS.map(|column| format!("u.{column}")).join(", ")
    );
    if let Some(row) = tx.query_optional(&sql, &named)? {
        let receipt = receipt(tx, organization, request, &row)?;
        return Ok(Found::Receipt(Box::new(receipt)));
    }
    let sql = "SELECT key_id FROM holds WHERE id = $2 AND organization_id = $1";
    Ok(match tx.query_optional(sql, &named)? {
        Some(row) => Found::Running {
            key: row.text(0)?.to_owned(),
        },
        None => Found::Nothing,
    })
}

/// The column of the first class of tokens.
const FIRST_CLASS: usize = 18;

fn receipt(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    request: RequestId,
    row: &Row,
) -> Result<Receipt, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("{request} names {what}"));
    let (text, amount) = (
        |index| row.text(index).map(str::to_owned),
        |index| row.int(index).map(Nusd::new),
    );
    let mut usage = Usage::default();
    for (index, class) in (FIRST_CLASS..).zip(TOKEN_CLASSES) {
        usage[class] = row.count(index)?;
    }
    usage[UsageClass::Request] = 1;
    let price = PriceId::new(row.text(7)?);
    let entry = prices::get(tx, &price)?.ok_or_else(|| corrupt("an unknown price"))?;
    let markup = Markup::new(row.int(8)?).ok_or_else(|| corrupt("an impossible markup"))?;
    let pinned = entry.pinned(markup);
    Ok(Receipt {
        request: request.to_string(),
        organization: organization.to_string(),
        project: text(0)?,
        key: text(1)?,
        model: text(2)?,
        endpoint: text(3)?,
        upstream: text(4)?,
        admitted_at: AtUs(row.int(5)?),
        ended_at: AtUs(row.int(6)?),
        price,
        price_effective_at: entry.effective_at,
        markup,
        breakdown: Breakdown::of(&pinned.price, &usage),
        held: amount(9)?,
        cost: amount(10)?,
        overrun: amount(11)?,
        flags: Flags::from_bits(row.int(12)?),
        batch: Batch {
            chain: text(13)?,
            seq: row.int(14)?,
            hash: text(15)?,
            previous_hash: text(16)?,
        },
        balance_after: row.opt_int(17)?.map(Nusd::new),
    })
}
