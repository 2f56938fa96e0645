//! Granting leases: one question about all the pots that a request lacks money in.

use super::{Office, Pot};
use crate::lease::{Answer, Answered, Ask, AskLine, Fenced, NodeId, PotId};
use crate::money::Nusd;

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The answer.
    pub answered: Answered,
    /// Nodes that were asked to return something: to be notified, which is a hint and may be lost.
    pub recalled: Vec<NodeId>,
}

impl Office {
    /// Leases what a request lacks in all of its pots, or nothing. Asked the same again, it answers
    /// what was granted then.
    ///
    /// # Errors
    /// [`Fenced`].
    pub fn ask(&mut self, ask: &Ask) -> Result<Asked, Fenced> {
        self.fence(&ask.node, ask.epoch)?;
        let nodes = self.nodes();
        let (answer, recalled) = match self.granted_before(ask) {
            Some(answer) => (answer, Vec::new()),
            None => self.decide(ask, nodes),
        };
        let answered = Answered {
            number: ask.number,
            nodes,
            answer,
        };
        Ok(Asked { answered, recalled })
    }

    /// What the office said to this question before. One without a grant is told to ask anew.
    fn granted_before(&self, ask: &Ask) -> Option<Answer> {
        let rows = ask
            .lines
            .iter()
            .filter_map(|line| Some((&line.pot, self.lease(&line.pot, &ask.node)?)));
        let rows: Vec<_> = rows.filter(|(_, row)| row.asked >= ask.number).collect();
        if rows.is_empty() {
            return None;
        }
        let same = rows.iter().filter(|(_, row)| row.asked == ask.number);
        let granted: Vec<(PotId, Nusd)> = same
            .filter(|(_, row)| row.granted > Nusd::ZERO)
            .map(|(pot, row)| ((*pot).clone(), row.granted))
            .collect();
        Some(match granted.is_empty() {
            true => Answer::Wait,
            false => Answer::Granted(granted),
        })
    }

    fn decide(&mut self, ask: &Ask, nodes: u32) -> (Answer, Vec<NodeId>) {
        let open = |line: &&AskLine| self.pot(&line.pot).is_some_and(|pot| !pot.closed);
        let gone = ask.lines.iter().filter(|line| !open(line));
        let gone: Vec<PotId> = gone.map(|line| line.pot.clone()).collect();
        if !gone.is_empty() {
            return (Answer::Gone(gone), Vec::new());
        }
        let offers = ask.lines.iter().map(|line| {
            let pot = &self.pots[&line.pot];
            (line, offer(pot, line, nodes))
        });
        let offers: Vec<(&AskLine, Option<Nusd>)> = offers.collect();
        let fits = offers.iter().all(|(_, offer)| offer.is_some());
        let mut granted = Vec::new();
        for (line, offer) in &offers {
            let amount = offer.filter(|_| fits).unwrap_or(Nusd::ZERO);
            self.pot_mut(&line.pot).lease(amount);
            let of_pot = self.leases.entry(line.pot.clone()).or_default();
            let lease = of_pot.entry(ask.node.clone()).or_default();
            lease.free += amount;
            lease.asked = ask.number;
            lease.granted = amount;
            granted.push((line.pot.clone(), amount));
        }
        if fits {
            return (Answer::Granted(granted), Vec::new());
        }
        let short = offers.iter().filter(|(_, offer)| offer.is_none());
        let short: Vec<&AskLine> = short.map(|(line, _)| *line).collect();
        self.recall(&ask.node, &short)
    }

    /// What to do about pots that fall short: nothing helps where all that others could return is
    /// not enough; else they are asked to return it.
    fn recall(&mut self, node: &NodeId, short: &[&AskLine]) -> (Answer, Vec<NodeId>) {
        let hopeless = short.iter().filter_map(|line| {
            let others = self.leases.get(&line.pot).into_iter().flatten();
            let others = others.filter(|(other, _)| *other != node);
            let elsewhere: Nusd = others.map(|(_, lease)| lease.free).sum();
            let free = self.pots[&line.pot].free();
            (line.need > free + elsewhere).then(|| (line.pot.clone(), free + elsewhere))
        });
        let hopeless: Vec<(PotId, Nusd)> = hopeless.collect();
        if !hopeless.is_empty() {
            return (Answer::Denied(hopeless), Vec::new());
        }
        let mut recalled = Vec::new();
        for line in short {
            let others = self.leases.get_mut(&line.pot).into_iter().flatten();
            for (other, lease) in others {
                if other != node && lease.free > Nusd::ZERO {
                    lease.recalled = true;
                    recalled.push(other.clone());
                }
            }
        }
        recalled.sort();
        recalled.dedup();
        (Answer::Wait, recalled)
    }
}

/// What a pot gives: all that is wanted, but not so much that others soon find nothing, and not
/// less than is needed. One node alone may have everything.
fn offer(pot: &Pot, line: &AskLine, nodes: u32) -> Option<Nusd> {
    let free = pot.free();
    let fair = match nodes {
        0 | 1 => return (free >= line.need).then_some(free),
        _ => Nusd::new(free.get() / (2 * i64::from(nodes))),
    };
    let amount = free.min(line.need.max(line.want.min(fair)));
    (amount >= line.need).then_some(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pot_gives_what_is_wanted_and_thinks_of_others() {
        let table = [
            // limit, spent, reserved, nodes, need, want: offer
            ((100, 0, 0), 1, (1, 1), Some(100)),
            ((100, 30, 20), 1, (50, 50), Some(50)),
            ((100, 30, 20), 1, (51, 51), None),
            ((100, 0, 0), 2, (1, 10), Some(10)),
            ((100, 0, 0), 2, (1, 90), Some(25)),
            ((100, 0, 0), 5, (1, 90), Some(10)),
            ((100, 0, 0), 2, (60, 90), Some(60)),
            ((100, 0, 99), 2, (1, 90), Some(1)),
            ((100, 0, 99), 2, (2, 90), None),
            ((100, 90, 20), 2, (1, 1), None),
        ];
        for ((limit, spent, reserved), nodes, (need, want), offered) in table {
            let pot = Pot {
                limit: Nusd::new(limit),
                spent: Nusd::new(spent),
                reserved: Nusd::new(reserved),
                ..Pot::default()
            };
            let line = AskLine {
                pot: PotId::Wallet(crate::id::OrganizationId::new("org-a")),
                need: Nusd::new(need),
                want: Nusd::new(want),
            };
            let want = offered.map(Nusd::new);
            assert_eq!(offer(&pot, &line, nodes), want, "{pot:?} {line:?} {nodes}");
        }
    }
}
