//! Nodes that share a limit: by examples, and at random against one bucket that sees everything.
//!
//! A failure of the walks prints its seed; `FAREBOX_RATES_SEED` runs that one alone.

use super::*;
use crate::lease::{Cut, Moment, Share};
use crate::time::{DAY_US, MINUTE_US, MonoUs};

const NOW: AtUs = AtUs(1_800_000_000 * SECOND_US);
const MS: i64 = 1_000;

/// A node that follows its share.
struct Node {
    id: NodeId,
    share: Share,
    bucket: Bucket,
    beats: u64,
}

impl Node {
    fn new(name: &str) -> Self {
        Node {
            id: NodeId::new(name),
            share: Share::default(),
            bucket: Bucket::default(),
            beats: 0,
        }
    }

    fn units(&self) -> u64 {
        self.share.rate().map_or(0, Rate::units)
    }
}

/// One limit: its rows, the nodes, and the time, which all of them agree on.
struct Desk {
    limit: Rate,
    part: Part,
    shares: Shares,
    nodes: Vec<Node>,
    now: AtUs,
}

impl Desk {
    fn new(limit: Rate, nodes: usize) -> Self {
        let names = ["a", "b", "c", "d"];
        Desk {
            limit,
            part: Part::new(limit),
            shares: Shares::new(),
            nodes: names[..nodes].iter().map(|name| Node::new(name)).collect(),
            now: NOW,
        }
    }

    fn mono(&self) -> MonoUs {
        MonoUs(self.now.0)
    }

    /// Takes `units` if node `index` has room for them; else they are wanted.
    fn ask(&mut self, index: usize, units: u64) -> bool {
        let (cut, now, mono) = (Cut::all(self.limit), self.now, self.mono());
        let node = &mut self.nodes[index];
        node.share.asked(units, mono);
        let part = node.share.part(cut).unwrap_or(self.limit.of(0));
        let fits = node.bucket.check_part(self.limit, part, units, now).is_ok();
        match fits {
            true => node.bucket.take(part, units, now),
            false => node.share.lacks(units),
        }
        fits
    }

    /// A node beats, and hears the answer if that arrives. Answers who should beat soon.
    fn beat(&mut self, index: usize, arrives: bool) -> Vec<NodeId> {
        let (cut, now, mono) = (Cut::all(self.limit), self.now, self.mono());
        let node = &mut self.nodes[index];
        node.beats += 1;
        let part = node.share.part(cut).unwrap_or(self.limit.of(0));
        let used = node.bucket.used(part, now);
        let limit = LimitId::new("l");
        let at = Moment {
            beat: node.beats,
            now: mono,
        };
        let line = node.share.line(&limit, cut, used, at);
        let Some(line) = line else {
            return Vec::new();
        };
        let Desk { part, shares, .. } = self;
        let told = Told {
            node: &node.id,
            beat: node.beats,
            line: &line,
        };
        let balanced = balance(part, shares, told, now);
        let balanced = balanced.expect("a new beat");
        assert!(
            given(shares) + part.spare(shares) <= self.limit.units().max(given(shares)),
            "parts add up"
        );
        if arrives {
            let Node { share, bucket, .. } = node;
            let _ = share.answered(&balanced.answer, cut, bucket, at);
        }
        balanced.holders
    }

    /// Everybody beats, in order, a moment after the other.
    fn round(&mut self) {
        for index in 0..self.nodes.len() {
            self.now = self.now.plus(20 * MS);
            self.beat(index, true);
        }
    }

    /// A node dies, and another process takes its place.
    fn kill(&mut self, index: usize) {
        self.kill_by_the_books(index, None);
    }

    fn kill_by_the_books(&mut self, index: usize, books: Option<&Booked>) {
        let id = self.nodes[index].id.clone();
        give_up(&mut self.part, &mut self.shares, &id, books, self.now);
        self.nodes[index] = Node {
            id,
            ..Node::new("")
        };
    }

    fn units(&self) -> Vec<u64> {
        self.nodes.iter().map(Node::units).collect()
    }
}

#[test]
fn a_node_alone_has_all_of_it_with_its_first_beat() {
    let mut desk = Desk::new(Rate::per_minute(100), 1);
    assert!(!desk.ask(0, 1));
    desk.beat(0, true);
    assert_eq!(desk.units(), [100]);
    assert!(desk.ask(0, 100));
}

