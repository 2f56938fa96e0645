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

/// The most values that one statement looks for: SQLite joins no more than 500 selections.
const MOST_AT_ONCE: usize = 100;

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
    let mut entries = Vec::new();
    let statements = statements(organization, filter, page);
    let several = statements.len() > 1;
    for (sql, params) in statements {
        for row in tx.query(&sql, &params)? {
            entries.push(from_row(&row)?);
        }
    }
    if several {
        let place = |entry: &Entry| (entry.at, entry.id.clone());
        entries.sort_by_key(place);
        entries.dedup_by_key(|entry| entry.id.clone());
        if !page.is_from_its_end() {
            entries.reverse();
        }
        entries.truncate(usize::try_from(page.limit).unwrap_or(0));
    }
    if page.is_from_its_end() {
        entries.reverse();
    }
    Ok(entries)
}

impl Page {
    fn is_from_its_end(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

/// What finds the entries, each statement a page of them.
///
/// One filter drives: for each of its values, the index that is ordered as the list is is entered
/// at the page's place, and read until the page is full. So what is read grows with the page and
/// the values, not with the log. Other filters are checked row by row.
fn statements(
    organization: &OrganizationId,
    filter: &Filter,
    page: &Page,
) -> Vec<(String, Vec<Value>)> {
    let mut driving = Vec::new();
    let mut others = Vec::new();
    // Those that let through the least come first.
    for (columns, values) in [
        (&["a.resource_id"][..], &filter.resources),
        (columns_of(&filter.actors), &filter.actors),
        (&["a.email"], &filter.emails),
        (&["a.project_id"], &filter.projects),
        (&["a.kind"], &filter.kinds),
    ] {
        let each = values
            .iter()
            .flat_map(|it| columns.iter().map(move |column| (*column, &**it)));
        match each.collect::<Vec<_>>() {
            each if driving.is_empty() => driving = each,
            each if each.is_empty() => {}
            each => others.push(each),
        }
    }
    let finder = Finder {
        organization,
        filter,
        page,
        others,
    };
    match driving.as_slice() {
        [] => vec![finder.statement(&[])],
        all => all
            .chunks(MOST_AT_ONCE)
            .map(|some| finder.statement(some))
            .collect(),
    }
}

/// A column, and what is to stand in it.
type Equation<'a> = (&'static str, &'a str);

/// Writes statements that find entries.
struct Finder<'a> {
    organization: &'a OrganizationId,
    filter: &'a Filter,
    page: &'a Page,
    /// Of each of these, one must be true.
    others: Vec<Vec<Equation<'a>>>,
}

impl Finder<'_> {
    /// Finds the page of entries of which one of `driving` is true; of all, if there is none.
    fn statement(&self, driving: &[Equation<'_>]) -> (String, Vec<Value>) {
        let mut params: Vec<Value> = vec![self.organization.as_str().into()];
        let mut bind = |value: Value| {
            params.push(value);
            format!("${}", params.len())
        };
        let rest = self.conditions(&mut bind);
        let order = match self.page.is_from_its_end() {
            true => "ASC",
            false => "DESC",
        };
        let limit = bind(self.page.limit.into());
        let tail = format!("ORDER BY a.at_us {order}, a.id {order} LIMIT {limit}");
        let mut equal = |(column, value): &Equation<'_>| {
            format!("{column} = {} AND {rest}", bind((*value).into()))
        };
        let (before, found) = match driving {
            [] => (String::new(), rest.clone()),
            [one] => (String::new(), equal(one)),
            several => {
                let pages = several.iter().enumerate().map(|(number, it)| {
                    format!(
                        "SELECT id FROM (SELECT a.id FROM audit_log a WHERE {} {tail}) AS of_{number}",
                        equal(it)
                    )
                });
                let pages = pages.collect::<Vec<_>>().join(" UNION ");
                // A cross join, so that SQLite goes from what was found to the log.
                (
                    format!("({pages}) AS found CROSS JOIN"),
                    "a.organization_id = $1 AND a.id = found.id".into(),
                )
            }
        };
        let sql = format!(
            "SELECT a.id, a.at_us, a.kind, a.project_id, COALESCE(p.name, ''), a.detail, a.key_id,
                    a.user_id, a.service_account_id, a.email, a.ip_address, a.user_agent
             FROM {before} audit_log a LEFT JOIN projects p ON p.id = a.project_id
             WHERE {found} {tail}"
        );
        (sql, params)
    }

