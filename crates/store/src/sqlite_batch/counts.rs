//! How usage is counted in columns, on either database.

use domain::usage::UsageClass;

/// The classes that have columns, in the order of the columns.
pub(crate) const TOKEN_CLASSES: [UsageClass; 8] = [
    UsageClass::FreshInput,
    UsageClass::CachedInput,
    UsageClass::CacheWrite,
    UsageClass::Output,
    UsageClass::Reasoning,
    UsageClass::AudioInput,
    UsageClass::AudioOutput,
    UsageClass::Image,
];

/// No request uses a trillion units: an upstream that reports more is wrong, and must not make the
/// sums of an hour overflow.
pub(crate) const MOST_UNITS: i64 = 1_000_000_000_000;

/// A count as it is kept.
pub(crate) fn count(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(MOST_UNITS).min(MOST_UNITS)
}