#[test]
fn shares_follow_demand_and_what_is_wanted_comes_first() {
    let mut desk = Desk::new(Rate::per_minute(100), 2);
    assert!(!desk.ask(0, 1));
    desk.beat(0, true);
    assert!(desk.ask(0, 10));
    assert!(!desk.ask(1, 30), "all of it is the other's");
    let holders = desk.beat(1, true);
    assert_eq!(
        (desk.units(), holders),
        (vec![100, 0], vec![NodeId::new("a")])
    );
    desk.beat(0, true);
    assert!(
        desk.units()[0] < 70,
        "it gives up what the other wants: {:?}",
        desk.units()
    );
    assert_eq!(given(&desk.shares), 100, "it may not have heard");
    desk.beat(0, true);
    desk.nodes[1].share.lacks(30);
    desk.beat(1, true);
    assert!(desk.ask(1, 30));
    assert_eq!(
        desk.units().iter().sum::<u64>(),
        100,
        "nothing is left over"
    );
    // Nobody asks for long: both have half.
    for _ in 0..100 {
        desk.now = desk.now.plus(SECOND_US);
        desk.round();
    }
    assert_eq!(desk.units(), [50, 50]);
    // One asks for all there is, and gets what the other has not used.
    assert!(desk.ask(0, 40));
    assert!(!desk.ask(1, 60));
    for _ in 0..5 {
        desk.round();
        desk.nodes[1].share.lacks(60);
    }
    assert!(desk.ask(1, 60), "{:?}", desk.units());
}

#[test]
fn a_raise_that_never_arrived_is_taken_back() {
    let mut desk = Desk::new(Rate::per_minute(100), 1);
    desk.ask(0, 1);
    desk.beat(0, false);
    assert_eq!((given(&desk.shares), desk.units()), (100, vec![0]));
    desk.now = desk.now.plus(SECOND_US);
    desk.beat(0, true);
    assert_eq!((given(&desk.shares), desk.units()), (100, vec![100]));
}

#[test]
fn an_old_beat_changes_no_share() {
    let mut desk = Desk::new(Rate::per_minute(100), 1);
    desk.ask(0, 1);
    desk.beat(0, true);
    let old = RateLine {
        limit: LimitId::new("l"),
        rate: desk.limit,
        share: 0,
        used: 0,
        wanted: 0,
        least: 0,
        adopted: 0,
        demand: 0,
        leaves: false,
    };
    let id = NodeId::new("a");
    let Desk { part, shares, .. } = &mut desk;
    let told = Told {
        node: &id,
        beat: 1,
        line: &old,
    };
    assert_eq!(balance(part, shares, told, NOW), None);
    assert_eq!(given(&desk.shares), 100);
}

#[test]
fn the_share_of_a_dead_node_counts_as_full_and_drains_like_the_limit() {
    for (after, free) in [(0, 0), (MINUTE_US / 4, 25), (MINUTE_US, 100)] {
        let mut desk = Desk::new(Rate::per_minute(100), 2);
        desk.ask(0, 1);
        desk.beat(0, true);
        desk.kill(0);
        desk.now = desk.now.plus(after);
        assert!(!desk.ask(1, 100));
        desk.beat(1, true);
        assert_eq!(desk.units(), [0, 100]);
        assert!(free == 0 || desk.ask(1, free));
        assert!(!desk.ask(1, 1));
    }
}

