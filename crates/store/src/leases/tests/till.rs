//! A node's ledger, without its queue: batches are committed by the statement that commits them.

use std::sync::Arc;

use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, OrganizationId, PriceId, ProjectId, RequestId};
use domain::lease::{Ending, Epoch, NodeId, PotId};
use domain::money::Nusd;
use domain::price::{StatedPrices, UnitPrices};
use domain::time::AtUs;
use domain::usage::Usage;

use super::desk::Desk;
use crate::Settlement;
use crate::batch::{Batch, Op, Writer};
use crate::commit::{CommitError, Committer};
use crate::postgres_batch::PostgresCommitter;

pub(super) struct Till {
    committer: PostgresCommitter,
    writer: Writer,
}

impl Till {
    pub(super) fn open(desk: &Desk, node: &NodeId, epoch: Epoch) -> Self {
        let writer = Writer {
            node: node.to_string(),
            epoch: epoch.0,
        };
        Till {
            committer: desk.committer(),
            writer,
        }
    }

    pub(super) fn commit(&mut self, ops: Vec<Op>) -> Result<(), CommitError> {
        let committed = self.committer.commit(&Batch::gather(ops), &self.writer);
        committed.map(|_| ())
    }
}

/// A hold that counts in these pots, the wallet first. A token costs a nano-dollar.
pub(super) fn hold(number: u64, legs: &[PotId], amount: Nusd, admitted_at: AtUs) -> Arc<Hold> {
    let has = |id: &str| legs.iter().any(|leg| leg.to_string().starts_with(id));
    let project = match (has("budget_a"), has("budget_c")) {
        (true, _) => "proj_a",
        (_, true) => "proj_b",
        _ => "proj_other",
    };
    let key = if has("budget_b") {
        "key_a"
    } else {
        "key_other"
    };
    let stated = StatedPrices {
        input: Nusd::new(1_000_000),
        output: Nusd::new(1_000_000),
        ..StatedPrices::default()
    };
    let PotId::Wallet(organization) = &legs[0] else {
        panic!("the wallet comes first");
    };
    Arc::new(Hold {
        id: RequestId::parse(&format!("req_{number:032x}")).expect("32 digits"),
        organization: OrganizationId::clone(organization),
        project: ProjectId::new(project),
        key: KeyId::new(key),
        model: "m".into(),
        endpoint: "chat",
        amount,
        price_id: PriceId::new("price_a"),
        markup: domain::markup::Markup::NONE,
        price: stated.into(),
        cost: UnitPrices::by_class([Nusd::ZERO; 9]),
        admitted_at,
        legs: legs[1..].into(),
    })
}

/// The step that ends a hold.
pub(super) fn end(hold: &Arc<Hold>, ending: Ending) -> Op {
    let Ending::Settled(cost) = ending else {
        return Op::Release(hold.id);
    };
    let usage = Usage::text(0, cost.get().unsigned_abs());
    let charge = hold.charge(&usage);
    assert_eq!(charge.cost.total, cost);
    Op::Settle(Arc::new(Settlement {
        charge,
        hold: Arc::clone(hold),
        usage,
        flags: Flags::default(),
        course: Course::default(),
        upstream: "u".into(),
        ended_at: hold.admitted_at,
        kept: None,
    }))
}
