//! Sharing rate limits: parts of a limit and how full they are, so that the parts together never
//! let through more than the limit would.
//!
//! A limit is cut into shares, one for each node that uses it, and a spare part. Each is a bucket
//! that drains at its own size, so all together drain as the limit does. What moves between parts
//! takes its filling along: a node gives up only what it has not filled, and the share of a node
//! that is gone counts as full. So however often shares move, what has not drained is never more
//! than the limit.
//!
//! A share of a day's limit would be full for a day. So there the books are asked: all parts
//! together are as full as the limit is by what was charged and is held, or fuller.
//!
//! What is filled cannot move, so only what is free is shared out: first to those whose requests
//! wait for it, one after the other, and the rest in proportion to what was asked of each node.

use std::collections::BTreeMap;

use super::Office;
use crate::lease::{Beat, LimitId, NodeId, RateAnswer, RateLine};
use crate::rate::{Booked, Bucket, Rate};
use crate::time::{AtUs, HOUR_US, SECOND_US};

/// What a node said so long ago, or before it was asked, may have changed: nobody is refused for
/// it.
const FRESH_US: i64 = SECOND_US / 2;
/// Hardly a request is in flight for longer. What other nodes' requests in flight took of their
/// shares may have drained there since, and is in no book before they are held, or end: so books
/// are read as if nothing had drained for so long.
const IN_FLIGHT_US: i64 = HOUR_US;
/// A node that was silent for longer will not give up anything soon: nobody waits for it.
pub const SILENT_US: i64 = 3 * SECOND_US;

/// A row of a rate limit.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The limit: the least that a node with a share of it has heard.
    pub rate: Rate,
    /// How full that part is which is no node's.
    pub bucket: Bucket,
}

/// A row of one node's share of a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRow {
    /// The units that are counted as this node's.
    pub units: u64,
    /// How many of them were used, and when it said so.
    pub used: u64,
    /// When the node last named the limit.
    pub told_at: AtUs,
    /// What it said that the limit is.
    pub limit: u64,
    /// The number of the last beat that named the limit.
    pub beat: u64,
    /// What the answer to it raised the share by, and how much of that was filled. The node may
    /// never get that answer.
    pub raised: u64,
    /// The filled part of the raise.
    pub filled: u64,
    /// The units that the node was asked for lately.
    pub demand: u64,
    /// The units that its requests wait for, and the smallest of them.
    pub wanted: u64,
    /// What the smallest of them waits for.
    pub least: u64,
    /// Since when it has waited for its turn.
    pub wanted_at: AtUs,
    /// The node wants none of the limit. What it has is what has not drained.
    pub left: bool,
}

/// One node's share of a limit each.
pub type Shares = BTreeMap<NodeId, ShareRow>;

/// One line of a beat.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Whose.
    pub node: &'a NodeId,
    /// The number of the beat.
    pub beat: u64,
    /// What it says.
    pub line: &'a RateLine,
}

/// What one line of a beat changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balanced {
    /// The answer.
    pub answer: RateAnswer,
    /// Nodes that should beat soon, as they may have what is wanted here: a hint.
    pub holders: Vec<NodeId>,
}

