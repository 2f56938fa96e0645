//! Prompts and answers that organizations want to be kept, for some days. They are sealed by
//! whoever gives them here: the database alone cannot show them.
//!
//! Whether they are kept is asked again where they are written: what was on its way when keeping
//! was switched off is not kept.

use bytes::Bytes;
use domain::id::{OrganizationId, RequestId};
use domain::time::{AtUs, DAY_US};

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value};

/// The longest that any are kept, in days.
pub const MOST_DAYS: i64 = 30;

/// What an organization wants to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether anything is.
    pub is_enabled: bool,
    /// For how many days: at most [`MOST_DAYS`].
    pub days: i64,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            is_enabled: false,
            days: MOST_DAYS,
        }
    }
}

/// One side of a request, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its beginning.
    pub sealed: Bytes,
    /// How long it was, whole, in bytes.
    pub whole_bytes: u64,
}

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was asked.
    pub request: Side,
    /// What was answered, if anything was.
    pub response: Option<Side>,
}

/// What a side of a request is sealed for: `request` or `response`.
#[must_use]
pub fn place(request: RequestId, side: &str) -> String {
    format!("prompt:{request}:{side}")
}

/// What an organization wants to be kept.
///
/// # Errors
/// [`StoreError`].
pub fn setting(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Setting, StoreError> {
    let sql = "SELECT enabled_at_us, days FROM prompt_logging WHERE organization_id = $1";
    let row = tx.query_optional(sql, &[organization.as_str().into()])?;
    let read = |row: Row| {
        Ok(Setting {
            is_enabled: row.opt_int(0)?.is_some(),
            days: row.int(1)?,
        })
    };
    row.map_or_else(|| Ok(Setting::default()), read)
}

/// The organizations that want anything to be kept.
///
/// # Errors
/// [`StoreError`].
pub fn enabled(tx: &mut Tx<'_>) -> Result<Vec<OrganizationId>, StoreError> {
    let sql = "SELECT organization_id FROM prompt_logging WHERE enabled_at_us IS NOT NULL";
    let rows = tx.query(sql, &[])?;
    rows.iter()
        .map(|row| Ok(OrganizationId::new(row.text(0)?)))
        .collect()
}

/// Keeps what an organization wants. If `erase`, what was kept until now is not shown any more, and
/// goes with the next [`forget`].
///
/// # Errors
/// [`StoreError`].
pub fn set(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    setting: Setting,
    erase: bool,
    now: AtUs,
) -> Result<(), StoreError> {
    let erased_until = if erase { now.0 } else { 0 };
    tx.execute_one(
        "INSERT INTO prompt_logging (organization_id, days, enabled_at_us, erased_until_us)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (organization_id) DO UPDATE SET days = $2, enabled_at_us = $3,
             erased_until_us = CASE WHEN prompt_logging.erased_until_us > $4
                 THEN prompt_logging.erased_until_us ELSE $4 END",
        &[
            organization.as_str().into(),
            setting.days.into(),
            setting.is_enabled.then_some(now.0).into(),
            erased_until.into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Prompts, organization.as_str(), now)
}

/// Keeps a request's prompt and answer, if its organization wants that now.
///
/// # Errors
/// [`StoreError`].
pub fn keep(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    request: RequestId,
    kept: &Kept,
    now: AtUs,
) -> Result<(), StoreError> {
    if !setting(tx, organization)?.is_enabled {
        return Ok(());
    }
    let bytes = |side: &Side| Value::Bytes(side.sealed.clone());
    let whole = |side: &Side| i64::try_from(side.whole_bytes).unwrap_or(i64::MAX);
    let response = kept.response.as_ref();
    tx.execute(
        "INSERT INTO kept_prompts (organization_id, id, kept_at_us, request, request_bytes,
             response, response_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (organization_id, id) DO NOTHING",
        &[
            organization.as_str().into(),
            request.to_string().into(),
            now.0.into(),
            bytes(&kept.request),
            whole(&kept.request).into(),
            response.map_or(Value::Null, bytes),
            response.map(whole).into(),
        ],
    )?;
    Ok(())
}

/// What is kept of a request, and may still be shown.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    request: RequestId,
    now: AtUs,
) -> Result<Option<Kept>, StoreError> {
    let sql = "SELECT k.request, k.request_bytes, k.response, k.response_bytes
               FROM kept_prompts k JOIN prompt_logging l ON l.organization_id = k.organization_id
               WHERE k.organization_id = $1 AND k.id = $2 AND k.kept_at_us > l.erased_until_us
                   AND k.kept_at_us > $3 - l.days * $4";
    let params = [
        organization.as_str().into(),
        request.to_string().into(),
        now.0.into(),
        DAY_US.into(),
    ];
    let Some(row) = tx.query_optional(sql, &params)? else {
        return Ok(None);
    };
    let side = |at: usize| -> Result<Side, StoreError> {
        Ok(Side {
            sealed: row.bytes(at)?.clone(),
            whole_bytes: row.count(at + 1)?,
        })
    };
    let response = row.opt_int(3)?.is_some();
    Ok(Some(Kept {
        request: side(0)?,
        response: response.then(|| side(2)).transpose()?,
    }))
}

/// Forgets what is kept no longer, of every organization, the oldest first, at most `most` of each;
/// answers how many of the one that had most.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, now: AtUs, most: i64) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    let sql = "SELECT organization_id, days, erased_until_us FROM prompt_logging";
    for row in tx.query(sql, &[])? {
        let until = (now.0 - row.int(1)? * DAY_US).max(row.int(2)?);
        let of_one = tx.execute(
            "DELETE FROM kept_prompts WHERE (organization_id, id) IN (
                 SELECT organization_id, id FROM kept_prompts
                 WHERE organization_id = $1 AND kept_at_us <= $2 ORDER BY kept_at_us LIMIT $3)",
            &[row.text(0)?.into(), until.into(), most.into()],
        )?;
        forgotten = of_one.max(forgotten);
    }
    Ok(forgotten)
}
