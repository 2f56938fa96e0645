//! A hold: money reserved for one request, and the ways it ends.
//!
//! A hold ends exactly once: *settled* (the request is charged), *released* (nothing was
//! delivered, nothing is charged) or *expired* (its process died; what had been delivered is
//! charged). The charge is never more than the hold: what an upstream bills beyond it is the
//! operator's loss, booked as such.

use std::sync::Arc;

use crate::id::{KeyId, OrganizationId, PriceId, ProjectId, RequestId};
use crate::lease::PotId;
use crate::markup::Markup;
use crate::money::Nusd;
use crate::price::{Cost, UnitPrices};
use crate::time::AtUs;
use crate::usage::Usage;

/// Everything that is decided at admission and pinned until the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The request it pays for.
    pub id: RequestId,
    /// Whose money it is.
    pub organization: OrganizationId,
    /// The project the request is made for.
    pub project: ProjectId,
    /// The key the request is made with.
    pub key: KeyId,
    /// The model's public name.
    pub model: Arc<str>,
    /// The endpoint: `chat`, `responses`, `completions` or `embeddings`.
    pub endpoint: &'static str,
    /// The most the request may be charged.
    pub amount: Nusd,
    /// The entry of the price book that is pinned.
    pub price_id: PriceId,
    /// What is on its prices for this organization.
    pub markup: Markup,
    /// What the customer pays: its prices with the markup.
    pub price: UnitPrices,
    /// Its operator costs.
    pub cost: UnitPrices,
    /// When it was admitted.
    pub admitted_at: AtUs,
    /// What it takes money of beside the wallet: turns of hard budgets' windows. Empty where one
    /// node has everything.
    pub legs: Arc<[PotId]>,
}

/// What happened to a request, beside its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// We counted the tokens ourselves, as the upstream did not tell.
    pub estimated: bool,
    /// The upstream's count costs more than the hold.
    pub overrun: bool,
    /// The process that served it died; it was settled from its last checkpoint.
    pub orphan: bool,
    /// The client left before the end.
    pub disconnected: bool,
    /// The upstream broke off before the end.
    pub broken_off: bool,
    /// We ended a stream that went on beyond what its hold pays for.
    pub cut_off: bool,
}

impl Flags {
    const NAMES: [&'static str; 6] = [
        "estimated",
        "overrun",
        "orphan",
        "disconnected",
        "broken_off",
        "cut_off",
    ];

    /// The flags as a number: bit 0 is the first field.
    #[must_use]
    pub fn to_bits(self) -> i64 {
        [
            self.estimated,
            self.overrun,
            self.orphan,
            self.disconnected,
            self.broken_off,
            self.cut_off,
        ]
        .into_iter()
        .rev()
        .fold(0, |bits, flag| bits << 1 | i64::from(flag))
    }

    /// The flags that a number stands for; unknown bits are ignored.
    #[must_use]
    pub fn from_bits(bits: i64) -> Self {
        let bit = |index: u32| bits >> index & 1 == 1;
        Flags {
            estimated: bit(0),
            overrun: bit(1),
            orphan: bit(2),
            disconnected: bit(3),
            broken_off: bit(4),
            cut_off: bit(5),
        }
    }

    /// The names of the flags that are set.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let bits = self.to_bits();
        let set = |index: &usize| bits >> index & 1 == 1;
        (0..Self::NAMES.len())
            .filter(set)
            .map(|index| Self::NAMES[index])
            .collect()
    }
}

/// How a request's answer went, as far as its money does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// It came piece by piece.
    pub streamed: bool,
    /// Microseconds from admission to the first piece with output; none of a plain answer.
    pub first_output_us: Option<i64>,
    /// Why the model stopped, as the upstream says: `stop`, `length` and so on.
    pub finish_reason: Option<&'static str>,
}

/// The charge for a usage under a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What the customer pays: at most the hold.
    pub cost: Cost,
    /// What the same usage would have cost beyond the hold: the operator's.
    pub overrun: Nusd,
    /// What the operator owes the upstream for it.
    pub upstream_cost: Nusd,
}

impl Hold {
    /// What `usage` is charged under this hold.
    #[must_use]
    pub fn charge(&self, usage: &Usage) -> Charge {
        let full = self.price.cost(usage);
        let cost = full.capped(self.amount);
        Charge {
            cost,
            overrun: full.total - cost.total,
            upstream_cost: self.cost.cost(usage).total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::StatedPrices;

    fn hold(amount: i64) -> Hold {
        let stated = StatedPrices {
            input: Nusd::new(1_000_000),
            output: Nusd::new(2_000_000),
            ..StatedPrices::default()
        };
        Hold {
            id: RequestId::random(AtUs(0), |bytes| bytes.fill(7)),
            organization: OrganizationId::new("org-a"),
            project: ProjectId::new("proj_a"),
            key: KeyId::new("key_a"),
            model: "m".into(),
            endpoint: "chat",
            amount: Nusd::new(amount),
            price_id: PriceId::new("price_a"),
            markup: Markup::NONE,
            price: stated.into(),
            cost: StatedPrices {
                input: Nusd::new(500_000),
                ..stated
            }
            .into(),
            admitted_at: AtUs(0),
            legs: Arc::default(),
        }
    }

    #[test]
    fn a_charge_is_the_usage_or_the_hold_whichever_is_less() {
        let table = [(100, 50, 0), (50, 50, 0), (49, 49, 1), (0, 0, 50)];
        for (amount, charged, overrun) in table {
            let charge = hold(amount).charge(&Usage::text(10, 20));
            assert_eq!(charge.cost.total, Nusd::new(charged));
            assert_eq!(charge.overrun, Nusd::new(overrun));
            assert_eq!(charge.upstream_cost, Nusd::new(45));
        }
    }

    #[test]
    fn flags_survive_their_number() {
        for bits in 0..64 {
            assert_eq!(Flags::from_bits(bits).to_bits(), bits);
        }
        let flags = Flags {
            estimated: true,
            disconnected: true,
            ..Flags::default()
        };
        assert_eq!(flags.names(), ["estimated", "disconnected"]);
        assert_eq!(flags.to_bits(), 0b01001);
    }
}