/// What one line of a beat changes: first what the node did with the last answer, then what it
/// gives up, then what it gets. An older beat than the last one changes nothing. Of the shares only
/// the node's own is changed.
pub fn balance(
    part: &mut Part,
    shares: &mut Shares,
    told: Told<'_>,
    now: AtUs,
) -> Option<Balanced> {
    let Told { node, beat, line } = told;
    let before = shares.get(node).copied();
    if before.is_some_and(|it| beat <= it.beat) {
        return None;
    }
    part.drain(shares, now);
    let mut units = before.map_or(0, |it| it.units);
    if let Some(before) = before.filter(|it| it.beat != line.adopted) {
        // The answer never arrived, and no longer can: a node takes only that to its last beat. So
        // it has not what it was given, and still has what was cut.
        units = match before.raised {
            0 => line.share,
            raised => units - raised,
        };
        let drained = drained(part.rate.of(before.raised), now.since(before.told_at));
        part.fill(before.filled.saturating_sub(drained), now);
    }
    let units = units.min(line.share);
    let own = ShareRow {
        units,
        used: line.used.min(units),
        told_at: now,
        limit: line.rate.units(),
        beat,
        raised: 0,
        filled: 0,
        demand: line.demand,
        wanted: line.wanted,
        least: line.least,
        wanted_at: before
            .filter(|it| it.waits())
            .map_or(now, |it| it.wanted_at),
        left: line.leaves,
    };
    shares.insert(node.clone(), own);
    let limits = shares.values().filter(|it| !it.left).map(|it| it.limit);
    part.rate = line.rate.of(limits.min().unwrap_or(line.rate.units()));

    let scene = Scene::of(part, shares, now);
    let cut = scene.cut(&own);
    let target = scene.target(node).min(match cut {
        0 => u64::MAX,
        _ => units - cut,
    });
    let raised = target.saturating_sub(units).min(part.spare(shares));
    let filled = raised.saturating_sub(part.empty(shares, now));
    part.bucket.give_back(part.rate, filled);
    // What is cut counts as given up at once: else it would be cut twice. It makes no room, as more
    // than the limit is out.
    let units = units - cut + raised;
    let share = ShareRow {
        units,
        used: own.used.min(units - filled),
        raised,
        filled,
        ..own
    };
    let (exhausted, holders) = scene.enter(shares, node, share);
    Some(Balanced {
        answer: RateAnswer {
            limit: line.limit.clone(),
            rate: part.rate,
            target,
            raise: raised,
            filled,
            cut,
            exhausted,
        },
        holders,
    })
}

/// A node is gone: its share is spare, and full; or, where the books tell of all use of the limit,
/// as full as they say that the whole limit is. Of what is used at once nothing is left to drain:
/// its requests ended with it.
pub fn give_up(
    part: &mut Part,
    shares: &mut Shares,
    node: &NodeId,
    books: Option<&Booked>,
    now: AtUs,
) {
    if !shares.contains_key(node) {
        return;
    }
    part.drain(shares, now);
    let Some(share) = shares.remove(node) else {
        return;
    };
    match books {
        _ if !part.rate.drains() => {}
        // What it did not use, it has given up before.
        _ if share.left => part.fill(share.units, now),
        None => part.fill(share.units, now),
        Some(books) => {
            let until = match shares.is_empty() {
                true => now,
                false => now.plus(-IN_FLIGHT_US),
            };
            let known = books.bucket(part.rate, until);
            part.bucket.take_up_to(part.rate, share.units, &known);
        }
    }
}

/// What every node should have, as far as is known.
struct Scene {
    /// For each node, what it should have, and how much of that nobody has used.
    targets: BTreeMap<NodeId, (u64, u64)>,
    /// The units that are some node's.
    given: u64,
    /// What was used is so much more than a lowered limit.
    excess: u64,
    now: AtUs,
}

impl Scene {
    fn of(part: &Part, shares: &Shares, now: AtUs) -> Self {
        let limit = part.rate.units();
        let rows: Vec<(&NodeId, &ShareRow)> = shares.iter().filter(|(_, it)| !it.left).collect();
        let used: Vec<u64> = rows
            .iter()
            .map(|(_, it)| it.used_by(part.rate, now))
            .collect();
        let taken = part.spare(shares) - part.empty(shares, now);
        let leaving = shares.values().filter(|it| it.left).map(|it| it.units);
        let all_used = used.iter().sum::<u64>() + leaving.sum::<u64>() + taken;
        let free = limit.saturating_sub(all_used);
        let (parts, full) = (portions(free, &rows), by_demand(taken, &rows));
        let targets = rows.iter().enumerate().map(|(index, (node, _))| {
            let target = used[index] + parts[index] + full[index];
            ((*node).clone(), (target, parts[index]))
        });
        let given = given(shares);
        Scene {
            targets: targets.collect(),
            given,
            excess: match all_used > limit {
                true => given.saturating_sub(limit),
                false => 0,
            },
            now,
        }
    }

