//! A share by examples: how it grows, shrinks, asks and is given up.

use super::*;

const LIMIT: Rate = Rate::of_window(100, MINUTE_US);
const CUT: Cut = Cut {
    limit: LIMIT,
    shared: LIMIT,
    own: 0,
};
const LATER: MonoUs = MonoUs(ANSWER_US);

fn answer(target: u64, raise: u64, filled: u64) -> RateAnswer {
    RateAnswer {
        limit: LimitId::new("l"),
        rate: LIMIT,
        target,
        raise,
        filled,
        cut: 0,
        exhausted: false,
    }
}

fn units(share: &Share) -> u64 {
    share.rate().map_or(0, Rate::units)
}

/// A share, its bucket, and how often it beat.
#[derive(Default)]
struct Desk {
    share: Share,
    bucket: Bucket,
    beat: u64,
}

impl Desk {
    fn line(&mut self, cut: Cut, now: MonoUs) -> Option<RateLine> {
        self.beat += 1;
        let part = self.share.part(cut);
        let used = part.map_or(0, |part| self.bucket.used(part, AtUs(now.0)));
        let limit = LimitId::new("l");
        let at = Moment {
            beat: self.beat,
            now,
        };
        self.share.line(&limit, cut, used, at)
    }

    fn answered(&mut self, answer: &RateAnswer, cut: Cut, now: MonoUs) -> bool {
        let Desk {
            share,
            bucket,
            beat,
        } = self;
        let at = Moment { beat: *beat, now };
        share.answered(answer, cut, bucket, at)
    }

    fn take(&mut self, units: u64, cut: Cut, now: MonoUs) {
        let part = self.share.part(cut).expect("there is a share");
        self.bucket.take(part, units, AtUs(now.0));
    }
}

#[test]
fn a_share_grows_with_what_fills_it_and_shrinks_to_what_it_has_used() {
    let mut desk = Desk::default();
    let start = MonoUs(0);
    desk.share.asked(7, start);
    let line = desk.line(CUT, start).expect("the first");
    let told = |line: &RateLine| (line.share, line.used, line.adopted, line.demand);
    assert_eq!((told(&line), line.rate), ((0, 0, 0, 7), LIMIT));
    assert!(!desk.answered(&answer(60, 40, 10), CUT, start));
    let rate = desk.share.rate().expect("answered");
    assert_eq!(desk.bucket.state(rate, AtUs(0)).remaining, 30);
    desk.take(5, CUT, start);

    let line = desk.line(CUT, start).expect("the share has changed");
    assert_eq!(told(&line), (40, 15, 1, 7));
    assert!(desk.answered(&answer(10, 0, 0), CUT, start));
    assert_eq!(units(&desk.share), 15, "what is used stays");
    assert!(desk.line(CUT, start).is_some());
    // At 15 a minute, 5 of 15 have drained after a third of one.
    let third = MonoUs(MINUTE_US / 3);
    assert!(!desk.answered(&answer(0, 0, 0), CUT, third), "not by much");
    assert_eq!(units(&desk.share), 10);
}

#[test]
fn above_a_lowered_limit_also_what_is_used_is_given_up() {
    let mut desk = Desk::default();
    desk.line(CUT, MonoUs(0)).expect("the first");
    let _ = desk.answered(&answer(40, 40, 0), CUT, MonoUs(0));
    desk.take(40, CUT, MonoUs(0));
    let low = Cut::all(LIMIT.of(30));
    let part = desk.share.part(low).expect("there is a share");
    assert_eq!(part.units(), 30, "no more than the limit, at once");
    let line = desk.line(low, MonoUs(0)).expect("it has changed");
    assert_eq!((line.share, line.rate.units()), (40, 30));
    let cut = RateAnswer {
        rate: LIMIT.of(30),
        cut: 15,
        ..answer(25, 0, 0)
    };
    let _ = desk.answered(&cut, low, MonoUs(0));
    assert_eq!(units(&desk.share), 25);
    assert_eq!(desk.bucket.used(LIMIT.of(25), AtUs(0)), 40, "it must drain");
}

#[test]
fn only_the_answer_to_the_last_beat_counts_and_once() {
    let mut desk = Desk::default();
    assert!(desk.line(CUT, MonoUs(0)).is_some());
    let early = desk.line(CUT, MonoUs(1));
    assert_eq!(early, None, "the first may yet be answered");
    assert!(desk.line(CUT, LATER).is_some());
    for (beat, found) in [(1, 0), (3, 40), (3, 40)] {
        desk.beat = beat;
        let _ = desk.answered(&answer(40, 40, 0), CUT, LATER);
        assert_eq!(units(&desk.share), found);
    }
}