#[test]
fn of_a_day_the_share_of_a_dead_node_is_as_full_as_the_books_say() {
    let used = |used: &[(u64, i64)]| {
        let mut books = Booked::nothing(NOW.plus(-3 * DAY_US));
        for (units, ago) in used {
            books.add(*units, NOW.plus(-ago));
        }
        books
    };
    // What the books say, what the other one has, and what is left to whoever takes its place.
    let alone: [(&[(u64, i64)], u64); 6] = [
        (&[], 96),
        (&[(40, 0)], 56),
        (&[(40, DAY_US / 4)], 80),
        (&[(96, 0)], 0),
        (&[(96, DAY_US / 4), (30, 0)], 0),
        // More than there is: the limit was another one.
        (&[(500, 0)], 0),
    ];
    for (books, free) in alone {
        let mut desk = Desk::new(Rate::per_day(96), 1);
        desk.ask(0, 1);
        desk.beat(0, true);
        desk.kill_by_the_books(0, Some(&used(books)));
        assert!(!desk.ask(0, 96));
        desk.beat(0, true);
        assert_eq!(desk.units(), [96]);
        assert!(free == 0 || desk.ask(0, free), "{books:?}");
        assert!(!desk.ask(0, 1), "{books:?}");
    }
    // Beside another node nothing has drained of the books for an hour, in which four do; and no
    // more than its share is full.
    let beside: [(&[(u64, i64)], u64); 3] =
        [(&[(20, 0)], 28), (&[(20, HOUR_US)], 28), (&[(60, 0)], 0)];
    for (books, free) in beside {
        let mut desk = Desk::new(Rate::per_day(96), 2);
        for index in [0, 1] {
            desk.ask(index, 0);
            desk.round();
        }
        for _ in 0..3 {
            desk.round();
        }
        assert_eq!(desk.units(), [48, 48]);
        desk.kill_by_the_books(0, Some(&used(books)));
        let spare = desk.part.empty(&desk.shares, desk.now);
        assert_eq!(spare, free, "{books:?}");
    }
}

#[test]
fn what_a_node_gave_up_before_it_left_does_not_count() {
    let mut desk = Desk::new(Rate::per_minute(100), 2);
    desk.ask(0, 1);
    desk.beat(0, true);
    assert!(desk.ask(0, 30));
    desk.nodes[0].share.give_up(Cut::all(desk.limit), 30);
    desk.beat(0, true);
    desk.kill(0);
    assert!(!desk.ask(1, 70));
    desk.beat(1, true);
    assert!(desk.ask(1, 70));
    assert!(!desk.ask(1, 1));
}

/// It said itself what it used: that counts, also what no book has, as it failed.
#[test]
fn what_a_node_said_before_it_left_counts_whatever_the_books_say() {
    let mut desk = Desk::new(Rate::per_day(96), 1);
    desk.ask(0, 1);
    desk.beat(0, true);
    assert!(desk.ask(0, 30));
    desk.nodes[0].share.give_up(Cut::all(desk.limit), 30);
    desk.beat(0, true);
    let books = Booked::nothing(NOW.plus(-3 * DAY_US));
    desk.kill_by_the_books(0, Some(&books));
    assert_eq!(desk.part.empty(&desk.shares, desk.now), 96 - 30);
    // Who dies next has used less than what is spare and full: that stays full.
    assert!(!desk.ask(0, 1));
    desk.beat(0, false);
    desk.part.fill(40, desk.now);
    desk.kill_by_the_books(0, Some(&books));
    assert_eq!(desk.part.empty(&desk.shares, desk.now), 96 - 40);
}

#[test]
fn a_share_that_was_given_up_makes_room_for_others() {
    let mut desk = Desk::new(Rate::per_minute(100), 2);
    for index in [0, 1] {
        desk.ask(index, 0);
        desk.round();
    }
    desk.now = desk.now.plus(MINUTE_US);
    desk.nodes[0].share.give_up(Cut::all(desk.limit), 0);
    for _ in 0..2 {
        desk.now = desk.now.plus(SECOND_US);
        desk.round();
    }
    assert_eq!(desk.units(), [0, 100]);
    assert!(desk.nodes[0].share.is_gone());
    // Its row stays, so that no late beat of it counts.
    assert!(desk.shares[&NodeId::new("a")].left);
    assert!(!desk.ask(0, 5));
    for _ in 0..5 {
        desk.nodes[0].share.lacks(5);
        desk.round();
    }
    assert!(desk.ask(0, 5));
}

#[test]
fn a_lowered_limit_is_not_exceeded_for_long_and_a_raised_one_not_before_all_know() {
    let mut desk = Desk::new(Rate::per_minute(90), 3);
    for index in 0..3 {
        while !desk.ask(index, 30) {
            desk.round();
        }
    }
    desk.limit = Rate::per_minute(30);
    for _ in 0..12 {
        desk.now = desk.now.plus(SECOND_US);
        desk.round();
    }
    let sum: u64 = desk.units().iter().sum();
    assert!((29..=32).contains(&sum), "{:?}", desk.units());
    desk.limit = Rate::per_minute(60);
    desk.now = desk.now.plus(SECOND_US);
    desk.beat(0, true);
    assert_eq!(desk.part.rate.units(), 30, "two have not heard of it");
    desk.round();
    assert_eq!(desk.part.rate.units(), 60);
}

