//! Usage and costs over time: sums by bucket and by whatever they are asked to be grouped by.
//!
//! Hours are read from their sums, days from theirs, which are kept without keys and by person;
//! where keys are asked about, from the hours'. Minutes are read from the records themselves, whose
//! ids carry their time. Buckets are whole and begin at multiples of their width, UTC.

use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US, HOUR_US, MINUTE_US};

use crate::{Row, StoreError, Tx, Value};

/// The width of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours, UTC.
    Day,
}

impl Width {
    /// In microseconds.
    #[must_use]
    pub fn us(self) -> i64 {
        match self {
            Width::Minute => MINUTE_US,
            Width::Hour => HOUR_US,
            Width::Day => DAY_US,
        }
    }
}

/// What sums can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The project.
    Project,
    /// The person whose key it was; empty for service accounts.
    User,
    /// The key.
    Key,
    /// The model.
    Model,
}

impl Dimension {
    const ALL: [Dimension; 4] = [
        Dimension::Project,
        Dimension::User,
        Dimension::Key,
        Dimension::Model,
    ];

    fn column(self, source: &Source) -> &'static str {
        match self {
            Dimension::Project => "t.project_id",
            Dimension::User if source.knows_users => "t.user_id",
            Dimension::User => "COALESCE(k.user_id, '')",
            Dimension::Key => "t.key_id",
            Dimension::Model => "t.model",
        }
    }
}

/// Which endpoints are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chat, responses and completions.
    Completions,
    /// Embeddings.
    Embeddings,
    /// Everything.
    All,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose usage.
    pub organization: OrganizationId,
    /// The first bucket's start.
    pub from: AtUs,
    /// The end of the last bucket.
    pub to: AtUs,
    /// How wide buckets are.
    pub width: Width,
    /// Which endpoints.
    pub kind: Kind,
    /// Only these values of these dimensions; empty means all.
    pub only: Vec<(Dimension, Vec<String>)>,
    /// What sums are grouped by.
    pub group_by: Vec<Dimension>,
}

impl Question {
    /// Whether the answer depends on this.
    fn is_about(&self, dimension: Dimension) -> bool {
        self.group_by.contains(&dimension) || self.filters(dimension)
    }

    /// Whether only some values of this are wanted.
    fn filters(&self, dimension: Dimension) -> bool {
        self.only.iter().any(|(it, _)| *it == dimension)
    }

    /// The smallest table that knows the answer.
    fn source(&self) -> Source {
        let (table, at, requests) = match self.width {
            Width::Minute => ("usage_records", "t.admitted_at_us", "COUNT(*)"),
            Width::Day if self.is_about(Dimension::Key) => HOURS,
            Width::Day if self.is_about(Dimension::User) => {
                ("usage_user_days", "t.day_at_us", "SUM(t.requests)")
            }
            Width::Day => ("usage_days", "t.day_at_us", "SUM(t.requests)"),
            Width::Hour => HOURS,
        };
        Source {
            table,
            at,
            requests,
            knows_users: table == "usage_user_days",
        }
    }
}

/// A table that reports are read from.
struct Source {
    table: &'static str,
    /// Its column of time.
    at: &'static str,
    /// What counts requests.
    requests: &'static str,
    /// Whether it says whose keys they were.
    knows_users: bool,
}

const HOURS: (&str, &str, &str) = ("usage_hours", "t.hour_at_us", "SUM(t.requests)");

/// Sums of one bucket and group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The bucket's start.
    pub bucket: AtUs,
    /// The group: none for dimensions that were not asked for.
    pub project: Option<String>,
    /// As above.
    pub user: Option<String>,
    /// As above.
    pub key: Option<String>,
    /// As above.
    pub model: Option<String>,
    /// Metered requests.
    pub requests: i64,
    /// Tokens by class: fresh, cached, cache write, output, reasoning, audio in, audio out, image.
    pub tokens: [i64; 8],
    /// Costs by line: input, cached input, output, requests.
    pub costs: [Nusd; 4],
}

/// The columns of every table of sums: requests, tokens by class, cost, its lines, upstream cost.
pub(crate) const SUMS: [&str; 15] = [
    "requests",
    "fresh_input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_tokens",
    "cost_nusd",
    "input_cost_nusd",
    "cached_input_cost_nusd",
    "output_cost_nusd",
    "request_cost_nusd",
    "upstream_cost_nusd",
];

/// The columns of tokens, in the order of their classes.
pub(crate) const TOKENS: [&str; 8] = [
    "fresh_input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_tokens",
];
const COSTS: [&str; 4] = [
    "input_cost_nusd",
    "cached_input_cost_nusd",
    "output_cost_nusd",
    "request_cost_nusd",
];