    /// What is asked for beside the filter that drives.
    fn conditions(&self, bind: &mut dyn FnMut(Value) -> String) -> String {
        let mut conditions = vec!["a.organization_id = $1".to_owned()];
        // Bounds that bound nothing would have an index of times be chosen before that of a filter.
        if self.filter.from > AtUs(i64::MIN) {
            conditions.push(format!("a.at_us >= {}", bind(self.filter.from.0.into())));
        }
        if self.filter.until < AtUs(i64::MAX) {
            conditions.push(format!("a.at_us < {}", bind(self.filter.until.0.into())));
        }
        for (place, side) in [(&self.page.after, "<"), (&self.page.before, ">")] {
            if let Some((at, id)) = place {
                let (at, id) = (bind(at.0.into()), bind(id.as_str().into()));
                conditions.push(format!("(a.at_us, a.id) {side} ({at}, {id})"));
            }
        }
        for other in &self.others {
            let mut equal = |(column, value): &Equation<'_>| {
                // A column that is computed is in no index: this one must not drive.
                format!("{column} || '' = {}", bind((*value).into()))
            };
            let any: Vec<String> = other.iter().map(&mut equal).collect();
            conditions.push(format!("({})", any.join(" OR ")));
        }
        conditions.join(" AND ")
    }
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

#[cfg(test)]
mod tests {
    use testkit::on_each_database;

    use super::*;
    use crate::commit::tests::make;

    /// So many entries that walking them all would be the slower way, whatever is asked for.
    const ENTRIES: usize = 20_000;