#[test]
fn what_is_used_at_once_ends_with_its_node() {
    let mut desk = Desk::new(Rate::at_once(10), 2);
    desk.ask(0, 1);
    desk.beat(0, true);
    assert!(desk.ask(0, 10));
    assert!(!desk.ask(1, 1));
    desk.beat(1, true);
    desk.now = desk.now.plus(60 * MINUTE_US);
    assert!(!desk.ask(0, 1), "time frees no place");
    desk.kill(0);
    desk.nodes[1].share.lacks(1);
    desk.beat(1, true);
    assert!(desk.ask(1, 10));
}

/// Two nodes want the last units at once: each has its turn, and neither waits for ever.
#[test]
fn who_waits_longest_is_served_first() {
    let mut desk = Desk::new(Rate::per_minute(60).fine(), 3);
    let one = Rate::FINE;
    let mut served = [0_u32; 3];
    let start = desk.now;
    while desk.now.since(start) < 3 * MINUTE_US {
        for (index, served) in served.iter_mut().enumerate() {
            // The first hammers.
            let times = match index {
                0 => 50,
                _ => 1,
            };
            for _ in 0..times {
                *served += u32::from(desk.ask(index, one));
            }
        }
        desk.round();
    }
    let sum: u32 = served.iter().sum();
    assert!(
        (236..=241).contains(&sum),
        "60, and 60 in each minute: {served:?}"
    );
    assert!(served[1] > 40 && served[2] > 40, "{served:?}");
}

/// Of those who want the last units some hear that there are none, and leave. Somebody gets them.
#[test]
fn who_heard_that_there_is_none_keeps_nothing_from_those_who_wait() {
    for left in 1..=9 {
        let mut desk = Desk::new(Rate::per_day(10), 3);
        let cut = Cut::all(desk.limit);
        assert!(!desk.ask(0, 1));
        desk.round();
        assert!(desk.ask(0, 10 - left));
        let (mut waiting, mut served) = ([0, 7, 7], 0);
        for _ in 0..12 {
            for index in [1, 2] {
                let fit = (0..waiting[index]).filter(|_| desk.ask(index, 1)).count();
                served += fit;
                waiting[index] -= fit;
                if !desk.nodes[index].share.may_get(cut, desk.mono()) {
                    waiting[index] = 0;
                }
            }
            desk.round();
        }
        assert_eq!(served as u64, left, "of {left}");
    }
}

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        let below = self.below(u64::try_from(limit).expect("few"));
        usize::try_from(below).expect("few")
    }

    fn time(&mut self, limit: i64) -> i64 {
        let below = self.below(limit.unsigned_abs());
        i64::try_from(below).expect("below an i64")
    }
}

/// A request of a walk.
#[derive(Clone, Copy, Debug)]
struct Request {
    of: usize,
    units: u64,
    at: AtUs,
    /// What the books say that it used, while it is open.
    seen: u64,
    is_booked: bool,
    /// What it used, and which step of the traffic that was.
    ended: Option<u64>,
    /// Its node died before anybody else knew of it.
    is_lost: bool,
}

/// All requests of a walk: what passed, as one bucket that sees everything counts it, and as the
/// books tell.
struct Traffic {
    limit: Rate,
    requests: Vec<Request>,
    /// Which request began, or ended, in order.
    steps: Vec<usize>,
    truth: Bucket,
}

impl Traffic {
    fn new(limit: Rate) -> Self {
        Traffic {
            limit,
            requests: Vec::new(),
            steps: Vec::new(),
            truth: Bucket::default(),
        }
    }

    fn begin(&mut self, request: Request) {
        self.truth.take(self.limit, request.units, request.at);
        self.steps.push(self.requests.len());
        self.requests.push(request);
    }