#[test]
fn a_limit_that_wants_nothing_is_not_named_in_every_beat() {
    let mut desk = Desk::default();
    desk.line(CUT, MonoUs(0)).expect("the first");
    let _ = desk.answered(&answer(40, 40, 0), CUT, MonoUs(0));
    assert!(desk.line(CUT, MonoUs(1)).is_some(), "it has another share");
    let _ = desk.answered(&answer(40, 0, 0), CUT, MonoUs(1));
    assert_eq!(desk.line(CUT, MonoUs(CALM_US)), None);
    assert!(desk.line(CUT, MonoUs(1 + CALM_US)).is_some());
    let _ = desk.answered(&answer(40, 0, 0), CUT, MonoUs(1 + CALM_US));
    desk.share.lacks(3);
    desk.share.lacks(2);
    desk.share.lacks(4);
    let line = desk.line(CUT, MonoUs(2 + CALM_US)).expect("it wants some");
    assert_eq!((line.wanted, line.least), (9, 2));
    let _ = desk.answered(&answer(40, 0, 0), CUT, MonoUs(2 + CALM_US));
    assert_eq!(desk.line(CUT, MonoUs(3 + CALM_US)), None, "said once");
}

#[test]
fn whoever_knows_that_nothing_is_left_does_not_ask_all_the_time() {
    let mut desk = Desk::default();
    let now = MonoUs(7);
    assert!(desk.share.may_get(CUT, now), "it has not asked yet");
    desk.line(CUT, now).expect("the first");
    let _ = desk.answered(&answer(40, 40, 0), CUT, now);
    assert!(desk.share.may_get(CUT, now));
    desk.share.lacks(50);
    desk.line(CUT, now).expect("it wants some");
    let nothing = RateAnswer {
        exhausted: true,
        ..answer(40, 0, 0)
    };
    let _ = desk.answered(&nothing, CUT, now);
    assert!(!desk.share.may_get(CUT, now.plus(BELIEVED_US - 1)));
    assert!(desk.share.may_get(CUT, now.plus(BELIEVED_US)));
    let all = Cut::all(LIMIT.of(40));
    assert!(
        !desk.share.may_get(all, now.plus(BELIEVED_US)),
        "it has all"
    );
}

#[test]
fn a_high_limit_gives_every_node_some_and_sixty_four_of_them_no_more_than_it_is() {
    for units in [10_000_000, 1_025, 1_000, 1, 0] {
        let cut = Cut::high(LIMIT.of(units));
        assert!(cut.shared.units() + 64 * cut.own <= units);
        assert!(cut.shared.units() + 64 * cut.own + 64 > units);
    }
    let cut = Cut::high(LIMIT.of(10_240_000));
    let mut desk = Desk::default();
    let own = desk.share.part(cut).expect("without asking");
    assert_eq!((own.units(), cut.shared.units()), (10_000, 9_600_000));
    desk.take(10_000, cut, MonoUs(0));
    desk.share.lacks(1);
    let line = desk.line(cut, MonoUs(0)).expect("the first");
    assert_eq!((line.rate, line.share, line.used), (cut.shared, 0, 0));
    let raise = RateAnswer {
        rate: cut.shared,
        ..answer(500, 500, 20)
    };
    let _ = desk.answered(&raise, cut, MonoUs(0));
    let part = desk.share.part(cut).expect("a share");
    assert_eq!(part.units(), 10_500);
    assert_eq!(desk.bucket.used(part, AtUs(0)), 10_020);
    let line = desk.line(cut, MonoUs(0)).expect("another share");
    assert_eq!((line.share, line.used), (500, 20), "its own is not shared");
}

#[test]
fn what_is_not_used_is_given_up_and_an_idle_share_whole() {
    let mut desk = Desk::default();
    desk.share.asked(1, MonoUs(0));
    desk.line(CUT, MonoUs(0)).expect("the first");
    let _ = desk.answered(&answer(40, 40, 0), CUT, MonoUs(0));
    assert!(!desk.share.is_idle(MonoUs(IDLE_US - 1)));
    assert!(desk.share.is_idle(MonoUs(IDLE_US)));
    desk.share.give_up(CUT, 3);
    assert_eq!((units(&desk.share), desk.share.is_gone()), (3, false));
    assert!(!desk.share.is_gone());
    desk.share.give_up(CUT, 0);
    let line = desk.line(CUT, MonoUs(IDLE_US)).expect("it has changed");
    assert!(line.leaves && line.share == 0);
    assert!(!desk.share.is_gone(), "nobody may have heard it");
    let _ = desk.answered(&answer(0, 0, 0), CUT, MonoUs(IDLE_US));
    assert!(desk.share.is_gone());
    desk.share.lacks(1);
    assert!(!desk.share.is_gone(), "it is wanted again");
}

#[test]
fn an_ended_epoch_takes_share_and_filling() {
    let mut desk = Desk::default();
    assert!(desk.line(CUT, MonoUs(0)).is_some());
    let _ = desk.answered(&answer(40, 40, 40), CUT, MonoUs(0));
    assert!(desk.line(CUT, MonoUs(0)).is_some());
    desk.share.lost(&mut desk.bucket);
    let _ = desk.answered(&answer(80, 40, 0), CUT, MonoUs(0));
    assert_eq!((desk.share.rate(), desk.bucket), (None, Bucket::default()));
    let line = desk.line(CUT, MonoUs(0));
    assert_eq!(line.map(|line| line.adopted), Some(2));
}
