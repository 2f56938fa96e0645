//! What upstreams cost: by our books, by day and model, and by what they say themselves.

use std::collections::BTreeMap;

use domain::money::Nusd;
use domain::time::{AtUs, DAY_US};

use crate::{Row, StoreError, Tx, Value};

/// Days (UTC) of upstreams: from the first one's start to the end of the last.
#[derive(Clone, Debug)]
pub struct Days {
    /// The first day's start.
    pub from: AtUs,
    /// The end of the last day.
    pub to: AtUs,
    /// Only these upstreams; all, if none is named.
    pub upstreams: Vec<String>,
    /// Only these models; all, if none is named.
    pub models: Vec<String>,
}

impl Days {
    /// A day of one upstream.
    #[must_use]
    pub fn one(day: AtUs, upstream: &str) -> Self {
        Days {
            from: day,
            to: day.plus(DAY_US),
            upstreams: vec![upstream.to_owned()],
            models: Vec::new(),
        }
    }
}

/// What sums are grouped by, beside the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// By upstream.
    pub upstream: bool,
    /// By the model as customers call it.
    pub model: bool,
}

/// A day's sums by our books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The day's start, UTC.
    pub day: AtUs,
    /// The upstream, if it was asked for.
    pub upstream: Option<String>,
    /// The model, if it was asked for.
    pub model: Option<String>,
    /// Metered requests.
    pub requests: i64,
    /// Tokens that were read, of every class.
    pub input_tokens: i64,
    /// Tokens that were written.
    pub output_tokens: i64,
    /// What customers were charged.
    pub revenue: Nusd,
    /// What it cost the operator.
    pub cost: Nusd,
}

/// What our books say, by day and group; days without usage are not among them.
///
/// # Errors
/// [`StoreError`].
pub fn sums(tx: &mut Tx<'_>, days: &Days, by: Grouping) -> Result<Vec<Sums>, StoreError> {
    let mut params: Vec<Value> = vec![days.from.0.into(), days.to.0.into()];
    let mut conditions = vec!["day_at_us >= $1 AND day_at_us < $2".to_owned()];
    for (column, values) in [("upstream_id", &days.upstreams), ("model", &days.models)] {
        let places: Vec<String> = values
            .iter()
            .map(|value| {
                params.push(value.as_str().into());
                format!("${}", params.len())
            })
            .collect();
        if !places.is_empty() {
            conditions.push(format!("{column} IN ({})", places.join(", ")));
        }
    }
    let group = |asked, column| if asked { column } else { "''" };
    let sql = format!(
        "SELECT day_at_us, {upstream} AS upstream, {model} AS of_model,
             CAST(SUM(requests) AS BIGINT),
             CAST(SUM(fresh_input_tokens + cached_input_tokens + cache_write_tokens
                 + audio_input_tokens + image_tokens) AS BIGINT),
             CAST(SUM(output_tokens + audio_output_tokens) AS BIGINT),
             CAST(SUM(cost_nusd) AS BIGINT), CAST(SUM(upstream_cost_nusd) AS BIGINT)
         FROM upstream_days WHERE {conditions}
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        upstream = group(by.upstream, "upstream_id"),
        model = group(by.model, "model"),
        conditions = conditions.join(" AND "),
    );
    let read = |row: &Row| {
        let text = |asked: bool, index| {
            asked
                .then(|| row.text(index).map(ToOwned::to_owned))
                .transpose()
        };
        Ok(Sums {
            day: AtUs(row.int(0)?),
            upstream: text(by.upstream, 1)?,
            model: text(by.model, 2)?,
            requests: row.int(3)?,
            input_tokens: row.int(4)?,
            output_tokens: row.int(5)?,
            revenue: Nusd::new(row.int(6)?),
            cost: Nusd::new(row.int(7)?),
        })
    };
    tx.query(&sql, &params)?.iter().map(read).collect()
}

/// What an upstream says of some days: the cost of each line item of each day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// By the day's start, UTC; a day on which nothing was used has no lines.
    pub days: BTreeMap<AtUs, BTreeMap<String, Nusd>>,
}

/// Keeps what an upstream says, in place of what it said of the same days before; false if it says
/// the same again.
///
/// # Errors
/// [`StoreError`].
pub fn import(tx: &mut Tx<'_>, upstream: &str, bill: &Bill, now: AtUs) -> Result<bool, StoreError> {
    let mut is_new = false;
    for (day, lines) in &bill.days {
        if told_of(tx, upstream, *day)?.as_ref() == Some(lines) {
            continue;
        }
        is_new = true;
        let sql = "DELETE FROM upstream_costs WHERE upstream_id = $1 AND day_at_us = $2";
        tx.execute(sql, &[upstream.into(), day.0.into()])?;
        // A day of which it was said that it cost nothing was told of, too.
        let none = BTreeMap::from([(String::new(), Nusd::ZERO)]);
        let lines = if lines.is_empty() { &none } else { lines };
        for (line, amount) in lines {
            tx.execute_one(
                "INSERT INTO upstream_costs (upstream_id, day_at_us, line_item, amount_nusd,
                                             told_at_us)
                 VALUES ($1, $2, $3, $4, $5)",
                &[
                    upstream.into(),
                    day.0.into(),
                    line.as_str().into(),
                    amount.get().into(),
                    now.0.into(),
                ],
            )?;
        }
    }
    Ok(is_new)
}

