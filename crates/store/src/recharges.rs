//! Auto-recharge: what organizations want of it, how it stands, and every recharge that began.
//!
//! A recharge is a payment, and credits what every payment does; here is only when one begins, that
//! there is one at a time, and what follows from its end.

mod attempts;

use domain::id::{OrganizationId, PaymentMethodId};
use domain::money::Nusd;
use domain::recharge::{Course, GaveUp, Open, Recharge, Rules};
use domain::time::AtUs;
use domain::window::Window;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, wallets};

pub use attempts::{
    Attempt, AttemptState, Begun, Terms, attempt, attempts, begin, claim, follow, look_again,
    new_method, open_attempt, under_way,
};

/// What an organization wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When, and how much.
    pub rules: Rules,
    /// The card that is charged; none: the default one of that moment.
    pub method: Option<PaymentMethodId>,
    /// Whether it is wanted at all.
    pub is_enabled: bool,
}

/// What is kept of an organization's auto-recharge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it wants.
    pub settings: Settings,
    /// How it stands.
    pub course: Course,
    /// How many recharges in a row were declined.
    pub declines: u32,
}

impl Kept {
    /// As requests see it.
    #[must_use]
    pub fn recharge(&self) -> Recharge {
        Recharge {
            rules: self.settings.rules,
            course: self.course,
        }
    }
}

const COLUMNS: &str = "SELECT a.organization_id, a.threshold_nusd, a.restore_to_nusd,
        a.monthly_cap_nusd, a.method_id, a.enabled_at_us, a.declines, a.not_before_us, a.gave_up,
        a.capped_at_us, r.amount_nusd, r.state
    FROM auto_recharges a LEFT JOIN recharges r
        ON r.organization_id = a.organization_id AND r.ended_at_us IS NULL";

/// What is kept of one organization; none if it never wanted any.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Option<Kept>, StoreError> {
    let sql = format!("{COLUMNS} WHERE a.organization_id = $1");
    let row = tx.query_optional(&sql, &[organization.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// One organization's auto-recharge, as requests see it.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Option<Recharge>, StoreError> {
    Ok(get(tx, organization)?.map(|kept| kept.recharge()))
}

/// Those of all organizations.
///
/// # Errors
/// [`StoreError`].
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<(OrganizationId, Recharge)>, StoreError> {
    let rows = tx.query(COLUMNS, &[])?;
    let recharge = |row: &Row| Ok((owner(row)?, from_row(row)?.recharge()));
    rows.iter().map(recharge).collect()
}

/// Keeps what an organization wants. Switched on again, or with another card, it begins anew: what
/// was declined before counts no more.
///
/// # Errors
/// [`StoreError`].
pub fn set(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    settings: &Settings,
    now: AtUs,
) -> Result<(), StoreError> {
    changes::lock(tx)?;
    let before = get(tx, organization)?;
    let begins_anew = before.is_none_or(|before| {
        let was_on = before.settings.is_enabled && before.course.gave_up.is_none();
        (settings.is_enabled && !was_on) || settings.method != before.settings.method
    });
    let rules = settings.rules;
    tx.execute_one(
        "INSERT INTO auto_recharges (organization_id, threshold_nusd, restore_to_nusd,
             monthly_cap_nusd, method_id, enabled_at_us, declines, changed_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
         ON CONFLICT (organization_id) DO UPDATE SET threshold_nusd = $2, restore_to_nusd = $3,
             monthly_cap_nusd = $4, method_id = $5, enabled_at_us = $6, changed_at_us = $7,
             capped_at_us = NULL",
        &[
            organization.as_str().into(),
            rules.threshold.get().into(),
            rules.restore_to.get().into(),
            rules.monthly_cap.map(Nusd::get).into(),
            settings.method.as_ref().map(PaymentMethodId::as_str).into(),
            settings.is_enabled.then_some(now.0).into(),
            now.0.into(),
        ],
    )?;
    if begins_anew {
        forgive(tx, organization)?;
    }
    record(tx, organization, now)
}

/// What was declined before counts no more.
fn forgive(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE auto_recharges SET declines = 0, not_before_us = NULL, gave_up = NULL
         WHERE organization_id = $1",
        &[organization.as_str().into()],
    )?;
    Ok(())
}

