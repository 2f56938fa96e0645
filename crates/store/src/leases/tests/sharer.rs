//! A node's shares of two rate limits, used at random.

use domain::lease::{Cut, LimitId, Moment, RateAnswer, RateLine, Share};
use domain::rate::{Bucket, Rate};
use domain::time::{AtUs, MonoUs};

use super::walk::Rng;

#[derive(Clone, Debug)]
pub(super) struct Sharer {
    id: LimitId,
    rate: Rate,
    share: Share,
    bucket: Bucket,
}

impl Sharer {
    pub(super) fn both() -> Vec<Self> {
        let both = [
            ("org-a \"m\" requests", Rate::per_minute(90).fine()),
            ("org-a \"m\" at once", Rate::at_once(9)),
        ];
        let sharer = |(id, rate)| Sharer {
            id: LimitId::new(id),
            rate,
            share: Share::default(),
            bucket: Bucket::default(),
        };
        both.map(sharer).into()
    }

    fn cut(&self) -> Cut {
        Cut::all(self.rate)
    }

    fn part(&self) -> Rate {
        self.share.part(self.cut()).unwrap_or(self.rate.of(0))
    }

    /// Uses some, wants some, and says so; now and then it hears of another limit, or has enough.
    pub(super) fn line(&mut self, rng: &mut Rng, beat: u64, now: MonoUs) -> Option<RateLine> {
        let unit = self.rate.units() / 9;
        let wanted = unit * rng.below(3);
        self.share.asked(wanted, now);
        let part = self.part();
        match self.bucket.check(part, wanted, AtUs(now.0)) {
            Ok(()) => self.bucket.take(part, wanted, AtUs(now.0)),
            Err(_) => self.share.lacks(wanted),
        }
        match rng.below(20) {
            0 => self.rate = self.rate.of(unit * (5 + rng.below(9))),
            1 => {
                let used = self.bucket.used(part, AtUs(now.0));
                self.share.give_up(self.cut(), used);
            }
            2..6 => self.bucket.give_back(part, unit),
            _ => {}
        }
        let used = self.bucket.used(self.part(), AtUs(now.0));
        let cut = self.cut();
        self.share.line(&self.id, cut, used, Moment { beat, now })
    }

    pub(super) fn answered(&mut self, beat: u64, answers: &[RateAnswer], now: MonoUs) {
        let mut answers = answers.iter();
        if let Some(answer) = answers.find(|answer| answer.limit == self.id) {
            let cut = self.cut();
            let _ = self
                .share
                .answered(answer, cut, &mut self.bucket, Moment { beat, now });
        }
    }
}
