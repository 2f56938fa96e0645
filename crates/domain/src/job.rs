//! Work that waits in the database until it succeeded: when it is tried again, and when no more.
//!
//! A worker claims a job for [`LEASE_US`] and nobody else gets it meanwhile. If the worker dies,
//! the claim runs out and the job is found again: it may be done twice, and is never lost. So that
//! two workers are never at one job at once, even where their clocks differ, a worker begins
//! only within [`START_US`] of its claim and gives up after [`RUN_US`].

use crate::Entropy;
use crate::time::{AtUs, DAY_US, HOUR_US, MINUTE_US, SECOND_US};

/// How long a claim keeps others away.
pub const LEASE_US: i64 = 5 * MINUTE_US;
/// A job that was claimed longer ago is not begun any more.
pub const START_US: i64 = MINUTE_US;
/// The longest a job may run.
pub const RUN_US: i64 = MINUTE_US;
/// A job that was begun so often is not begun again: about a day after the first time.
pub const MOST_TRIES: u32 = 16;
/// How long it is remembered that a job is done, so that its key is not used again.
pub const DONE_KEPT_US: i64 = 7 * DAY_US;
/// How long a job that failed for good can be looked at, and tried again by hand.
pub const DEAD_KEPT_US: i64 = 30 * DAY_US;

const FIRST_PAUSE_US: i64 = 5 * SECOND_US;
const LONGEST_PAUSE_US: i64 = 4 * HOUR_US;

// What is left of a claim when its worker must have given up is the room for clocks that differ.
const _: () = assert!(START_US + RUN_US <= LEASE_US / 2);

/// When a job is tried again that was tried `tries` times and failed at `now`; `None` if never.
///
/// The pause doubles with every try, and its second half is random: jobs that failed together, as
/// when a mail server was away, do not come back together. `asked_us` is how long whoever refused
/// it asked to be left alone; the pause is never shorter.
#[must_use]
pub fn next_try(tries: u32, asked_us: i64, now: AtUs, entropy: Entropy) -> Option<AtUs> {
    if tries >= MOST_TRIES {
        return None;
    }
    let doublings = tries.saturating_sub(1).min(20);
    let pause = (FIRST_PAUSE_US << doublings).min(LONGEST_PAUSE_US);
    let half = pause / 2;
    let mut bytes = [0; 8];
    entropy(&mut bytes);
    // The bias of this remainder is far below a microsecond.
    let random = (i64::from_le_bytes(bytes) & i64::MAX) % (half + 1);
    let asked = asked_us.clamp(0, LONGEST_PAUSE_US);
    Some(now.plus((half + random).max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: AtUs = AtUs(1_800_000_000_000_000);

    fn zeros(buffer: &mut [u8]) {
        buffer.fill(0);
    }

    fn ones(buffer: &mut [u8]) {
        buffer.fill(0xff);
    }

    fn pause(tries: u32, entropy: Entropy) -> i64 {
        next_try(tries, 0, NOW, entropy)
            .expect("there is another try")
            .since(NOW)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_at_least_half_of_each_is_kept() {
        for (tries, whole) in [
            (1, 5 * SECOND_US),
            (2, 10 * SECOND_US),
            (3, 20 * SECOND_US),
            (11, 5120 * SECOND_US),
            (13, LONGEST_PAUSE_US),
            (15, LONGEST_PAUSE_US),
        ] {
            assert_eq!(pause(tries, zeros), whole / 2, "{tries}");
            let random = pause(tries, ones);
            assert!(whole / 2 < random && random <= whole, "{tries}: {random}");
        }
    }

    #[test]
    fn after_so_many_tries_there_is_none() {
        assert!(next_try(MOST_TRIES - 1, 0, NOW, zeros).is_some());
        assert_eq!(next_try(MOST_TRIES, 0, NOW, zeros), None);
        assert_eq!(next_try(u32::MAX, 0, NOW, zeros), None);
        let least: i64 = (1..MOST_TRIES).map(|tries| pause(tries, zeros)).sum();
        assert!(HOUR_US * 6 < least && least < DAY_US, "{least}");
    }

    #[test]
    fn who_asks_for_a_longer_pause_gets_it_within_reason() {
        let asked = |us| next_try(1, us, NOW, ones).map(|at| at.since(NOW));
        assert_eq!(asked(MINUTE_US), Some(MINUTE_US));
        assert_eq!(asked(i64::MAX), Some(LONGEST_PAUSE_US));
        assert!(asked(-1).is_some_and(|pause| pause > 0));
        assert!(asked(1).is_some_and(|pause| pause > SECOND_US));
    }
}
