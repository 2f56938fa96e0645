//! Markups of organizations: rules that are never changed, only followed by later ones or ended.
//!
//! A rule begins when it is made or later, never before: what was priced stays priced. A request
//! has the markup of its admission in its hold and its usage record, as a number, so nothing that
//! was charged depends on what becomes of the rules.

use std::collections::HashMap;

use domain::Entropy;
use domain::id::{MarkupId, OrganizationId};
use domain::markup::{Markup, MarkupRule, Markups};
use domain::time::AtUs;
use serde_json::json;

use crate::audit::{Event, Kind};
use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value};

/// The most rules of an organization that wait to come into force.
const MOST_AHEAD: usize = 100;

/// A markup as an operator states it.
#[derive(Clone, Debug)]
pub struct NewMarkup {
    /// Who pays it.
    pub organization: OrganizationId,
    /// On which model's price; on that of every model without a rule of its own if none.
    pub model: Option<String>,
    /// How much.
    pub markup: Markup,
    /// From when on; from now on if none.
    pub start: Option<AtUs>,
}

/// A rule, with when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The rule.
    pub rule: MarkupRule,
    /// When it was stated.
    pub created_at: AtUs,
}

impl Stated {
    /// What the logs say of it.
    #[must_use]
    pub fn event(&self, kind: Kind) -> Event {
        let MarkupRule {
            id,
            model,
            markup,
            effective_at,
            ..
        } = &self.rule;
        Event::new(kind, id).data(json!({
            "model": model,
            "basis_points": markup.basis_points(),
            "effective_at": effective_at.seconds(),
        }))
    }
}

/// Why the rules stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum MarkupError {
    /// It would have begun already.
    #[error("a markup begins when it is made, or later")]
    Past,
    /// Another one for the same models begins at that very instant.
    #[error("the markup {0} begins at the same instant")]
    Taken(MarkupId),
    /// Too many wait.
    #[error("{MOST_AHEAD} markups of the organization wait to come into force already")]
    TooMany,
    /// It was ended, or another one has followed it.
    #[error("the markup is over")]
    Over,
    /// The organization has no such markup.
    #[error("the organization has no such markup")]
    Unknown,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a markup the one in force from its start on. Servers hear of it.
///
/// # Errors
/// [`MarkupError`]: `Past`, `Taken` or `TooMany`.
pub fn add(
    tx: &mut Tx<'_>,
    new: &NewMarkup,
    now: AtUs,
    entropy: Entropy,
) -> Result<Stated, MarkupError> {
    changes::lock(tx)?;
    let all = list(tx, &new.organization)?;
    let valid = || all.iter().filter(|it| !it.rule.is_withdrawn());
    let same = || valid().filter(|it| it.rule.model == new.model);
    if valid().filter(|it| it.rule.effective_at > now).count() >= MOST_AHEAD {
        return Err(MarkupError::TooMany);
    }
    let effective_at = match new.start {
        // After every other that has begun, also if the clock stands still or went back.
        None => {
            let begun = same().filter(|it| it.rule.effective_at <= it.created_at.max(now));
            let last = begun.map(|it| it.rule.effective_at).max();
            let mut at = last.map_or(now, |last| last.plus(1).max(now));
            while same().any(|it| it.rule.effective_at == at) {
                at = at.plus(1);
            }
            at
        }
        Some(start) if start < now => return Err(MarkupError::Past),
        Some(start) => match same().find(|it| it.rule.effective_at == start) {
            Some(other) => return Err(MarkupError::Taken(other.rule.id.clone())),
            None => start,
        },
    };
    let stated = Stated {
        rule: MarkupRule {
            id: MarkupId::random(entropy),
            model: new.model.clone(),
            markup: new.markup,
            effective_at,
            ended_at: None,
        },
        created_at: now,
    };
    insert(tx, &new.organization, &stated)?;
    changes::record(tx, ChangeKind::Markups, new.organization.as_str(), now)?;
    Ok(stated)
}

