//! Many nodes at once, on few pots: nobody waits in a circle, and the books hold at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::budget::Force;
use domain::hold::Hold;
use domain::lease::{Ask, AskLine, Beat, Ending, Epoch, NodeId, PotId};
use domain::money::Nusd;
use domain::time::{AtUs, MonoUs};

use super::desk::{BEGIN, Desk, Owned, all_budgets, node, wallet};
use super::sharer::Sharer;
use super::till::{self, Till};
use super::walk::Rng;
use crate::batch::{Op, Seen};
use crate::grants::{self, Grant};
use crate::{StoreError, Tx, budgets, changes, leases, orphans};

const NODES: usize = 6;

/// Numbers that nobody had before: of requests, and of whatever must be new.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

struct Worker {
    desk: Desk,
    node: NodeId,
    rng: Rng,
    /// Its epoch, and what commits in it; none if that was ended.
    life: Option<(Epoch, Till)>,
    open: Vec<Arc<Hold>>,
    rates: Vec<Sharer>,
    number: u64,
    lives: u64,
    committed: u64,
}

impl Worker {
    fn new(desk: &Desk, index: usize) -> Self {
        Worker {
            desk: desk.clone(),
            node: node(&format!("node-{index}")),
            rng: Rng(u64::try_from(index).expect("small")),
            life: None,
            open: Vec::new(),
            rates: Vec::new(),
            number: 0,
            lives: 0,
            committed: 0,
        }
    }

    fn step(&mut self) {
        let Some(epoch) = self.life.as_ref().map(|(epoch, _)| *epoch) else {
            return self.join();
        };
        self.number += 1;
        match self.rng.below(100) {
            0..30 => self.ask(epoch),
            30..65 => self.commit(),
            65..75 => self.beat(epoch),
            75..79 => self.expire(),
            79..88 => self.settle_orphans(),
            88..90 => self.desk.run(leases::tidy),
            90..93 => self.change_budget(),
            93..96 => self.grant(),
            96..98 => {
                self.desk.run(|tx| leases::leave(tx, &self.node, epoch));
                self.life = None;
            }
            _ => {
                let by = 1_000_000 * self.rng.below(4);
                let sql = format!("UPDATE set_clock.now SET us = us + {by}");
                self.desk.execute(&sql);
            }
        }
    }

    fn join(&mut self) {
        let (epoch, _) = self.desk.run(|tx| leases::join(tx, &self.node));
        self.life = Some((epoch, Till::open(&self.desk, &self.node, epoch)));
        self.open.clear();
        self.rates = Sharer::both();
        self.lives += 1;
    }

    fn organization(&mut self) -> Vec<PotId> {
        let all = all_budgets();
        let organization = self.rng.one(&all).organization.clone();
        let of = all.iter().filter(|it| it.organization == organization);
        let windows: Vec<PotId> = of.map(|it| it.pot(BEGIN)).collect();
        let windows = windows.into_iter().filter(|_| self.rng.below(3) > 0);
        std::iter::once(wallet(&organization))
            .chain(windows)
            .collect()
    }

    fn ask(&mut self, epoch: Epoch) {
        let pots = self.organization();
        let line = |pot| AskLine {
            pot,
            need: self.rng.amount(60),
            want: Nusd::new(60),
        };
        let ask = Ask {
            node: self.node.clone(),
            epoch,
            number: self.number,
            lines: pots.into_iter().map(line).collect(),
        };
        if self.desk.run(|tx| leases::ask(tx, &ask)).is_err() {
            self.life = None;
        }
    }

    /// Several steps, of both organizations.
    fn commit(&mut self) {
        let mut free = self.free();
        let mut ops = Vec::new();
        for _ in 0..=self.rng.below(4) {
            let legs = self.organization();
            let room = |leg: &PotId| free.get(leg).copied().unwrap_or_default();
            let most = legs.iter().map(room).min().unwrap_or_default();
            let amount = self.rng.amount(most.get());
            for leg in &legs {
                if let Some(free) = free.get_mut(leg) {
                    *free -= amount;
                }
            }
            if legs.iter().all(|leg| free.contains_key(leg)) {
                let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
                let hold = till::hold(number, &legs, amount, BEGIN);
                let (input_tokens, output_tokens) = (1, self.rng.below(2));
                let seen = Seen {
                    input_tokens,
                    output_tokens,
                };
                ops.push(Op::Hold(Arc::clone(&hold)));
                ops.push(Op::Checkpoint(hold.id, seen));
                self.open.push(hold);
            }
        }
        while !self.open.is_empty() && self.rng.below(3) > 0 {
            let index = self.rng.below(u64::try_from(self.open.len()).expect("few"));
            let hold = self.open.swap_remove(usize::try_from(index).expect("few"));
            let ending = match self.rng.below(3) {
                0 => Ending::Released,
                _ => Ending::Settled(self.rng.amount(hold.amount.get())),
            };
            ops.push(till::end(&hold, ending));
        }
        for (pot, free) in free {
            if self.rng.below(3) == 0 {
                ops.push(Op::Return(pot, self.rng.amount(free.get())));
            }
        }
        self.give(ops);
    }

