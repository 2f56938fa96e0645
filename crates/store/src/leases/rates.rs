//! Sharing rate limits: the rows of parts and shares, decided on by `domain::lease::office::rates`.
//!
//! Who changes a limit's shares has locked its part, and several parts in the order of their names.
//! However many limits a beat names, it is the same few statements: lists travel as JSON.

use std::collections::BTreeMap;

use domain::lease::office::rates::{self, Balanced, Part, ShareRow, Shares, Told};
use domain::lease::{Beat, LimitId, NodeId};
use domain::rate::{Bucket, Rate};
use domain::time::AtUs;
use serde_json::json;

use super::days;
use super::rows::kept;
use crate::{Row, StoreError, Tx};

/// Limits whose parts are locked, with every node's share.
type Limits = BTreeMap<LimitId, (Part, Shares)>;

/// What a beat's lines change, in the order of the lines.
pub(super) fn balance(
    tx: &mut Tx<'_>,
    beat: &Beat,
    now: AtUs,
) -> Result<Vec<Balanced>, StoreError> {
    if beat.rates.is_empty() {
        return Ok(Vec::new());
    }
    make(tx, beat)?;
    let mut limits = lock(tx, beat.rates.iter().map(|line| &line.limit))?;
    let mut balanced = Vec::with_capacity(beat.rates.len());
    for line in &beat.rates {
        if let Some((part, shares)) = limits.get_mut(&line.limit) {
            let told = Told {
                node: &beat.node,
                beat: beat.number,
                line,
            };
            balanced.extend(rates::balance(part, shares, told, now));
        }
    }
    write_parts(tx, &limits)?;
    write_shares(tx, &limits, &beat.node)?;
    Ok(balanced)
}

/// The shares of nodes whose epochs end are no node's any more.
pub(super) fn give_up(tx: &mut Tx<'_>, nodes: &[NodeId], now: AtUs) -> Result<(), StoreError> {
    let ids: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let named = tx.query(
        "SELECT DISTINCT limit_id FROM rate_shares
         WHERE node_id IN (SELECT jsonb_array_elements_text($1::text::jsonb))",
        &[json!(ids).to_string().into()],
    )?;
    if named.is_empty() {
        return Ok(());
    }
    let named = named.iter().map(|row| row.text(0).map(LimitId::new));
    let named: Vec<LimitId> = named.collect::<Result<_, _>>()?;
    let mut limits = lock(tx, named.iter())?;
    let books = days::read(tx, limits.keys(), now)?;
    for node in nodes {
        for (limit, (part, shares)) in &mut limits {
            rates::give_up(part, shares, node, books.get(limit), now);
        }
    }
    write_parts(tx, &limits)?;
    tx.execute(
        "DELETE FROM rate_shares
         WHERE node_id IN (SELECT jsonb_array_elements_text($1::text::jsonb))",
        &[json!(ids).to_string().into()],
    )?;
    Ok(())
}

/// Makes the parts of limits that nobody named before.
fn make(tx: &mut Tx<'_>, beat: &Beat) -> Result<(), StoreError> {
    let rows: BTreeMap<String, _> = beat
        .rates
        .iter()
        .map(|line| {
            let id = line.limit.to_string();
            let row = json!({
                "limit_id": id,
                "units": kept(line.rate.units()),
                "window_us": line.rate.window_us(),
            });
            (id, row)
        })
        .collect();
    let rows: Vec<_> = rows.into_values().collect();
    tx.execute(
        r#"INSERT INTO rate_parts (limit_id, units, window_us, level_high, level_low, at_us)
           SELECT limit_id, units, window_us, 0, 0, 0
           FROM jsonb_to_recordset($1::text::jsonb)
               AS new (limit_id TEXT, units BIGINT, window_us BIGINT)
           ORDER BY limit_id COLLATE "C"
           ON CONFLICT (limit_id) DO NOTHING"#,
        &[json!(rows).to_string().into()],
    )?;
    Ok(())
}

/// Locks the parts of limits, and reads them with their shares.
fn lock<'a>(
    tx: &mut Tx<'_>,
    limits: impl Iterator<Item = &'a LimitId>,
) -> Result<Limits, StoreError> {
    let ids: Vec<String> = limits.map(ToString::to_string).collect();
    let ids = json!(ids).to_string();
    let parts = tx.query(
        r#"SELECT limit_id, units, window_us, level_high, level_low, at_us FROM rate_parts
           WHERE limit_id IN (SELECT jsonb_array_elements_text($1::text::jsonb))
           ORDER BY limit_id COLLATE "C" FOR UPDATE"#,
        &[ids.clone().into()],
    )?;
    let mut limits = Limits::new();
    for row in &parts {
        let part = read_part(row)?;
        limits.insert(LimitId::new(row.text(0)?), (part, Shares::new()));
    }
    let shares = tx.query(
        "SELECT limit_id, node_id, units, used, told_at_us, limit_units, beat, raised, filled,
                demand, wanted, least, wanted_at_us, leaves
         FROM rate_shares
         WHERE limit_id IN (SELECT jsonb_array_elements_text($1::text::jsonb))",
        &[ids.into()],
    )?;
    for row in &shares {
        if let Some((_, shares)) = limits.get_mut(&LimitId::new(row.text(0)?)) {
            shares.insert(NodeId::new(row.text(1)?), read_share(row)?);
        }
    }
    Ok(limits)
}