    fn running(&self) -> Vec<usize> {
        let runs = |it: &Request| it.ended.is_none() && !it.is_lost;
        let all = 0..self.requests.len();
        all.filter(|id| runs(&self.requests[*id])).collect()
    }

    /// A request ends, and gives back what it did not use. Answers whose, and how much that is.
    fn end(&mut self, id: usize, used: u64) -> (usize, u64) {
        let request = &mut self.requests[id];
        request.ended = Some(used);
        request.is_booked = true;
        let unused = request.units - used;
        self.truth.give_back(self.limit, unused);
        self.steps.push(id);
        (request.of, unused)
    }

    /// A node dies. What nobody knows of was never delivered; of what is booked, no more than that.
    fn die(&mut self, node: usize) {
        for id in self.running() {
            let request = &mut self.requests[id];
            match request.of == node {
                true if request.is_booked => {
                    let seen = request.seen;
                    self.end(id, seen);
                }
                true => request.is_lost = true,
                false => {}
            }
        }
        let mut truth = Bucket::default();
        let mut begun = vec![false; self.requests.len()];
        for id in &self.steps {
            let request = &self.requests[*id];
            match (request.is_lost, begun[*id]) {
                (true, _) => {}
                (false, false) => truth.take(self.limit, request.units, request.at),
                (false, true) => {
                    let used = request.ended.unwrap_or(request.units);
                    truth.give_back(self.limit, request.units - used);
                }
            }
            begun[*id] = true;
        }
        self.truth = truth;
    }

    /// What the books tell: by the hour of admission, and of what is open now.
    fn books(&self, now: AtUs) -> Booked {
        let mut used: Vec<(AtUs, u64)> = Vec::new();
        for request in self.requests.iter().filter(|it| it.is_booked) {
            used.push(match request.ended {
                Some(used) => (request.at.floor(HOUR_US).plus(HOUR_US).min(now), used),
                None => (now, request.seen),
            });
        }
        used.sort();
        let mut books = Booked::nothing(NOW.plus(-DAY_US));
        used.into_iter()
            .for_each(|(at, units)| books.add(units, at));
        books
    }
}

/// One walk: what nodes let through together always fits into one bucket of the whole limit. Then
/// the traffic ends, and whoever asks for all of it gets all of it.
fn walk(seed: u64) {
    let mut dice = Dice(seed);
    let units = 1 + dice.below(200);
    let day = dice.below(4) == 0;
    let limit = match day {
        true => Rate::per_day(units),
        false => Rate::per_minute(units),
    };
    let limit = limit.fine();
    let nodes = 2 + dice.index(3);
    let mut desk = Desk::new(limit, nodes);
    let mut traffic = Traffic::new(limit);
    let (lossy, deadly) = (dice.below(3) == 0, dice.below(3) == 0);
    for _ in 0..400 {
        let index = dice.index(nodes);
        match dice.below(100) {
            0..45 => ask_at_random(&mut desk, &mut traffic, index, &mut dice, seed),
            45..80 => {
                let arrives = !lossy || dice.below(4) > 0;
                for holder in desk.beat(index, arrives) {
                    let held = |node: &Node| node.id == holder;
                    let holder = desk.nodes.iter().position(held).expect("a node");
                    desk.beat(holder, true);
                }
            }
            80..83 if deadly && day => {
                let books = traffic.books(desk.now);
                desk.kill_by_the_books(index, Some(&books));
                traffic.die(index);
            }
            80..83 if deadly => {
                desk.kill(index);
                for request in &mut traffic.requests {
                    request.is_lost |= request.of == index && request.ended.is_none();
                }
            }
            83..88 => {
                let running = traffic.running();
                if !running.is_empty() {
                    end_at_random(
                        &mut desk,
                        &mut traffic,
                        running[dice.index(running.len())],
                        &mut dice,
                    );
                }
            }
            88..91 => {
                let until = desk.now.plus(dice.time(limit.window_us() / 4));
                // Hardly anything runs for longer than an hour.
                for id in traffic.running() {
                    if until.since(traffic.requests[id].at) > HOUR_US {
                        end_at_random(&mut desk, &mut traffic, id, &mut dice);
                    }
                }
                desk.now = until;
            }
            _ => desk.now = desk.now.plus(dice.time(SECOND_US)),
        }
    }
    all_comes(desk, &mut dice, seed);
}

