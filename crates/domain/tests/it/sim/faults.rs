//! What goes wrong, and what people change while it does.

use domain::id::BudgetId;
use domain::money::Nusd;

use super::S;
use super::database::Budget;
use super::rng::Rng;

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The process is killed, and another started at its place later.
    Kill {
        node: usize,
        down: i64,
    },
    /// The process is stopped in good order, and another started.
    Stop {
        node: usize,
        down: i64,
    },
    /// It stands still; if suspended, its monotonic clock does too.
    Pause {
        node: usize,
        lasts: i64,
        suspended: bool,
    },
    /// It stands still, and another is started at its place.
    Replace {
        node: usize,
        lasts: i64,
    },
    /// Nothing gets through between it and the database.
    Cut {
        node: usize,
        lasts: i64,
    },
    /// The answers to its batches are lost.
    Deafen {
        node: usize,
        lasts: i64,
    },
    /// What it sends arrives late.
    Slow {
        node: usize,
        lasts: i64,
        by: i64,
    },
    /// Its wall clock is set.
    SetClock {
        node: usize,
        by: i64,
    },
    /// The database's clock is set.
    SetDatabaseClock {
        by: i64,
    },
    /// A limit is raised or lowered, to so many per cent.
    SetLimit {
        budget: BudgetId,
        percent: i64,
    },
    Delete {
        budget: BudgetId,
    },
    /// A budget for another window appears.
    Add {
        org: usize,
        limit: Nusd,
        period: i64,
    },
    /// Credit is paid in, in per cent of what there was.
    Pay {
        org: usize,
        percent: i64,
    },
}

/// A fault and when it strikes.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    pub(crate) at: i64,
    pub(crate) fault: Fault,
}

pub(crate) const HOUR: i64 = 3_600 * S;

impl Fault {
    /// A few, all within the time that clients come.
    pub(crate) fn several(
        rng: &mut Rng,
        nodes: usize,
        budgets: &[Budget],
        load: i64,
    ) -> Vec<Timed> {
        let count = rng.index(9);
        let fault = |_| Timed {
            at: rng.between(S, load),
            fault: Fault::any(rng, nodes, budgets),
        };
        (0..count).map(fault).collect()
    }

    fn any(rng: &mut Rng, nodes: usize, budgets: &[Budget]) -> Fault {
        let node = rng.index(nodes);
        let hour = match rng.chance(500) {
            true => HOUR,
            false => -HOUR,
        };
        let budget = |rng: &mut Rng| budgets[rng.index(budgets.len())].clone();
        match rng.index(if budgets.is_empty() { 11 } else { 15 }) {
            0 | 1 => Fault::Kill {
                node,
                down: rng.between(0, 15 * S),
            },
            2 => Fault::Stop {
                node,
                down: rng.between(0, 5 * S),
            },
            3 | 4 => Fault::Pause {
                node,
                lasts: match rng.chance(500) {
                    true => 60 * S,
                    false => rng.between(S, 20 * S),
                },
                suspended: rng.chance(500),
            },
            5 => Fault::Replace {
                node,
                lasts: rng.between(S, 60 * S),
            },
            6 => Fault::Cut {
                node,
                lasts: rng.between(S / 2, 25 * S),
            },
            7 => Fault::Deafen {
                node,
                lasts: rng.between(S / 2, 8 * S),
            },
            8 => Fault::Slow {
                node,
                lasts: rng.between(S, 10 * S),
                by: rng.between(0, 5 * S),
            },
            9 if rng.chance(700) => Fault::SetClock { node, by: hour },
            9 => Fault::SetDatabaseClock { by: hour },
            10 => Fault::Pay {
                org: 0,
                percent: rng.between(1, 100),
            },
            11 | 12 => Fault::SetLimit {
                budget: budget(rng).id,
                percent: rng.between(1, 250),
            },
            13 => Fault::Delete {
                budget: budget(rng).id,
            },
            _ => {
                let like = budget(rng);
                Fault::Add {
                    org: like.org,
                    limit: like.limit,
                    period: rng.between(5, 30) * S,
                }
            }
        }
    }

    /// For how long it may be felt.
    pub(crate) fn lasts(&self) -> i64 {
        match self {
            Fault::Kill { down, .. } | Fault::Stop { down, .. } => *down + 20 * S,
            Fault::Pause { lasts, .. }
            | Fault::Replace { lasts, .. }
            | Fault::Cut { lasts, .. }
            | Fault::Deafen { lasts, .. } => *lasts,
            Fault::Slow { lasts, by, .. } => *lasts + *by,
            _ => 0,
        }
    }
}