fn insert(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    stated: &Stated,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO markups (id, organization_id, model, markup_bp, effective_at_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            stated.rule.id.as_str().into(),
            organization.as_str().into(),
            stated.rule.model.clone().into(),
            i64::from(stated.rule.markup.basis_points()).into(),
            stated.rule.effective_at.0.into(),
            stated.created_at.0.into(),
        ],
    )
}

/// Ends a markup that is in force, or takes one back that is to come. What came before it does not
/// come back. Servers hear of it.
///
/// # Errors
/// [`MarkupError`]: `Unknown` or `Over`.
pub fn end(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &MarkupId,
    now: AtUs,
) -> Result<Stated, MarkupError> {
    changes::lock(tx)?;
    let all = list(tx, organization)?;
    let found = all.iter().find(|it| it.rule.id == *id);
    let mut stated = found.ok_or(MarkupError::Unknown)?.clone();
    let is_followed = all.iter().any(|it| {
        let other = &it.rule;
        let follows = other.effective_at > stated.rule.effective_at && other.effective_at <= now;
        follows && other.model == stated.rule.model && !other.is_withdrawn()
    });
    if stated.rule.ended_at.is_some() || is_followed {
        return Err(MarkupError::Over);
    }
    tx.execute_one(
        "INSERT INTO markup_ends (markup_id, ended_at_us) VALUES ($1, $2)",
        &[id.as_str().into(), now.0.into()],
    )?;
    changes::record(tx, ChangeKind::Markups, organization.as_str(), now)?;
    stated.rule.ended_at = Some(now);
    Ok(stated)
}

/// Every markup that an organization ever had, the first to begin first.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Vec<Stated>, StoreError> {
    let condition = "WHERE m.organization_id = $1";
    let found = select(tx, condition, &[organization.as_str().into()])?;
    Ok(found.into_iter().map(|(_, stated)| stated).collect())
}

/// The rules of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Markups, StoreError> {
    let rules = list(tx, organization)?.into_iter().map(|it| it.rule);
    Ok(Markups::new(rules.collect()))
}

/// The rules of every organization that has any.
///
/// # Errors
/// [`StoreError`].
pub fn all(tx: &mut Tx<'_>) -> Result<HashMap<OrganizationId, Markups>, StoreError> {
    let mut rules: HashMap<OrganizationId, Vec<MarkupRule>> = HashMap::new();
    for (organization, stated) in select(tx, "", &[])? {
        rules.entry(organization).or_default().push(stated.rule);
    }
    let markups = rules
        .into_iter()
        .map(|(id, rules)| (id, Markups::new(rules)));
    Ok(markups.filter(|(_, markups)| !markups.is_empty()).collect())
}

fn select(
    tx: &mut Tx<'_>,
    condition: &str,
    params: &[Value],
) -> Result<Vec<(OrganizationId, Stated)>, StoreError> {
    let sql = format!(
        "SELECT m.organization_id, m.id, m.model, m.markup_bp, m.effective_at_us, m.created_at_us,
                e.ended_at_us
         FROM markups m LEFT JOIN markup_ends e ON e.markup_id = m.id
         {condition} ORDER BY m.organization_id, m.effective_at_us, m.id"
    );
    tx.query(&sql, params)?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<(OrganizationId, Stated), StoreError> {
    let basis_points = row.int(3)?;
    let markup = Markup::new(basis_points)
        .ok_or_else(|| StoreError::Corrupt(format!("no markup is {basis_points} basis points")))?;
    let stated = Stated {
        rule: MarkupRule {
            id: MarkupId::new(row.text(1)?),
            model: row.opt_text(2)?.map(str::to_owned),
            markup,
            effective_at: AtUs(row.int(4)?),
            ended_at: row.opt_int(6)?.map(AtUs),
        },
        created_at: AtUs(row.int(5)?),
    };
    Ok((OrganizationId::new(row.text(0)?), stated))
}
