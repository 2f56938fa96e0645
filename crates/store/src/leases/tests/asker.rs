//! A node that joins, asks and beats, without a process around it.

use domain::lease::{Alive, Answer, Ask, AskLine, Beat, Epoch, PotId, RateLine};
use domain::money::Nusd;

use super::desk::{Desk, Owned, all_budgets, node};
use crate::leases;

/// A node that has joined, and asks.
pub(super) struct Asker {
    pub(super) desk: Desk,
    pub(super) name: &'static str,
    pub(super) epoch: Epoch,
    pub(super) number: u64,
}

impl Asker {
    pub(super) fn join(desk: &Desk, name: &'static str) -> Self {
        let (epoch, _) = desk.run(|tx| leases::join(tx, &node(name)));
        Asker {
            desk: desk.clone(),
            name,
            epoch,
            number: 0,
        }
    }

    pub(super) fn ask(&mut self, pot: &PotId) -> Answer {
        self.number += 1;
        let one = Nusd::new(1);
        let ask = Ask {
            node: node(self.name),
            epoch: self.epoch,
            number: self.number,
            lines: vec![AskLine {
                pot: pot.clone(),
                need: one,
                want: one,
            }],
        };
        let asked = self.desk.run(|tx| leases::ask(tx, &ask));
        asked.expect("a living epoch").answered.answer
    }

    /// Beats, and says how far it has heard.
    pub(super) fn beat(&mut self, heard: i64) -> Alive {
        self.beat_with(heard, Vec::new())
    }

    pub(super) fn beat_with(&mut self, heard: i64, rates: Vec<RateLine>) -> Alive {
        self.number += 1;
        let beat = Beat {
            node: node(self.name),
            epoch: self.epoch,
            number: self.number,
            rates,
        };
        let beaten = self.desk.run(|tx| leases::beat(tx, &beat, heard));
        beaten.expect("a living epoch").alive
    }
}

pub(super) async fn with_desk(body: impl FnOnce(Desk) + Send + 'static) {
    let desk = Desk::new().await;
    tokio::task::spawn_blocking(move || body(desk))
        .await
        .expect("it holds");
}

pub(super) fn number(desk: &Desk, sql: &str) -> i64 {
    desk.rows(sql)[0].int(0).expect("a number")
}

pub(super) fn taken(desk: &Desk, pot: &PotId) -> i64 {
    number(
        desk,
        &format!("SELECT taken_nusd FROM pots WHERE id = '{pot}'"),
    )
}

pub(super) fn granted(pot: &PotId, amount: i64) -> Answer {
    Answer::Granted(vec![(pot.clone(), Nusd::new(amount))])
}

/// The budget on a project of the first organization, by day.
pub(super) fn by_day() -> Owned {
    all_budgets().swap_remove(0)
}