    fn target(&self, node: &NodeId) -> u64 {
        self.targets.get(node).map_or(0, |(target, _)| *target)
    }

    /// What one node gives up of what is above a lowered limit, in proportion to what it has.
    fn cut(&self, own: &ShareRow) -> u64 {
        let cut = u128::from(self.excess) * u128::from(own.units) / u128::from(self.given.max(1));
        u64::try_from(cut).expect("less than what it has")
    }

    /// Writes one node's share down. Says whether what it still wants is to be had nowhere, and who
    /// should beat soon.
    fn enter(&self, shares: &mut Shares, node: &NodeId, share: ShareRow) -> (bool, Vec<NodeId>) {
        shares.insert(node.clone(), share);
        if share.wanted <= share.free() {
            return (false, self.debtors(shares, node));
        }
        let (exhausted, holders) = self.elsewhere(shares, node);
        if exhausted {
            // Whoever hears that there is none waits no longer. Its want would keep what comes next
            // from those who do, and they would hear the same.
            let wanted = share.free();
            shares.insert(node.clone(), ShareRow { wanted, ..share });
        }
        (exhausted, holders)
    }

    /// Whether what one node wants is to be had nowhere, and who might have it.
    fn elsewhere(&self, shares: &Shares, node: &NodeId) -> (bool, Vec<NodeId>) {
        let own = &shares[node];
        let target = self.targets.get(node);
        let comes = target.is_some_and(|(_, free)| *free >= own.least);
        let stale = |it: &ShareRow| {
            let age = self.now.since(it.told_at);
            let old = age >= FRESH_US || it.told_at < own.wanted_at;
            it.units > 0 && !it.left && old && age < SILENT_US
        };
        let others = shares.iter().filter(|(other, _)| *other != node);
        let holders = others.filter(|(other, it)| stale(it) || (comes && self.owes(other, it)));
        let holders: Vec<NodeId> = holders.map(|(other, _)| other.clone()).collect();
        (holders.is_empty() && !comes, holders)
    }

    /// Nodes that have more than they should, if this one has less than half of what it should:
    /// smaller differences can wait for their beats.
    fn debtors(&self, shares: &Shares, node: &NodeId) -> Vec<NodeId> {
        if shares[node].units >= self.target(node) / 2 {
            return Vec::new();
        }
        let debtors = shares.iter().filter(|(other, it)| self.owes(other, it));
        debtors.map(|(other, _)| other.clone()).collect()
    }

    fn owes(&self, node: &NodeId, share: &ShareRow) -> bool {
        !share.left && share.units > self.target(node) && self.now.since(share.told_at) < SILENT_US
    }
}

/// How `free` units are shared out: what is wanted, to whoever has it already, then to whoever has
/// waited longest, and the rest in proportion to demand. Adds up to all of it.
fn portions(mut free: u64, rows: &[(&NodeId, &ShareRow)]) -> Vec<u64> {
    let kept = rows.iter().map(|(_, row)| {
        let kept = row.kept().min(free);
        free -= kept;
        kept
    });
    let mut wanted: Vec<u64> = kept.collect();
    let mut turns: Vec<usize> = (0..rows.len()).collect();
    turns.sort_by_key(|index| rows[*index].1.wanted_at);
    for index in turns {
        let more = (rows[index].1.wanted - wanted[index]).min(free);
        wanted[index] += more;
        free -= more;
    }
    let rest = by_demand(free, rows);
    wanted
        .iter()
        .zip(rest)
        .map(|(wanted, rest)| wanted + rest)
        .collect()
}

