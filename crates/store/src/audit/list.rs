//! Reading the audit log: newest first, through filters.

use domain::access::Owner;
use domain::id::{AuditLogId, KeyId, OrganizationId, ProjectId, ServiceAccountId, UserId};
use domain::time::AtUs;

use super::{Actor, Who};
use crate::{Row, StoreError, Tx, Value};

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: AuditLogId,
    /// When it was done.
    pub at: AtUs,
    /// The name of what was done.
    pub kind: String,
    /// The project it was done in, by id and present name.
    pub project: Option<(ProjectId, String)>,
    /// A JSON object: what of it.
    pub detail: String,
    /// Who did it, and from where.
    pub actor: Actor,
    /// The person's address at that time; none if it was no person.
    pub email: Option<String>,
}

/// Which entries are wanted; those that all filters let through. An empty list lets all through.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Not before.
    pub from: AtUs,
    /// Before.
    pub until: AtUs,
    /// In one of these projects.
    pub projects: Vec<String>,
    /// Of one of these kinds, by name.
    pub kinds: Vec<String>,
    /// By one of these: keys, persons or service accounts, by id.
    pub actors: Vec<String>,
    /// By a person with one of these addresses.
    pub emails: Vec<String>,
    /// To one of these things, by id.
    pub resources: Vec<String>,
}

/// Where an entry is in the log.
pub type Place = (AtUs, AuditLogId);

/// Which part of the list is wanted.
#[derive(Clone, Debug)]
pub struct Page {
    /// Entries older than this one.
    pub after: Option<Place>,
    /// Entries newer than this one; without `after`, the nearest to it.
    pub before: Option<Place>,
    /// At most this many.
    pub limit: i64,
}

/// The place of an entry.
///
/// # Errors
/// [`StoreError`].
pub fn place(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &AuditLogId,
) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT at_us FROM audit_log WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.clone())))
        .transpose()
}

/// Entries of an organization, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Entry>, StoreError> {
    let mut params: Vec<Value> = vec![organization.as_str().into()];
    let mut bind = |value: Value| {
        params.push(value);
        format!("${}", params.len())
    };
    let mut conditions = vec!["a.organization_id = $1".to_owned()];
    // Bounds that bound nothing would have an index of times be chosen before that of a filter.
    if filter.from > AtUs(i64::MIN) {
        conditions.push(format!("a.at_us >= {}", bind(filter.from.0.into())));
    }
    if filter.until < AtUs(i64::MAX) {
        conditions.push(format!("a.at_us < {}", bind(filter.until.0.into())));
    }
    for (columns, values) in [
        (&["a.project_id"][..], &filter.projects),
        (&["a.kind"], &filter.kinds),
        (columns_of(&filter.actors), &filter.actors),
        (&["a.email"], &filter.emails),
        (&["a.resource_id"], &filter.resources),
    ] {
        let among: Vec<String> = values.iter().map(|it| bind(it.as_str().into())).collect();
        // One value is an equation: then the order of an index is that of the list.
        let among = match among.as_slice() {
            [] => continue,
            [one] => format!("= {one}"),
            several => format!("IN ({})", several.join(", ")),
        };
        let any = columns.iter().map(|column| format!("{column} {among}"));
        conditions.push(format!("({})", any.collect::<Vec<_>>().join(" OR ")));
    }
    for (place, side) in [(&page.after, "<"), (&page.before, ">")] {
        if let Some((at, id)) = place {
            let (at, id) = (bind(at.0.into()), bind(id.as_str().into()));
            conditions.push(format!("(a.at_us, a.id) {side} ({at}, {id})"));
        }
    }
    let from_its_end = page.before.is_some() && page.after.is_none();
    let order = if from_its_end { "ASC" } else { "DESC" };
    let limit = bind(page.limit.into());
    let sql = format!(
        "SELECT a.id, a.at_us, a.kind, a.project_id, COALESCE(p.name, ''), a.detail, a.key_id,
                a.user_id, a.service_account_id, a.email, a.ip_address, a.user_agent
         FROM audit_log a LEFT JOIN projects p ON p.id = a.project_id
         WHERE {}
         ORDER BY a.at_us {order}, a.id {order} LIMIT {limit}",
        conditions.join(" AND ")
    );
    let rows = tx.query(&sql, &params)?;
    let mut entries = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    if from_its_end {
        entries.reverse();
    }
    Ok(entries)
}

/// Where these actors are named: their ids tell, if they are all of one kind.
fn columns_of(actors: &[String]) -> &'static [&'static str] {
    const KINDS: [(&str, &[&str]); 3] = [
        ("user-", &["a.user_id"]),
        ("key_", &["a.key_id"]),
        ("svc_acct_", &["a.service_account_id"]),
    ];
    let kind = KINDS
        .iter()
        .find(|(prefix, _)| actors.iter().all(|id| id.starts_with(prefix)));
    kind.map_or(
        &["a.user_id", "a.key_id", "a.service_account_id"],
        |(_, columns)| columns,
    )
}

fn from_row(row: &Row) -> Result<Entry, StoreError> {
    let project = row.opt_text(3)?.map(ProjectId::new);
    let name = row.text(4)?.to_owned();
    let user = row.opt_text(7)?.map(UserId::new);
    let service_account = row.opt_text(8)?.map(ServiceAccountId::new);
    let owner = match (&user, service_account) {
        (Some(user), _) => Some(Owner::User(user.clone())),
        (None, account) => account.map(Owner::ServiceAccount),
    };
    let who = match (row.opt_text(6)?, owner, user) {
        (Some(key), Some(owner), _) => Who::Key(KeyId::new(key), owner),
        (None, _, Some(user)) => Who::Session(user),
        _ => Who::Operator,
    };
    let text = |index| Ok::<_, StoreError>(row.opt_text(index)?.map(ToOwned::to_owned));
    Ok(Entry {
        id: AuditLogId::new(row.text(0)?),
        at: AtUs(row.int(1)?),
        kind: row.text(2)?.to_owned(),
        project: project.map(|id| (id, name)),
        detail: row.text(5)?.to_owned(),
        actor: Actor {
            who,
            ip_address: text(10)?,
            user_agent: text(11)?,
        },
        email: text(9)?,
    })
}