    fn filled(sqlite: bool) -> String {
        let numbers = match sqlite {
            true => "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1)",
            false => "WITH n (n) AS (SELECT generate_series(1, CAST($1 AS BIGINT)))",
        };
        format!(
            "{numbers} INSERT INTO audit_log (organization_id, id, at_us, kind, resource_id,
                 project_id, detail, key_id, user_id, service_account_id, email)
             SELECT 'org-a', 'audit_log-' || n, n, 'kind' || (n % 50), 'thing' || n,
                 'proj_' || (n % 50), '{{}}', 'key_' || (n % 50), 'user-' || (n % 50),
                 'svc_acct_' || (n % 50), (n % 50) || '@example.com' FROM n"
        )
    }

    /// The name of the index that finds them, and the values of the filter that it is for.
    fn filters() -> Vec<(&'static str, Filter)> {
        let few =
            |prefix: &str| -> Vec<String> { (3..6).map(|n| format!("{prefix}{n}")).collect() };
        let all = Filter {
            from: AtUs(i64::MIN),
            until: AtUs(i64::MAX),
            projects: Vec::new(),
            kinds: Vec::new(),
            actors: Vec::new(),
            emails: Vec::new(),
            resources: Vec::new(),
        };
        let with = |set: &dyn Fn(&mut Filter)| {
            let mut filter = all.clone();
            set(&mut filter);
            filter
        };
        let mixed = ["key_3", "user-4", "svc_acct_5"].map(ToOwned::to_owned);
        let emails: Vec<String> = (3..6).map(|n| format!("{n}@example.com")).collect();
        vec![
            ("kind", with(&|it| it.kinds = few("kind"))),
            ("project", with(&|it| it.projects = few("proj_"))),
            (
                "user",
                with(&|it| (it.actors, it.kinds) = (few("user-"), few("kind"))),
            ),
            ("key", with(&|it| it.actors = few("key_"))),
            ("service_account", with(&|it| it.actors = few("svc_acct_"))),
            ("user", with(&|it| it.actors = mixed.to_vec())),
            ("email", with(&|it| it.emails.clone_from(&emails))),
            ("resource", with(&|it| it.resources = few("thing"))),
        ]
    }

    /// Fails unless a statement finds entries by this index alone.
    fn assert_enters(
        tx: &mut Tx<'_>,
        index: &str,
        (sql, params): &(String, Vec<Value>),
    ) -> Result<(), StoreError> {
        let (explain, column) = match tx.is_sqlite() {
            true => ("EXPLAIN QUERY PLAN", 3),
            false => ("EXPLAIN", 0),
        };
        let plan = tx.query(&format!("{explain} {sql}"), params)?;
        let lines = plan.iter().map(|row| row.text(column));
        let plan = lines.collect::<Result<Vec<_>, _>>()?.join("\n");
        assert!(
            plan.contains(&format!("audit_log_by_{index}")),
            "{index}: {plan}"
        );
        let walks = ["SCAN a", "Seq Scan on audit_log", "audit_log_by_time"];
        assert!(!walks.iter().any(|it| plan.contains(it)), "{index}: {plan}");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn several_values_of_a_filter_are_each_found_by_its_index() {
        on_each_database(async |database| {
            let sqlite = database.name == "sqlite";
            let store = make(&database, 1_000).await;
            let organization = OrganizationId::new("org-a");
            let write = store.write(move |tx| -> Result<(), StoreError> {
                tx.execute(&filled(sqlite), &[(ENTRIES as i64).into()])?;
                if !sqlite {
                    // As it does by itself, in time. SQLite knows nothing of its tables.
                    tx.execute("ANALYZE", &[])?;
                }
                for (index, filter) in filters() {
                    let page = Page {
                        after: Some((AtUs(15_000), AuditLogId::new("audit_log-15000"))),
                        before: None,
                        limit: 21,
                    };
                    for statement in statements(&organization, &filter, &page) {
                        assert_enters(tx, index, &statement)?;
                    }
                    let found = list(tx, &organization, &filter, &page)?;
                    let told: Vec<i64> = found.iter().map(|entry| entry.at.0).collect();
                    let matching = |n: &i64| (3..6).contains(&(n % 50)) && *n < 15_000;
                    let expected: Vec<i64> = match index {
                        "resource" => vec![5, 4, 3],
                        _ => (1..=ENTRIES as i64)
                            .rev()
                            .filter(matching)
                            .take(21)
                            .collect(),
                    };
                    assert_eq!(told, expected, "{index}");
                }
                Ok(())
            });
            write.await.unwrap();
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn more_values_than_a_statement_takes_are_one_list() {
        on_each_database(async |database| {
            let sqlite = database.name == "sqlite";
            let store = make(&database, 1_000).await;
            let organization = OrganizationId::new("org-a");
            let write = store.write(move |tx| -> Result<(), StoreError> {
                tx.execute(&filled(sqlite), &[1_000_i64.into()])?;
                let (_, everything) = filters().remove(0);
                let filter = Filter {
                    kinds: Vec::new(),
                    resources: (1..=2 * MOST_AT_ONCE + 1)
                        .map(|n| format!("thing{n}"))
                        .collect(),
                    ..everything
                };
                let place = |n: i64| Some((AtUs(n), AuditLogId::new(&format!("audit_log-{n}"))));
                let mut page = Page {
                    after: place(203),
                    before: None,
                    limit: 3,
                };
                let mut ats = |page: &Page| -> Result<Vec<i64>, StoreError> {
                    let found = list(tx, &organization, &filter, page)?;
                    Ok(found.iter().map(|entry| entry.at.0).collect())
                };
                assert_eq!(ats(&page)?, [201, 200, 199]);
                (page.after, page.before) = (None, place(99));
                assert_eq!(ats(&page)?, [102, 101, 100]);
                Ok(())
            });
            write.await.unwrap();
        })
        .await;
    }
}