/// An id tells when its request arrived; it is admitted when its body is there, at most this much
/// later. The order of ids finds a range of records, their admission then decides the bucket, as
/// it does for the roll-up. The minute on the other side is for a clock that was set back.
pub(crate) const ARRIVAL_US: i64 = HOUR_US;

/// The sums, by bucket and group. Buckets and groups without usage are not among them.
///
/// # Errors
/// [`StoreError`].
pub fn sums(tx: &mut Tx<'_>, question: &Question) -> Result<Vec<Sums>, StoreError> {
    let mut params: Vec<Value> = vec![question.organization.as_str().into()];
    let mut bind = |value: Value| {
        params.push(value);
        format!("${}", params.len())
    };
    let source = question.source();
    let at = source.at;
    let width = bind(question.width.us().into());
    let mut conditions = times(question, &source, &mut bind);
    match question.kind {
        Kind::Completions => conditions.push("t.endpoint <> 'embeddings'".into()),
        Kind::Embeddings => conditions.push("t.endpoint = 'embeddings'".into()),
        Kind::All => {}
    }
    for (dimension, values) in &question.only {
        let places: Vec<String> = values
            .iter()
            .map(|value| bind(value.as_str().into()))
            .collect();
        let places = places.join(", ");
        conditions.push(match dimension {
            // Whose keys they are is looked up once, and not for each row.
            Dimension::User if !source.knows_users => format!(
                "t.key_id IN (SELECT id FROM keys
                     WHERE user_id IN ({places}) AND organization_id = $1)"
            ),
            _ => format!("{} IN ({places})", dimension.column(&source)),
        });
    }
    let group = |dimension: Dimension| match question.group_by.contains(&dimension) {
        true => dimension.column(&source),
        false => "''",
    };
    let groups = Dimension::ALL.map(group).join(", ");
    let summed = |column: &&str| format!("CAST(SUM(t.{column}) AS BIGINT)");
    let sums: Vec<String> = TOKENS.iter().chain(&COSTS).map(summed).collect();
    let keys = match question.group_by.contains(&Dimension::User) && !source.knows_users {
        true => "LEFT JOIN keys k ON k.id = t.key_id",
        false => "",
    };
    let sql = format!(
        "SELECT {at} / {width} * {width} AS bucket, {groups}, CAST({requests} AS BIGINT), {sums}
         FROM {table} t {keys}
         WHERE t.organization_id = $1 AND {conditions}
         GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
        requests = source.requests,
        table = source.table,
        sums = sums.join(", "),
        conditions = conditions.join(" AND "),
    );
    tx.query(&sql, &params)?
        .iter()
        .map(|row| from_row(row, question))
        .collect()
}

/// What finds the rows of the question's time.
fn times(
    question: &Question,
    source: &Source,
    bind: &mut dyn FnMut(Value) -> String,
) -> Vec<String> {
    let at = source.at;
    match question.width {
        Width::Minute => {
            let from = RequestId::floor(question.from.plus(-ARRIVAL_US));
            let to = RequestId::floor(question.to.plus(MINUTE_US));
            vec![
                format!("t.id >= {}", bind(from.into())),
                format!("t.id < {}", bind(to.into())),
                format!("t.admitted_at_us >= {}", bind(question.from.0.into())),
                format!("t.admitted_at_us < {}", bind(question.to.0.into())),
            ]
        }
        // Days one by one, so that each is entered at the people that are asked for.
        Width::Day if source.knows_users && question.filters(Dimension::User) => {
            let days = (question.from.0..question.to.0).step_by(DAY_US as usize);
            let days: Vec<String> = days.map(|day| bind(day.into())).collect();
            vec![format!("{at} IN ({})", days.join(", "))]
        }
        Width::Hour | Width::Day => vec![
            format!("{at} >= {}", bind(question.from.0.into())),
            format!("{at} < {}", bind(question.to.0.into())),
        ],
    }
}

fn from_row(row: &Row, question: &Question) -> Result<Sums, StoreError> {
    let mut sums = Sums {
        bucket: AtUs(row.int(0)?),
        requests: row.int(5)?,
        ..Sums::default()
    };
    for (index, dimension) in (1..).zip(Dimension::ALL) {
        if question.group_by.contains(&dimension) {
            let value = Some(row.text(index)?.to_owned());
            match dimension {
                Dimension::Project => sums.project = value,
                Dimension::User => sums.user = value,
                Dimension::Key => sums.key = value,
                Dimension::Model => sums.model = value,
            }
        }
    }
    for (index, tokens) in (6..).zip(&mut sums.tokens) {
        *tokens = row.int(index)?;
    }
    for (index, cost) in (14..).zip(&mut sums.costs) {
        *cost = Nusd::new(row.int(index)?);
    }
    Ok(sums)
}
