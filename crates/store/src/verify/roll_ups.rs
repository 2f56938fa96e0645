//! The sums that reports read beside those by the hour, held against what they were folded from.
//!
//! Each table of sums has the same columns behind its key, so that one statement, made for each,
//! proves them all.

use super::Invariant;
use crate::usage_reports::SUMS;

/// A table of sums, and the rows that they are sums of.
pub(super) struct RollUp {
    name: &'static str,
    claim: &'static str,
    table: &'static str,
    /// The columns of its key.
    key: &'static str,
    /// How a key is told.
    told: &'static str,
    /// Where what is summed stands, and how the key is found there.
    source: &'static str,
    source_key: &'static str,
}

/// What must be true of these tables.
pub(super) const ALL: [RollUp; 3] = [
    RollUp {
        name: "reported days",
        claim: "the sums by day that reports read are those of the hours",
        table: "usage_days",
        key: "organization_id, day_at_us, project_id, model, endpoint",
        told: "organization_id || ' ' || project_id || ' ' || model || ' at ' || day_at_us",
        source: "usage_hours",
        source_key: "organization_id, hour_at_us / 86400000000 * 86400000000, project_id, model,
            endpoint",
    },
    RollUp {
        name: "reported people",
        claim: "the sums by person and day that reports read are those of their keys' hours",
        table: "usage_user_days",
        key: "organization_id, day_at_us, user_id, project_id, model, endpoint",
        told: "organization_id || ' ' || user_id || ' ' || project_id || ' ' || model || ' at '
            || day_at_us",
        source: "(SELECT h.*, COALESCE(k.user_id, '') AS user_id
            FROM usage_hours h LEFT JOIN keys k ON k.id = h.key_id) AS owned",
        source_key: "organization_id, hour_at_us / 86400000000 * 86400000000, user_id,
            project_id, model, endpoint",
    },
    RollUp {
        name: "reported upstreams",
        claim: "the sums by upstream and day that reports read are those of the usage records",
        table: "upstream_days",
        key: "chain, day_at_us, upstream_id, model",
        told: "upstream_id || ' ' || model || ' of ' || chain || ' at ' || day_at_us",
        source: "(SELECT *, 1 AS requests FROM usage_records) AS counted",
        source_key: "chain, admitted_at_us / 86400000000 * 86400000000, upstream_id, model",
    },
];

impl RollUp {
    pub(super) fn invariant<'a>(&self, sql: &'a str) -> Invariant<'a> {
        Invariant {
            name: self.name,
            claim: self.claim,
            sql,
            unit: "units",
        }
    }

    /// The keys whose sums differ in anything; told are requests and tokens together.
    pub(super) fn sql(&self) -> String {
        let units = SUMS[..9].join(" + ");
        let columns = SUMS.join(", ");
        let negative = SUMS.map(|column| format!("-{column}")).join(", ");
        let differ = SUMS.map(|column| format!("SUM({column}) <> 0"));
        format!(
            "SELECT {told}, CAST(SUM(is_units) AS BIGINT), CAST(SUM(should_units) AS BIGINT)
             FROM (SELECT {key}, {units} AS is_units, 0 AS should_units, {columns} FROM {table}
                   UNION ALL
                   SELECT {source_key}, 0, {units}, {negative} FROM {source}) AS both_sides
             GROUP BY {key} HAVING {differ}",
            told = self.told,
            key = self.key,
            table = self.table,
            source = self.source,
            source_key = self.source_key,
            differ = differ.join(" OR "),
        )
    }
}