/// A server hears how it stands.
fn record(tx: &mut Tx<'_>, organization: &OrganizationId, now: AtUs) -> Result<(), StoreError> {
    changes::record(tx, ChangeKind::Recharge, organization.as_str(), now)
}

/// What an organization bought by itself in the calendar month that holds `at`, or is about to.
/// That counts where a recharge began, however long it took.
///
/// # Errors
/// [`StoreError`].
pub fn bought(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    at: AtUs,
) -> Result<Nusd, StoreError> {
    let month = Window::Month.span(at);
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(amount_nusd), 0) AS BIGINT) FROM recharges
         WHERE organization_id = $1 AND began_at_us >= $2 AND began_at_us < $3
           AND state IN ('open', 'needs_authentication', 'succeeded')",
        &[
            organization.as_str().into(),
            month.start.0.into(),
            month.end.0.into(),
        ],
    )?;
    row.int(0).map(Nusd::new)
}

/// What a new request may hold on all nodes together: paid in, not spent, and not held for a
/// request. What nodes have leased and do not hold is still there.
///
/// # Errors
/// [`StoreError`].
pub fn available(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Nusd, StoreError> {
    let wallet = wallets::get(tx, organization)?.unwrap_or_default();
    Ok(wallet.balance() - wallets::held_for_requests(tx, organization)?)
}

/// Organizations after `after` whose wallets may be low, and that may be recharged at `now`: by
/// what is neither spent, nor held, nor leased.
///
/// # Errors
/// [`StoreError`].
pub fn low(
    tx: &mut Tx<'_>,
    after: Option<&OrganizationId>,
    now: AtUs,
    limit: i64,
) -> Result<Vec<OrganizationId>, StoreError> {
    let sql = format!(
        "{COLUMNS} JOIN accounts w ON w.id = 'wallet:' || a.organization_id
         WHERE a.enabled_at_us IS NOT NULL AND a.gave_up IS NULL AND a.organization_id > $1
           AND COALESCE(a.not_before_us, 0) <= $2 AND r.payment_id IS NULL
           AND w.credits_nusd - w.debits_nusd - w.held_nusd < a.threshold_nusd
         ORDER BY a.organization_id LIMIT $3"
    );
    let after = after.map_or("", OrganizationId::as_str);
    let rows = tx.query(&sql, &[after.into(), now.0.into(), limit.into()])?;
    rows.iter().map(owner).collect()
}

fn owner(row: &Row) -> Result<OrganizationId, StoreError> {
    row.text(0).map(OrganizationId::new)
}

fn from_row(row: &Row) -> Result<Kept, StoreError> {
    let gave_up = row.opt_text(8)?.map(|word| {
        GaveUp::from_word(word).ok_or_else(|| StoreError::Corrupt(format!("gave_up {word}")))
    });
    let needs_authentication = row.opt_text(11)? == Some("needs_authentication");
    let open = row.opt_int(10)?.map(|amount| Open {
        amount: Nusd::new(amount),
        needs_authentication,
    });
    let enabled_at = row.opt_int(5)?;
    Ok(Kept {
        settings: Settings {
            rules: Rules {
                threshold: Nusd::new(row.int(1)?),
                restore_to: Nusd::new(row.int(2)?),
                monthly_cap: row.opt_int(3)?.map(Nusd::new),
            },
            method: row.opt_text(4)?.map(PaymentMethodId::new),
            is_enabled: enabled_at.is_some(),
        },
        course: Course {
            is_enabled: enabled_at.is_some(),
            gave_up: gave_up.transpose()?,
            open,
            not_before: row.opt_int(7)?.map(AtUs),
            capped_at: row.opt_int(9)?.map(AtUs),
        },
        declines: u32::try_from(row.count(6)?).unwrap_or(u32::MAX),
    })
}