fn read_part(row: &Row) -> Result<Part, StoreError> {
    let level = (i128::from(row.int(3)?) << 64) | i128::from(row.int(4)?.cast_unsigned());
    Ok(Part {
        rate: Rate::of_window(row.count(1)?, row.int(2)?),
        bucket: Bucket::of_level(level, AtUs(row.int(5)?)),
    })
}

fn read_share(row: &Row) -> Result<ShareRow, StoreError> {
    Ok(ShareRow {
        units: row.count(2)?,
        used: row.count(3)?,
        told_at: AtUs(row.int(4)?),
        limit: row.count(5)?,
        beat: row.count(6)?,
        raised: row.count(7)?,
        filled: row.count(8)?,
        demand: row.count(9)?,
        wanted: row.count(10)?,
        least: row.count(11)?,
        wanted_at: AtUs(row.int(12)?),
        left: row.int(13)? == 1,
    })
}

/// A part as its columns have it.
pub(super) fn part_row(id: &LimitId, part: &Part) -> serde_json::Value {
    let (level, at) = part.bucket.level();
    // Half of the bits each; the lower half has no sign of its own.
    let (high, low) = ((level >> 64) as i64, level as i64);
    json!({
        "limit_id": id.to_string(),
        "units": kept(part.rate.units()),
        "window_us": part.rate.window_us(),
        "level_high": high,
        "level_low": low,
        "at_us": at.0,
    })
}

fn write_parts(tx: &mut Tx<'_>, limits: &Limits) -> Result<(), StoreError> {
    let row = |(id, (part, _)): (&LimitId, &(Part, Shares))| part_row(id, part);
    let rows: Vec<_> = limits.iter().map(row).collect();
    tx.execute(
        "UPDATE rate_parts SET units = new.units, window_us = new.window_us,
             level_high = new.level_high, level_low = new.level_low, at_us = new.at_us
         FROM jsonb_to_recordset($1::text::jsonb) AS new (
             limit_id TEXT, units BIGINT, window_us BIGINT, level_high BIGINT, level_low BIGINT,
             at_us BIGINT)
         WHERE rate_parts.limit_id = new.limit_id",
        &[json!(rows).to_string().into()],
    )?;
    Ok(())
}

/// Writes one node's shares: nobody else's are changed by what it says.
fn write_shares(tx: &mut Tx<'_>, limits: &Limits, node: &NodeId) -> Result<(), StoreError> {
    let row = |(id, (_, shares)): (&LimitId, &(Part, Shares))| {
        let share = shares.get(node)?;
        Some(json!({
            "limit_id": id.to_string(),
            "units": kept(share.units),
            "used": kept(share.used),
            "told_at_us": share.told_at.0,
            "limit_units": kept(share.limit),
            "beat": kept(share.beat),
            "raised": kept(share.raised),
            "filled": kept(share.filled),
            "demand": kept(share.demand),
            "wanted": kept(share.wanted),
            "least": kept(share.least),
            "wanted_at_us": share.wanted_at.0,
            "leaves": i64::from(share.left),
        }))
    };
    let rows: Vec<_> = limits.iter().filter_map(row).collect();
    tx.execute(
        "INSERT INTO rate_shares (limit_id, node_id, units, used, told_at_us, limit_units, beat,
             raised, filled, demand, wanted, least, wanted_at_us, leaves)
         SELECT limit_id, $2, units, used, told_at_us, limit_units, beat, raised, filled, demand,
             wanted, least, wanted_at_us, leaves
         FROM jsonb_to_recordset($1::text::jsonb) AS new (
             limit_id TEXT, units BIGINT, used BIGINT, told_at_us BIGINT, limit_units BIGINT,
             beat BIGINT, raised BIGINT, filled BIGINT, demand BIGINT, wanted BIGINT, least BIGINT,
             wanted_at_us BIGINT, leaves BIGINT)
         ON CONFLICT (limit_id, node_id) DO UPDATE SET
             units = EXCLUDED.units, used = EXCLUDED.used, told_at_us = EXCLUDED.told_at_us,
             limit_units = EXCLUDED.limit_units, beat = EXCLUDED.beat, raised = EXCLUDED.raised,
             filled = EXCLUDED.filled, demand = EXCLUDED.demand, wanted = EXCLUDED.wanted,
             least = EXCLUDED.least, wanted_at_us = EXCLUDED.wanted_at_us,
             leaves = EXCLUDED.leaves",
        &[json!(rows).to_string().into(), node.to_string().into()],
    )?;
    Ok(())
}