    /// What it may hold: nobody else takes it away while it lives.
    fn free(&self) -> std::collections::BTreeMap<PotId, Nusd> {
        let sql = format!(
            "SELECT pot_id, free_nusd FROM leases WHERE node_id = '{}'",
            self.node
        );
        let rows = self.desk.rows(&sql);
        let free = rows.iter().map(|row| {
            let pot = PotId::parse(row.text(0).expect("a text")).expect("a pot");
            (pot, Nusd::new(row.int(1).expect("a number")))
        });
        free.collect()
    }

    fn give(&mut self, ops: Vec<Op>) {
        let Some((_, till)) = &mut self.life else {
            return;
        };
        match till.commit(ops) {
            Ok(()) => self.committed += 1,
            Err(ended) if ended == crate::postgres_batch::fenced() => self.life = None,
            Err(error) => panic!("{} cannot commit: {error:?}", self.node),
        }
    }

    fn beat(&mut self, epoch: Epoch) {
        let now = MonoUs(i64::try_from(self.number).expect("small") * 1_000_000);
        let lines = self.rates.iter_mut();
        let lines = lines.filter_map(|it| it.line(&mut self.rng, self.number, now));
        let beat = Beat {
            node: self.node.clone(),
            epoch,
            number: self.number,
            rates: lines.collect(),
        };
        let heard = self.desk.run(changes::latest);
        match self.desk.run(|tx| leases::beat(tx, &beat, heard)) {
            Ok(beaten) => {
                for share in &mut self.rates {
                    share.answered(beat.number, &beaten.alive.rates, now);
                }
            }
            Err(_) => self.life = None,
        }
    }

    fn expire(&mut self) {
        let finds = self.rng.below(2) == 0;
        self.desk
            .run(|tx| leases::expire(tx, &self.node, |_, _| Ok(finds)));
    }

    fn settle_orphans(&mut self) {
        let ops = self.desk.run(|tx| orphans::resolve(tx, BEGIN));
        self.give(ops);
    }

    fn change_budget(&mut self) {
        let mut owned: Owned = self.rng.one(&all_budgets()).clone();
        owned.budget.limit = self.rng.amount(600);
        if self.rng.below(4) == 0 {
            owned.budget.force = Force::Soft;
        }
        let change =
            |tx: &mut Tx<'_>| budgets::change(tx, &owned.organization, &owned.budget, BEGIN);
        self.desk.run(change);
    }

    fn grant(&mut self) {
        let organization = self.rng.one(&all_budgets()).organization.clone();
        let grant = Grant {
            id: format!("grant-{}", NUMBERS.fetch_add(1, Ordering::Relaxed)),
            organization,
            amount: Nusd::new(100),
            expires_at: None,
            reason: String::new(),
            actor: String::new(),
        };
        self.desk.run(|tx| {
            let given = grants::give(tx, &grant, AtUs(0));
            given.map_err(|error| StoreError::Failed(error.to_string()))
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_in_a_circle() {
    let steps = testkit::times("FAREBOX_LEASE_CROSSED", 400);
    let desk = Desk::new().await;
    let cross = move || {
        let workers: Vec<Worker> = std::thread::scope(|scope| {
            let work = |index| {
                let mut worker = Worker::new(&desk, index);
                scope.spawn(move || {
                    (0..steps).for_each(|_| worker.step());
                    worker
                })
            };
            let threads: Vec<_> = (0..NODES).map(work).collect();
            let done = threads.into_iter().map(|it| it.join().expect("no circle"));
            done.collect()
        });
        let ended: u64 = workers.iter().map(|it| it.lives).sum();
        let committed: u64 = workers.iter().map(|it| it.committed).sum();
        println!("{ended} lives, {committed} batches");
        assert!(ended > 6 && committed > 0, "too little happened");
        desk.assert_verified();
        // All are gone, and what they left is settled: nothing is held any more.
        let mut last = Worker::new(&desk, 0);
        last.join();
        let nobody = node("nobody");
        desk.execute("UPDATE set_clock.now SET us = us + 60000000");
        desk.run(|tx| leases::expire(tx, &nobody, |_, _| Ok(true)));
        last.join();
        last.settle_orphans();
        last.desk
            .run(|tx| leases::leave(tx, &last.node, last.life.as_ref().expect("in").0));
        desk.assert_verified();
        let held = desk.rows("SELECT CAST(SUM(held_nusd) AS BIGINT) FROM accounts");
        assert_eq!(held[0].int(0).expect("a number"), 0);
    };
    tokio::task::spawn_blocking(cross).await.expect("it holds");
}
