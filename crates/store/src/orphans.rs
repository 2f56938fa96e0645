//! Holds whose process died, resolved by rule when the next one starts.
//!
//! What had been delivered, as far as the last checkpoint tells, is charged; a hold of which
//! nothing was delivered is released. Either way no money stays reserved.

use std::sync::Arc;

use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, OrganizationId, PriceId, ProjectId, RequestId};
use domain::lease::PotId;
use domain::markup::Markup;
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;

use crate::batch::{Op, Settlement};
use crate::{Row, StoreError, Tx, prices};

/// Why nobody knows the upstream of an orphan: it is chosen after the hold is taken.
const UNKNOWN_UPSTREAM: &str = "unknown";
/// The endpoints that holds are taken for.
const ENDPOINTS: [&str; 4] = ["chat", "responses", "completions", "embeddings"];

/// How many of them are looked at at once.
const AT_ONCE: i64 = 2_000;

/// How the open holds of dead processes end, some at once: those that were made in an epoch which
/// is over.
pub(crate) fn resolve(tx: &mut Tx<'_>, now: AtUs) -> Result<Vec<Op>, StoreError> {
    let rows = tx.query(
        "SELECT id, organization_id, project_id, key_id, model, endpoint, amount_nusd, price_id,
                admitted_at_us, seen_input_tokens, seen_output_tokens, legs, markup_bp
         FROM holds h
         WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = h.node_id AND n.epoch = h.epoch)
         ORDER BY id LIMIT $1",
        &[AT_ONCE.into()],
    )?;
    rows.iter().map(|row| ending(tx, row, now)).collect()
}

fn ending(tx: &mut Tx<'_>, row: &Row, now: AtUs) -> Result<Op, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("a hold names {what}"));
    let id = RequestId::parse(row.text(0)?).ok_or_else(|| corrupt("no request"))?;
    let (input_tokens, output_tokens) = (row.count(9)?, row.count(10)?);
    if output_tokens == 0 {
        return Ok(Op::Release(id));
    }
    let price_id = PriceId::new(row.text(7)?);
    let price = prices::get(tx, &price_id)?.ok_or_else(|| corrupt("an unknown price"))?;
    let markup = Markup::new(row.int(12)?).ok_or_else(|| corrupt("an impossible markup"))?;
    let price = price.pinned(markup);
    let endpoint = row.text(5)?;
    let hold = Hold {
        id,
        organization: OrganizationId::new(row.text(1)?),
        project: ProjectId::new(row.text(2)?),
        key: KeyId::new(row.text(3)?),
        model: row.text(4)?.into(),
        endpoint: ENDPOINTS
            .into_iter()
            .find(|known| *known == endpoint)
            .ok_or_else(|| corrupt("an unknown endpoint"))?,
        amount: Nusd::new(row.int(6)?),
        price_id,
        markup,
        price: price.price,
        cost: price.cost,
        admitted_at: AtUs(row.int(8)?),
        legs: legs(row.text(11)?)?,
    };
    let usage = Usage::text(input_tokens, output_tokens);
    Ok(Op::Settle(Arc::new(Settlement {
        charge: hold.charge(&usage),
        hold: Arc::new(hold),
        usage,
        flags: Flags {
            estimated: true,
            orphan: true,
            ..Flags::default()
        },
        // Only of streams is it noted what was delivered.
        course: Course {
            streamed: true,
            ..Course::default()
        },
        upstream: UNKNOWN_UPSTREAM.into(),
        ended_at: now,
        kept: None,
    })))
}

/// The pots that a hold counts in beside the wallet.
fn legs(text: &str) -> Result<Arc<[PotId]>, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("a hold counts in {text}"));
    let ids: Vec<String> = serde_json::from_str(text).map_err(|_| corrupt())?;
    let pots = ids.iter().map(|id| PotId::parse(id).ok_or_else(corrupt));
    pots.collect()
}
