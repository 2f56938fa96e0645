//! Granting leases: one question about all the pots that a request lacks money in.

use super::{Lease, Office, Pot};
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

/// One line of a question with what is found of its pot, once that is locked.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The line.
    pub line: &'a AskLine,
    /// Whether the pot can be taken from.
    pub place: Place,
    /// What the asking node has of it.
    pub own: Option<Lease>,
    /// What other nodes could return.
    pub elsewhere: Nusd,
}

/// Whether a pot can be taken from.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// It is there.
    Open(Pot),
    /// Its budget is so new that some node may not count in it yet.
    Early,
    /// It limits nobody, or never did.
    Gone,
}

impl Place {
    fn free(self) -> Option<Nusd> {
        match self {
            Place::Open(pot) => Some(pot.free()),
            Place::Early | Place::Gone => None,
        }
    }
}

/// What is decided about a question, and what is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// What is leased of each line's pot. Nothing is written too: that this question was heard.
    /// Empty if it was heard before, or names a pot that is gone.
    pub leased: Vec<(PotId, Nusd)>,
    /// The pots of which the other nodes are to return what they do not hold.
    pub recall: Vec<PotId>,
}

impl Decision {
    fn nothing(answer: Answer) -> Self {
        Decision {
            answer,
            leased: Vec::new(),
            recall: Vec::new(),
        }
    }
}

