//! Sharing rate limits: parts of a limit and how full they are, so that the parts together never
//! let through more than the limit would.
//!
//! A limit is cut into shares, one for each node that uses it, and a spare part. Each is a bucket
//! that drains at its own size, so all together drain as the limit does. What moves between parts
//! takes its filling along: a node gives up only what it has not filled, and the share of a node
//! that is gone counts as full. So however often shares move, what has not drained is never more
//! than the limit.

use std::collections::BTreeMap;

use super::{Limit, Office, ShareRow};
use crate::lease::{Beat, LimitId, NodeId, RateAnswer, RateLine};
use crate::rate::{Bucket, Rate};
use crate::time::AtUs;

impl Office {
    /// Puts a rate limit into force. Where nodes have more than a lowered one allows, they give it
    /// up with their next beats.
    pub fn set_rate(&mut self, limit: &LimitId, rate: Rate, now: AtUs) {
        let shares = self.shares.entry(limit.clone()).or_default();
        let row = self.limits.entry(limit.clone()).or_insert(Limit {
            rate,
            bucket: Bucket::default(),
        });
        row.drain(shares, now);
        row.rate = rate;
    }

    /// What one line of a beat changes: first what the node did with the last answer, then what it
    /// gives up, then what it gets. An older beat than the last one changes nothing.
    pub(super) fn balance(
        &mut self,
        node: &NodeId,
        beat: u64,
        line: &RateLine,
        now: AtUs,
    ) -> Option<RateAnswer> {
        let row = self.limits.get_mut(&line.limit)?;
        let shares = self.shares.get_mut(&line.limit)?;
        let share = shares.entry(node.clone()).or_default();
        if beat <= share.beat {
            return None;
        }
        let before = *share;
        row.drain(shares, now);
        let mut units = before.units;
        if line.adopted != before.beat {
            // The answer never arrived, and no longer can: a node takes only that to its last beat.
            units -= before.raised;
            row.fill(before.filled, now);
        }
        let share = ShareRow {
            units: units.min(line.using),
            beat,
            raised: 0,
            filled: 0,
            demand: line.demand,
        };
        shares.insert(node.clone(), share);
        let target = target(row.rate.units(), shares, node);
        let spare = row.spare(shares);
        let raised = target.saturating_sub(share.units).min(spare);
        let empty = row.bucket.state(row.rate.of(spare), now).remaining;
        let filled = raised.saturating_sub(empty);
        row.bucket.give_back(row.rate, filled);
        let raise = ShareRow {
            units: share.units + raised,
            raised,
            filled,
            ..share
        };
        shares.insert(node.clone(), raise);
        Some(RateAnswer {
            limit: line.limit.clone(),
            rate: row.rate,
            target,
            raise: raised,
            filled,
        })
    }

    /// The nodes that have more of the limits which a beat named than they should, while its own
    /// node has less than half of what it should. Smaller differences can wait for their beats.
    pub(super) fn holders(&self, beat: &Beat, rates: &[RateAnswer]) -> Vec<NodeId> {
        let mut holders = Vec::new();
        for answer in rates {
            let shares = &self.shares[&answer.limit];
            if shares[&beat.node].units < answer.target / 2 {
                let more = |node: &&NodeId| {
                    shares[*node].units > target(answer.rate.units(), shares, node)
                };
                holders.extend(shares.keys().filter(more).cloned());
            }
        }
        holders.sort();
        holders.dedup();
        holders
    }

    /// The shares of a node that is gone are spare, and full.
    pub(super) fn give_up_shares(&mut self, node: &NodeId, now: AtUs) {
        for (limit, row) in &mut self.limits {
            let Some(shares) = self.shares.get_mut(limit) else {
                continue;
            };
            row.drain(shares, now);
            if let Some(share) = shares.remove(node) {
                row.fill(share.units, now);
            }
        }
    }

    /// The limits, each with the units that are some node's, whether it has heard so or not.
    pub fn limits(&self) -> impl Iterator<Item = (&LimitId, Rate, u64)> {
        let limits = self.limits.iter();
        limits.map(|(limit, row)| (limit, row.rate, given(&self.shares[limit])))
    }
}

/// One node's share of a limit each.
type Shares = BTreeMap<NodeId, ShareRow>;

fn given(shares: &Shares) -> u64 {
    shares.values().map(|share| share.units).sum()
}

impl Limit {
    /// The units that are no node's.
    fn spare(&self, shares: &Shares) -> u64 {
        self.rate.units().saturating_sub(given(shares))
    }

    /// Lets the spare part drain until now: before its size changes.
    fn drain(&mut self, shares: &Shares, now: AtUs) {
        self.bucket.take(self.rate.of(self.spare(shares)), 0, now);
    }

    /// Units come back that somebody has used.
    fn fill(&mut self, units: u64, now: AtUs) {
        self.bucket.take(self.rate.of(0), units, now);
    }
}

/// The part of `units` that should be one node's: in proportion to what was asked of each node,
/// rounded down. What rounding leaves over is for the node that was asked most.
fn target(units: u64, shares: &Shares, node: &NodeId) -> u64 {
    // One more for each, so that a node without demand keeps some and a sum of nothing divides.
    let weight = |share: &ShareRow| u128::from(share.demand) + 1;
    let sum: u128 = shares.values().map(weight).sum();
    let part = |share: &ShareRow| u64::try_from(u128::from(units) * weight(share) / sum);
    let part = |share: &ShareRow| part(share).expect("a part of the units");
    let own = part(&shares[node]);
    let first = shares.iter().rev().max_by_key(|(_, share)| weight(share));
    match first {
        Some((first, _)) if first == node => own + (units - shares.values().map(part).sum::<u64>()),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_demand_and_add_up() {
        let table: [(u64, &[u64], &[u64]); 6] = [
            (100, &[0], &[100]),
            (100, &[0, 0], &[50, 50]),
            (100, &[0, 0, 0], &[34, 33, 33]),
            (100, &[9, 89], &[10, 90]),
            (1, &[0, 3], &[0, 1]),
            (0, &[5, 3], &[0, 0]),
        ];
        for (units, demands, targets) in table {
            let row = |(index, demand): (usize, &u64)| {
                let demand = *demand;
                let share = ShareRow {
                    demand,
                    ..ShareRow::default()
                };
                (NodeId::new(&index.to_string()), share)
            };
            let shares = demands.iter().enumerate().map(row).collect();
            for (index, want) in targets.iter().enumerate() {
                let node = NodeId::new(&index.to_string());
                let found = target(units, &shares, &node);
                assert_eq!(found, *want, "{units} {demands:?} {index}");
            }
        }
    }
}
