//! Counts durations in buckets that are at most 0.8 % wide, so that a run of any length costs 60
//! kB.

use std::time::Duration;

use serde_json::{Value, json};

/// Below this many nanoseconds every value has a bucket of its own.
const EXACT: u64 = 128;
/// Buckets per doubling above that.
const PER_DOUBLING: usize = 128;
const BUCKETS: usize = EXACT as usize + PER_DOUBLING * 57;

/// Durations, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max_ns: 0,
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The duration that `share` (0 to 1) of all do not exceed, to 0.8 %; zero if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_ns(index).min(self.max_ns));
            }
        }
        Duration::ZERO
    }

    /// The longest, exactly.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// Count, quantiles and maximum, in microseconds.
    pub fn json(&self) -> Value {
        let us = |duration: Duration| duration.as_nanos() as f64 / 1000.0;
        json!({
            "count": self.total,
            "p50_us": us(self.quantile(0.5)),
            "p90_us": us(self.quantile(0.9)),
            "p99_us": us(self.quantile(0.99)),
            "max_us": us(self.max()),
        })
    }
}

fn bucket(ns: u64) -> usize {
    if ns < EXACT {
        return ns as usize;
    }
    let doublings = (ns / EXACT).ilog2();
    let within = (ns >> doublings) - EXACT;
    EXACT as usize + doublings as usize * PER_DOUBLING + within as usize
}

/// The largest value in a bucket.
fn upper_ns(index: usize) -> u64 {
    let Some(above) = index.checked_sub(EXACT as usize) else {
        return index as u64;
    };
    let doublings = (above / PER_DOUBLING) as u32;
    let next = EXACT + (above % PER_DOUBLING) as u64 + 1;
    match next.checked_shl(doublings) {
        Some(end) if end >> doublings == next => end - 1,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_bucket_and_no_bucket_is_wide() {
        for shift in 0..64 {
            for near in [0, 1, 2, 77] {
                let ns = (1_u64 << shift).saturating_sub(1).saturating_add(near);
                let upper = upper_ns(bucket(ns));
                assert!(upper >= ns, "{ns} is above its bucket's end {upper}");
                assert!(
                    (upper - ns) as f64 <= ns as f64 * 0.008,
                    "{ns} to {upper} is wide"
                );
            }
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut halves = [Histogram::default(), Histogram::default()];
        for us in 1..=1000_u64 {
            halves[(us % 2) as usize].record(Duration::from_micros(us));
        }
        let [mut all, odd] = halves;
        all.merge(&odd);
        assert_eq!(all.count(), 1000);
        for (share, us) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = all.quantile(share).as_nanos() as f64 / 1000.0;
            assert!(
                (found - us).abs() <= us * 0.008,
                "{share}: {found} µs, not {us}"
            );
        }
        assert_eq!(all.max(), Duration::from_millis(1));
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
