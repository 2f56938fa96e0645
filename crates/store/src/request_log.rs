//! The log of requests: those that were charged, as their usage records say, and those that ended
//! without a charge, which have rows of their own. Money is written nowhere twice.
//!
//! A request enters the log when it ends, and stands in it by when that was. Both tables have that
//! order as an index; whatever else is asked for is looked for along it, in bounded steps.

mod filter;
mod refused;

use domain::hold::Flags;
use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::{Usage, UsageClass};

use crate::page::{Page, Place};
use crate::sqlite_batch::TOKEN_CLASSES;
use crate::usage_reports::TOKENS;
use crate::{Row, StoreError, Tx, Value};

pub use filter::{Filter, Outcome, Sight};
pub use refused::{Refused, count, forget, keep, not_kept};

/// Rows of each table that one look walks over: a filter that fits nothing must end too.
const WALKED: usize = 10_000;
/// What stands for the status of a request whose client left.
pub const CLIENT_LEFT: i64 = 499;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The request.
    pub id: String,
    /// When it arrived, or was admitted if it was.
    pub started_at: AtUs,
    /// When it ended.
    pub ended_at: AtUs,
    /// How.
    pub outcome: Outcome,
    /// The status of its answer.
    pub status: i64,
    /// The code and the message of its error.
    pub error: Option<(Option<String>, String)>,
    /// The project that it was made for, as far as that is known.
    pub project: Option<String>,
    /// The key that it was made with, and the key's name.
    pub key: Option<(String, String)>,
    /// The person whose key that is, and their name.
    pub user: Option<(String, String)>,
    /// The service account whose key that is.
    pub service_account: Option<String>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// `chat`, `responses`, `completions` or `embeddings`.
    pub endpoint: String,
    /// The upstream that was called last.
    pub upstream: Option<String>,
    /// Whether the answer was to come piece by piece, if the request was read.
    pub streamed: Option<bool>,
    /// What it used and cost, if it was charged.
    pub charge: Option<Charge>,
}

/// What a request used and cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Its tokens, by class.
    pub usage: Usage,
    /// What was charged.
    pub cost: Nusd,
    /// What else happened.
    pub flags: Flags,
    /// Microseconds to the first piece with output; none of a plain answer.
    pub first_output_us: Option<i64>,
    /// Why the model stopped, if the upstream said.
    pub finish_reason: Option<String>,
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// In the order that was asked for.
    pub entries: Vec<Entry>,
    /// Where it goes on, if it does: perhaps behind requests that the filter left out.
    pub next: Option<Place>,
}

/// A request, with what was looked at before it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The request.
    pub entry: Entry,
    /// Of one that was refused: a JSON array of what was looked at, in order.
    pub checks: Option<String>,
}

impl Entry {
    fn place(&self) -> Place {
        (self.ended_at, self.id.clone())
    }
}

/// Where requests are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Charged,
    Refused,
}

impl Source {
    const BOTH: [Source; 2] = [Source::Charged, Source::Refused];

    fn table(self) -> &'static str {
        match self {
            Source::Charged => "usage_records",
            Source::Refused => "refused_requests",
        }
    }

    /// The column that says when a request began.
    fn started(self) -> &'static str {
        match self {
            Source::Charged => "r.admitted_at_us",
            Source::Refused => "r.started_at_us",
        }
    }

    fn columns(self) -> String {
        let own = match self {
            Source::Charged => {
                let tokens = TOKENS.map(|column| format!("r.{column}")).join(", ");
                format!("r.flags, r.cost_nusd, r.first_output_us, r.finish_reason, {tokens}")
            }
            Source::Refused => "r.outcome, r.status, r.error_code, r.error_message".to_owned(),
        };
        format!(
            "SELECT r.id, {}, r.ended_at_us, r.project_id, r.key_id, k.name, k.user_id, p.name,
                    k.service_account_id, r.model, r.endpoint, r.upstream_id, r.streamed, {own}
             FROM {} r LEFT JOIN keys k ON k.id = r.key_id LEFT JOIN users p ON p.id = k.user_id
             WHERE r.organization_id = $1",
            self.started(),
            self.table(),
        )
    }
}

/// The first of the columns that are a table's own.
const OWN: usize = 13;

/// A page of an organization's log, as far as somebody may see it.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    (sight, filter): (&Sight, &Filter),
    page: &Page,
) -> Result<Listed, StoreError> {
    let floor = match filter.is_selective() || !matches!(sight, Sight::All) {
        true => floor(tx, organization, filter, page)?,
        false => None,
    };
    let within = Page {
        limit: page.limit + 1,
        ..page.clone()
    };
    let mut entries = Vec::new();
    for source in Source::BOTH {
        let mut params: Vec<Value> = vec![organization.as_str().into()];
        let Some(conditions) = filter.conditions(source, sight, &mut params) else {
            continue;
        };
        let mut sql = source.columns() + &conditions;
        if let Some((at, id)) = &floor {
            let comparison = if page.is_descending { ">=" } else { "<=" };
            params.extend([at.0.into(), id.as_str().into()]);
            let (first, second) = (params.len() - 1, params.len());
            sql += &format!(" AND (r.ended_at_us, r.id) {comparison} (${first}, ${second})");
        }
        sql += &within.tail("r.ended_at_us", "r.id", &mut params);
        for row in tx.query(&sql, &params)? {
            entries.push(entry(source, &row)?);
        }
    }
    let mut entries = within.of(entries, Entry::place);
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let next = match entries.len() > most {
        true => {
            entries.truncate(most);
            entries.last().map(Entry::place)
        }
        false => floor,
    };
    Ok(Listed { entries, next })
}