/// Decides a question, by its number, while so many nodes live: all lines are granted, or none.
#[must_use]
pub fn decide(number: u64, found: &[Found<'_>], nodes: u32) -> Decision {
    if let Some(answer) = granted_before(number, found) {
        return Decision::nothing(answer);
    }
    let gone = found.iter().filter(|it| matches!(it.place, Place::Gone));
    let gone: Vec<PotId> = gone.map(|it| it.line.pot.clone()).collect();
    if !gone.is_empty() {
        return Decision::nothing(Answer::Gone(gone));
    }
    let offers: Vec<Option<Nusd>> = found.iter().map(|it| offer(it, nodes)).collect();
    let fits = offers.iter().all(Option::is_some);
    let amount = |offer: &Option<Nusd>| offer.filter(|_| fits).unwrap_or(Nusd::ZERO);
    let lines = found.iter().zip(&offers);
    let leased = lines.map(|(it, offer)| (it.line.pot.clone(), amount(offer)));
    let leased: Vec<(PotId, Nusd)> = leased.collect();
    let (answer, recall) = match fits {
        true => (Answer::Granted(leased.clone()), Vec::new()),
        false => fall_short(found, &offers),
    };
    Decision {
        answer,
        leased,
        recall,
    }
}

/// What was said to this question before. One without a grant is told to ask anew.
fn granted_before(number: u64, found: &[Found<'_>]) -> Option<Answer> {
    let rows = found.iter().filter_map(|it| Some((it.line, it.own?)));
    let rows: Vec<_> = rows.filter(|(_, own)| own.asked >= number).collect();
    if rows.is_empty() {
        return None;
    }
    let same = rows.iter().filter(|(_, own)| own.asked == number);
    let granted: Vec<(PotId, Nusd)> = same
        .filter(|(_, own)| own.granted > Nusd::ZERO)
        .map(|(line, own)| (line.pot.clone(), own.granted))
        .collect();
    Some(match granted.is_empty() {
        true => Answer::Wait,
        false => Answer::Granted(granted),
    })
}

/// What to do about pots that fall short: nothing helps where all that others could return is not
/// enough; else they are asked to return it.
fn fall_short(found: &[Found<'_>], offers: &[Option<Nusd>]) -> (Answer, Vec<PotId>) {
    let lines = found.iter().zip(offers);
    let short = lines.filter(|(_, offer)| offer.is_none());
    let short: Vec<(&Found<'_>, Nusd)> = short
        .filter_map(|(it, _)| Some((it, it.place.free()? + it.elsewhere)))
        .collect();
    let hopeless = short.iter().filter(|(it, most)| it.line.need > *most);
    let hopeless: Vec<(PotId, Nusd)> = hopeless
        .map(|(it, most)| (it.line.pot.clone(), *most))
        .collect();
    if !hopeless.is_empty() {
        return (Answer::Denied(hopeless), Vec::new());
    }
    let recall = short.iter().map(|(it, _)| it.line.pot.clone());
    (Answer::Wait, recall.collect())
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
        let found: Vec<Found<'_>> = ask.lines.iter().map(|it| self.find(ask, it)).collect();
        let decision = decide(ask.number, &found, nodes);
        for (pot, amount) in decision.leased {
            self.pot_mut(&pot).lease(amount);
            let of_pot = self.leases.entry(pot).or_default();
            let lease = of_pot.entry(ask.node.clone()).or_default();
            lease.free += amount;
            lease.asked = ask.number;
            lease.granted = amount;
        }
        let answered = Answered {
            number: ask.number,
            nodes,
            answer: decision.answer,
        };
        let recalled = self.recall(&ask.node, &decision.recall);
        Ok(Asked { answered, recalled })
    }

    fn find<'a>(&self, ask: &Ask, line: &'a AskLine) -> Found<'a> {
        let of_pot = self.leases.get(&line.pot).into_iter().flatten();
        let others = of_pot.filter(|(node, _)| **node != ask.node);
        let open = self.pot(&line.pot).filter(|pot| !pot.closed);
        Found {
            line,
            place: open.map_or(Place::Gone, Place::Open),
            own: self.lease(&line.pot, &ask.node),
            elsewhere: others.map(|(_, lease)| lease.free).sum(),
        }
    }

    /// Marks what nodes other than this one have of some pots as needed. Answers whose that is.
    fn recall(&mut self, node: &NodeId, pots: &[PotId]) -> Vec<NodeId> {
        let mut recalled = Vec::new();
        for pot in pots {
            for (other, lease) in self.leases.get_mut(pot).into_iter().flatten() {
                if other != node && lease.free > Nusd::ZERO {
                    lease.recalled = true;
                    recalled.push(other.clone());
                }
            }
        }
        recalled.sort();
        recalled.dedup();
        recalled
    }
}

/// What a pot gives: all that is wanted, but not so much that others soon find nothing, and not
/// less than is needed. One node alone may have everything.
fn offer(found: &Found<'_>, nodes: u32) -> Option<Nusd> {
    let (free, line) = (found.place.free()?, found.line);
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
    fn a_pot_that_opens_soon_lets_wait_and_leases_nothing_of_the_others() {
        let line = |pot: PotId| AskLine {
            pot,
            need: Nusd::new(1),
            want: Nusd::new(1),
        };
        let wallet = line(PotId::Wallet(crate::id::OrganizationId::new("org-a")));
        let window = line(PotId::Window {
            budget: crate::id::BudgetId::new("budget_a"),
            start: crate::time::AtUs(0),
        });
        let found = |line, place| Found {
            line,
            place,
            own: None,
            elsewhere: Nusd::ZERO,
        };
        let plenty = Pot {
            limit: Nusd::new(9),
            ..Pot::default()
        };
        let found = [
            found(&wallet, Place::Open(plenty)),
            found(&window, Place::Early),
        ];
        let nothing = |line: &AskLine| (line.pot.clone(), Nusd::ZERO);
        let want = Decision {
            answer: Answer::Wait,
            leased: vec![nothing(&wallet), nothing(&window)],
            recall: Vec::new(),
        };
        assert_eq!(decide(1, &found, 1), want);
    }

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
            let found = Found {
                line: &line,
                place: Place::Open(pot),
                own: None,
                elsewhere: Nusd::ZERO,
            };
            let want = offered.map(Nusd::new);
            assert_eq!(offer(&found, nodes), want, "{found:?} {nodes}");
        }
    }
}