fn ask_at_random(desk: &mut Desk, traffic: &mut Traffic, of: usize, dice: &mut Dice, seed: u64) {
    let (limit, now) = (desk.limit, desk.now);
    let most = (limit.units() / Rate::FINE).div_ceil(3);
    let units = (1 + dice.below(most)) * Rate::FINE;
    if desk.ask(of, units) {
        let fits = traffic.truth.check(limit, units, now);
        assert_eq!(fits, Ok(()), "seed {seed}: more passes than the limit lets");
        traffic.begin(Request {
            of,
            units,
            at: now,
            seen: dice.below(units + 1),
            is_booked: dice.below(2) == 0,
            ended: None,
            is_lost: false,
        });
    }
}

fn end_at_random(desk: &mut Desk, traffic: &mut Traffic, id: usize, dice: &mut Dice) {
    let used = dice.below(traffic.requests[id].units + 1);
    let (of, unused) = traffic.end(id, used);
    desk.nodes[of].bucket.give_back(desk.limit, unused);
}

/// Time passes without traffic. Then whoever asks for all that is free gets it.
fn all_comes(mut desk: Desk, dice: &mut Dice, seed: u64) {
    let (limit, nodes) = (desk.limit, desk.nodes.len());
    let rest = match dice.below(2) {
        0 => dice.time(limit.window_us()),
        _ => limit.window_us(),
    };
    desk.now = desk.now.plus(rest);
    for _ in 0..3 {
        // What never arrived is made good, and what was given up is told.
        desk.now = desk.now.plus(SECOND_US);
        desk.round();
    }
    let free = |node: &Node| {
        let part = node.share.part(Cut::all(limit)).unwrap_or(limit.of(0));
        node.bucket.state(part, desk.now).remaining
    };
    let free = desk.nodes.iter().map(free).sum::<u64>() + desk.part.empty(&desk.shares, desk.now);
    // In a window all of it drains.
    let free = match rest < limit.window_us() {
        true => free,
        false => limit.units(),
    };
    let index = dice.index(nodes);
    let mut rounds = 0;
    // A few of the smallest units are lost to rounding.
    let all = free.saturating_sub(8);
    while !desk.ask(index, all) {
        desk.round();
        desk.now = desk.now.plus(100 * MS);
        rounds += 1;
        assert!(
            rounds < 12,
            "seed {seed}: {all} of {free} do not come: {:?}",
            desk.units()
        );
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "which seeds a test runs is no setting"
)]
fn no_walk_lets_through_more_than_the_limit_and_all_of_it_comes_to_whoever_asks() {
    match std::env::var("FAREBOX_RATES_SEED") {
        Ok(seed) => walk(seed.parse().expect("a seed is a number")),
        Err(_) => (0..3_000).for_each(walk),
    }
}

/// Whoever is refused and waits as long as it was told is served, if nobody was quicker.
#[test]
fn the_wait_that_is_told_suffices() {
    for seed in 0..1_000 {
        let mut dice = Dice(seed);
        let units = 1 + dice.below(100);
        let limit = Rate::per_minute(units).fine();
        let nodes = 1 + dice.index(4);
        let mut desk = Desk::new(limit, nodes);
        for _ in 0..60 {
            let index = dice.index(nodes);
            desk.ask(index, (1 + dice.below(units)) * Rate::FINE);
            desk.round();
        }
        let (index, wanted) = (dice.index(nodes), (1 + dice.below(units)) * Rate::FINE);
        let ask = |desk: &mut Desk| {
            for _ in 0..12 {
                if desk.ask(index, wanted) {
                    return true;
                }
                desk.round();
            }
            desk.ask(index, wanted)
        };
        if ask(&mut desk) {
            continue;
        }
        let part = desk.nodes[index].share.part(Cut::all(limit));
        let part = part.expect("it has beaten");
        let bucket = desk.nodes[index].bucket;
        let refusal = bucket.check_part(limit, part, wanted, desk.now);
        let wait = refusal.expect_err("refused").retry_after_us;
        desk.now = desk.now.plus(wait.expect("it is not above the limit"));
        assert!(ask(&mut desk), "seed {seed}: {wait:?} do not suffice");
    }
}