/// `units` in proportion to what was asked of each node, rounded down; what rounding leaves goes to
/// the first that was asked most.
fn by_demand(units: u64, rows: &[(&NodeId, &ShareRow)]) -> Vec<u64> {
    // One more for each, so that a node without demand gets some and a sum of nothing divides.
    let weight = |row: &ShareRow| u128::from(row.demand) + 1;
    let sum: u128 = rows.iter().map(|(_, row)| weight(row)).sum();
    let part = |row: &ShareRow| u64::try_from(u128::from(units) * weight(row) / sum);
    let parts = rows
        .iter()
        .map(|(_, row)| part(row).expect("a part of the units"));
    let mut parts: Vec<u64> = parts.collect();
    let left = units - parts.iter().sum::<u64>();
    let most = (0..rows.len())
        .rev()
        .max_by_key(|index| rows[*index].1.demand);
    if let Some(most) = most {
        parts[most] += left;
    }
    parts
}

/// The whole units that drain from a full bucket in so many microseconds.
fn drained(rate: Rate, us: i64) -> u64 {
    if !rate.drains() {
        return 0;
    }
    let (us, window) = (us.unsigned_abs(), rate.window_us().unsigned_abs());
    let units = u128::from(rate.units()) * u128::from(us) / u128::from(window);
    u64::try_from(units).unwrap_or(u64::MAX)
}

fn given(shares: &Shares) -> u64 {
    shares.values().map(|share| share.units).sum()
}

impl ShareRow {
    /// What may still be used of it.
    fn free(&self) -> u64 {
        self.units - self.used - self.filled
    }

    /// Whether not even the smallest of its requests had its turn.
    fn waits(&self) -> bool {
        self.wanted > 0 && self.free() < self.least
    }

    /// What is there for requests that wait: they have not looked since it came. Too little for any
    /// of them is not kept, or two nodes could keep each other waiting.
    fn kept(&self) -> u64 {
        match self.waits() {
            true => 0,
            false => self.wanted.min(self.free()),
        }
    }

    /// What is used of it now, if nothing more was since it was told. Of a node that is silent all
    /// is, as far as others are concerned.
    fn used_by(&self, rate: Rate, now: AtUs) -> u64 {
        let age = now.since(self.told_at);
        if age >= SILENT_US {
            return self.units;
        }
        self.used.saturating_sub(drained(rate.of(self.units), age))
    }
}

impl Part {
    /// A limit of which nothing is used, and no node has a share.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Part {
            rate,
            bucket: Bucket::default(),
        }
    }

    /// The units that are no node's.
    fn spare(&self, shares: &Shares) -> u64 {
        self.rate.units().saturating_sub(given(shares))
    }

    /// How many of those nobody has used.
    fn empty(&self, shares: &Shares, now: AtUs) -> u64 {
        let spare = self.rate.of(self.spare(shares));
        self.bucket.state(spare, now).remaining
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

impl Office {
    /// What one line of a beat changes in the tables.
    pub(super) fn balance(&mut self, beat: &Beat, line: &RateLine, now: AtUs) -> Option<Balanced> {
        let part = self.limits.entry(line.limit.clone());
        let part = part.or_insert_with(|| Part::new(line.rate));
        let shares = self.shares.entry(line.limit.clone()).or_default();
        let told = Told {
            node: &beat.node,
            beat: beat.number,
            line,
        };
        balance(part, shares, told, now)
    }

    /// The shares of a node that is gone.
    pub(super) fn give_up_shares(&mut self, node: &NodeId, now: AtUs) {
        for (limit, part) in &mut self.limits {
            if let Some(shares) = self.shares.get_mut(limit) {
                give_up(part, shares, node, None, now);
            }
        }
    }

    /// The limits, each with the units that are some node's, whether it has heard so or not.
    pub fn limits(&self) -> impl Iterator<Item = (&LimitId, Rate, u64)> {
        let limits = self.limits.iter();
        limits.map(|(limit, part)| (limit, part.rate, given(&self.shares[limit])))
    }
}

#[cfg(test)]
mod tests;