fn told_of(
    tx: &mut Tx<'_>,
    upstream: &str,
    day: AtUs,
) -> Result<Option<BTreeMap<String, Nusd>>, StoreError> {
    let sql = "SELECT line_item, amount_nusd FROM upstream_costs
               WHERE upstream_id = $1 AND day_at_us = $2";
    let rows = tx.query(sql, &[upstream.into(), day.0.into()])?;
    let lines = rows
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), Nusd::new(row.int(1)?))));
    let mut lines = lines.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    let was_told = !lines.is_empty();
    lines.retain(|line, amount| !(line.is_empty() && *amount == Nusd::ZERO));
    Ok(was_told.then_some(lines))
}

/// What upstreams said: by day and upstream, each line item.
pub type Told = BTreeMap<(AtUs, String), BTreeMap<String, Nusd>>;

/// What upstreams said of some days.
///
/// # Errors
/// [`StoreError`].
pub fn told(tx: &mut Tx<'_>, days: &Days) -> Result<Told, StoreError> {
    let sql = "SELECT day_at_us, upstream_id, line_item, amount_nusd FROM upstream_costs
               WHERE day_at_us >= $1 AND day_at_us < $2";
    let mut told = Told::new();
    for row in tx.query(sql, &[days.from.0.into(), days.to.0.into()])? {
        let upstream = row.text(1)?.to_owned();
        if days.upstreams.is_empty() || days.upstreams.contains(&upstream) {
            let lines = told.entry((AtUs(row.int(0)?), upstream)).or_default();
            lines.insert(row.text(2)?.to_owned(), Nusd::new(row.int(3)?));
        }
    }
    Ok(told)
}

/// What each upstream said of the latest day that is over, beside our books.
///
/// # Errors
/// [`StoreError`].
pub fn latest(tx: &mut Tx<'_>, now: AtUs) -> Result<Vec<(String, Drift)>, StoreError> {
    let sql = "SELECT upstream_id, MAX(day_at_us) FROM upstream_costs WHERE day_at_us <= $1
               GROUP BY upstream_id ORDER BY upstream_id";
    let rows = tx.query(sql, &[now.plus(-DAY_US).0.into()])?;
    let drift = |row: &Row| {
        let (upstream, day) = (row.text(0)?.to_owned(), AtUs(row.int(1)?));
        let days = Days::one(day, &upstream);
        let told = told(tx, &days)?;
        let lines = told.values().flat_map(BTreeMap::values);
        let drift = Drift {
            day,
            ours: ours(tx, &days)?,
            theirs: lines.copied().sum(),
        };
        Ok((upstream, drift))
    };
    rows.iter().map(drift).collect()
}

/// What some days cost by our books.
///
/// # Errors
/// [`StoreError`].
pub fn ours(tx: &mut Tx<'_>, days: &Days) -> Result<Nusd, StoreError> {
    let sums = sums(tx, days, Grouping::default())?;
    Ok(sums.iter().map(|it| it.cost).sum())
}

/// A day on which an upstream's word and our books differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The day's start, UTC.
    pub day: AtUs,
    /// What it cost by our books.
    pub ours: Nusd,
    /// What the upstream says.
    pub theirs: Nusd,
}

/// What is let pass between an upstream's word and our books: the larger of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Of our cost, in per cent.
    pub percent: u32,
    /// A day's difference.
    pub amount: Nusd,
}

impl Tolerance {
    /// A twentieth, and a dollar where that is more.
    pub const USUAL: Tolerance = Tolerance {
        percent: 5,
        amount: Nusd::new(1_000_000_000),
    };

    /// Whether so much of a difference is let pass.
    #[must_use]
    pub fn allows(self, ours: Nusd, theirs: Nusd) -> bool {
        let difference = i128::from(theirs.get()) - i128::from(ours.get());
        let share = i128::from(ours.get()) * i128::from(self.percent) / 100;
        difference.abs() <= share.max(self.amount.get().into())
    }
}

/// The days of a bill that are over, and differ from our books by more than is let pass, and were
/// not told of before: now they were.
///
/// # Errors
/// [`StoreError`].
pub fn alarm(
    tx: &mut Tx<'_>,
    upstream: &str,
    bill: &Bill,
    tolerance: Tolerance,
    now: AtUs,
) -> Result<Vec<Drift>, StoreError> {
    let mut drifts = Vec::new();
    for (day, lines) in &bill.days {
        let days = Days::one(*day, upstream);
        if days.to > now {
            continue;
        }
        let ours = ours(tx, &days)?;
        let theirs = lines.values().copied().sum();
        if tolerance.allows(ours, theirs) {
            continue;
        }
        let told = tx.execute(
            "INSERT INTO upstream_drifts (upstream_id, day_at_us, ours_nusd, theirs_nusd, told_at_us)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (upstream_id, day_at_us) DO NOTHING",
            &[
                upstream.into(),
                day.0.into(),
                ours.get().into(),
                theirs.get().into(),
                now.0.into(),
            ],
        )?;
        if told == 1 {
            drifts.push(Drift {
                day: *day,
                ours,
                theirs,
            });
        }
    }
    Ok(drifts)
}