/// Where a look ends that walks over as many rows as it may; none if there are not so many.
fn floor(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    filter: &Filter,
    page: &Page,
) -> Result<Option<Place>, StoreError> {
    let one = Page {
        limit: 1,
        ..page.clone()
    };
    let mut floors = Vec::new();
    for source in Source::BOTH {
        let mut params: Vec<Value> = vec![organization.as_str().into()];
        let span = filter.span(&mut params);
        let tail = one.tail("r.ended_at_us", "r.id", &mut params);
        let sql = format!(
            "SELECT r.ended_at_us, r.id FROM {} r WHERE r.organization_id = $1{span}{tail}
             OFFSET {}",
            source.table(),
            WALKED - 1
        );
        if let Some(row) = tx.query_optional(&sql, &params)? {
            floors.push((AtUs(row.int(0)?), row.text(1)?.to_owned()));
        }
    }
    let floors = floors.into_iter();
    Ok(match page.is_descending {
        true => floors.max(),
        false => floors.min(),
    })
}

/// One request, if somebody may see it.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    sight: &Sight,
    request: RequestId,
) -> Result<Option<Found>, StoreError> {
    let filter = Filter {
        request: Some(request),
        ..Filter::default()
    };
    let page = Page {
        after: None,
        is_descending: true,
        limit: 1,
    };
    let listed = list(tx, organization, (sight, &filter), &page)?;
    let Some(entry) = listed.entries.into_iter().next() else {
        return Ok(None);
    };
    let sql = "SELECT checks FROM refused_requests WHERE organization_id = $1 AND id = $2";
    let named = [organization.as_str().into(), entry.id.as_str().into()];
    let checks = match entry.charge {
        Some(_) => None,
        None => tx.query_optional(sql, &named)?,
    };
    let checks = checks.map(|row| row.text(0).map(str::to_owned));
    Ok(Some(Found {
        entry,
        checks: checks.transpose()?,
    }))
}

fn entry(source: Source, row: &Row) -> Result<Entry, StoreError> {
    let opt_text = |index| Ok::<_, StoreError>(row.opt_text(index)?.map(str::to_owned));
    let text = |index| row.text(index).map(str::to_owned);
    let named = |id, name| -> Result<_, StoreError> {
        let id: Option<String> = opt_text(id)?;
        let name = opt_text(name)?.unwrap_or_default();
        Ok(id.map(|id| (id, name)))
    };
    let mut entry = Entry {
        id: text(0)?,
        started_at: AtUs(row.int(1)?),
        ended_at: AtUs(row.int(2)?),
        outcome: Outcome::Ok,
        status: 200,
        error: None,
        project: opt_text(3)?,
        key: named(4, 5)?,
        user: named(6, 7)?,
        service_account: opt_text(8)?,
        model: opt_text(9)?,
        endpoint: text(10)?,
        upstream: opt_text(11)?,
        streamed: row.opt_int(12)?.map(|it| it == 1),
        charge: None,
    };
    match source {
        Source::Charged => {
            let charge = charge(row)?;
            entry.outcome = Outcome::of(charge.flags);
            if entry.outcome == Outcome::Cancelled {
                entry.status = CLIENT_LEFT;
            }
            entry.charge = Some(charge);
        }
        Source::Refused => {
            let outcome = Outcome::parse(row.text(OWN)?);
            let unknown = || StoreError::Corrupt(format!("{} has no outcome", entry.id));
            entry.outcome = outcome.ok_or_else(unknown)?;
            entry.status = row.int(OWN + 1)?;
            entry.error = Some((opt_text(OWN + 2)?, text(OWN + 3)?));
        }
    }
    Ok(entry)
}

fn charge(row: &Row) -> Result<Charge, StoreError> {
    let mut usage = Usage::default();
    for (index, class) in (OWN + 4..).zip(TOKEN_CLASSES) {
        usage[class] = row.count(index)?;
    }
    usage[UsageClass::Request] = 1;
    Ok(Charge {
        usage,
        cost: Nusd::new(row.int(OWN + 1)?),
        flags: Flags::from_bits(row.int(OWN)?),
        first_output_us: row.opt_int(OWN + 2)?,
        finish_reason: row.opt_text(OWN + 3)?.map(str::to_owned),
    })
}
