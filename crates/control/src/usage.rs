//! `/v1/organization/usage/…`: tokens and requests over time.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::Value;
use store::usage_reports::{self, Dimension, Kind, Question, Sums, Width};
use utoipa::{IntoParams, ToSchema};

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal, answer};

/// Buckets of usage or costs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BucketPage<T> {
    #[schema(example = "page")]
    object: &'static str,
    data: Vec<Bucket<T>>,
    has_more: bool,
    next_page: Option<String>,
}

/// What happened in a stretch of time; empty ones are listed too.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Bucket<T> {
    #[schema(example = "bucket")]
    object: &'static str,
    start_time: i64,
    end_time: i64,
    results: Vec<T>,
}

/// Usage of one group in one bucket. A grouping field is null unless it was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageResult {
    #[schema(example = "organization.usage.completions.result")]
    object: &'static str,
    input_tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<i64>,
    num_model_requests: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_cached_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_uncached_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_cache_write_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_text_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_audio_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_image_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_text_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_audio_tokens: Option<i64>,
    project_id: Option<String>,
    user_id: Option<String>,
    api_key_id: Option<String>,
    model: Option<String>,
    /// Nothing here runs in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    batch: Option<Value>,
    /// Tiers are not told apart: all is `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    service_tier: Option<Value>,
    /// Sources are not told apart: all is `unlabeled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    api_source: Option<Value>,
}

/// Which stretch of time is asked for, and in which pieces.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes; `Asked` reads")]
pub(crate) struct Stretch {
    /// Unix seconds, inclusive.
    #[param(minimum = 0, example = 1_798_761_600)]
    start_time: i64,
    /// Unix seconds, exclusive; now, if absent.
    #[param(minimum = 0)]
    end_time: Option<i64>,
    /// A day, if absent.
    #[param(inline)]
    bucket_width: Option<BucketWidth>,
    /// Buckets in a page: of days 7 if absent, at most 31; of hours 24, at most 168; of minutes 60.
    #[param(minimum = 1, maximum = 1440)]
    limit: Option<i64>,
    /// `next_page` of the page before.
    page: Option<String>,
    /// Fields of a result.
    group_by: Option<Vec<String>>,
}

/// How wide a bucket is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Asked` reads")]
enum BucketWidth {
    #[schema(rename = "1m")]
    Minute,
    #[schema(rename = "1h")]
    Hour,
    #[schema(rename = "1d")]
    Day,
}

/// What alone is to be counted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes; `filters` reads")]
pub(crate) struct Filters {
    /// Only of these projects.
    project_ids: Option<Vec<String>>,
    /// Only by keys of these users.
    user_ids: Option<Vec<String>>,
    /// Only by these keys.
    api_key_ids: Option<Vec<String>>,
    /// Only of these models.
    models: Option<Vec<String>>,
}

/// Usage of chat, responses and completions.
#[utoipa::path(
    get, path = "/v1/organization/usage/completions", tag = "Usage",
    operation_id = "usage_of_completions",
    params(Stretch, Filters),
    responses((status = 200, body = BucketPage<UsageResult>)), security(("admin_key" = []))
)]
pub(crate) async fn completions(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let span = Span {
        kind: Kind::Completions,
        default: None,
        most: None,
    };
    usage(&control, admin, query, span).await
}

/// Usage of embeddings.
#[utoipa::path(
    get, path = "/v1/organization/usage/embeddings", tag = "Usage",
    operation_id = "usage_of_embeddings",
    params(Stretch, Filters),
    responses((status = 200, body = BucketPage<UsageResult>)), security(("admin_key" = []))
)]
pub(crate) async fn embeddings(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let span = Span {
        kind: Kind::Embeddings,
        default: None,
        most: None,
    };
    usage(&control, admin, query, span).await
}

async fn usage(control: &Control, admin: Caller, query: Option<String>, span: Span) -> Response {
    let outcome = async {
        let query = Query::parse(query.as_deref())?;
        let mut fields = vec!["project_id", "user_id", "api_key_id", "model"];
        if span.kind == Kind::Completions {
            fields.extend(["batch", "service_tier", "api_source"]);
        }
        let asked = Asked::read(&query, &span, &fields, control.now())?;
        let question = asked.question(admin.organization, &span);
        // Nothing here runs in batches, so a question about those finds nothing.
        let only_batches = query.one("batch") == Some("true");
        let sums = control.store.read(move |tx| -> Outcome<_> {
            match only_batches {
                true => Ok(Vec::new()),
                false => Ok(usage_reports::sums(tx, &question)?),
            }
        });
        let (kind, group_by) = (span.kind, query.all("group_by"));
        Ok(Json(asked.page(&sums.await?, |sums| {
            vec![result(sums, kind, &group_by)]
        })))
    };
    answer(control, outcome.await)
}

fn result(sums: &Sums, kind: Kind, group_by: &[String]) -> UsageResult {
    let [
        fresh,
        cached,
        cache_write,
        output,
        reasoning,
        audio_in,
        audio_out,
        image,
    ] = sums.tokens;
    let generates = kind == Kind::Completions;
    let only_generating = |tokens| generates.then_some(tokens);
    let grouped = |field: &str, value: Value| {
        let is_asked = group_by.iter().any(|asked| asked == field);
        generates.then(|| if is_asked { value } else { Value::Null })
    };
    UsageResult {
        object: match generates {
            true => "organization.usage.completions.result",
            false => "organization.usage.embeddings.result",
        },
        input_tokens: fresh + cached + cache_write + audio_in + image,
        output_tokens: only_generating(output + reasoning + audio_out),
        num_model_requests: sums.requests,
        input_cached_tokens: only_generating(cached),
        input_uncached_tokens: only_generating(fresh + audio_in + image),
        input_cache_write_tokens: only_generating(cache_write),
        input_text_tokens: only_generating(fresh),
        input_audio_tokens: only_generating(audio_in),
        input_image_tokens: only_generating(image),
        output_text_tokens: only_generating(output + reasoning),
        output_audio_tokens: only_generating(audio_out),
        project_id: sums.project.clone(),
        user_id: sums.user.clone().filter(|user| !user.is_empty()),
        api_key_id: sums.key.clone(),
        model: sums.model.clone(),
        batch: grouped("batch", false.into()),
        service_tier: grouped("service_tier", "default".into()),
        api_source: grouped("api_source", "unlabeled".into()),
    }
}

/// What a report covers, and how many buckets a page of it may have if that is not by width.
pub(crate) struct Span {
    pub(crate) kind: Kind,
    pub(crate) default: Option<i64>,
    pub(crate) most: Option<i64>,
}

/// A report that was asked for, checked.
pub(crate) struct Asked {
    width: Width,
    from: AtUs,
    page_end: AtUs,
    end: AtUs,
    only: Vec<(Dimension, Vec<String>)>,
    group_by: Vec<Dimension>,
}

impl Asked {
    /// Reads the query; `fields` are what it may be grouped by.
    pub(crate) fn read(
        query: &Query,
        span: &Span,
        fields: &[&str],
        now: AtUs,
    ) -> Result<Self, Refusal> {
        let daily_only = span.default.is_some();
        let (width, default, most) = match query.one("bucket_width").unwrap_or("1d") {
            "1d" => (
                Width::Day,
                span.default.unwrap_or(7),
                span.most.unwrap_or(31),
            ),
            "1h" if !daily_only => (Width::Hour, 24, 168),
            "1m" if !daily_only => (Width::Minute, 60, 1_440),
            other => {
                let choices = if daily_only {
                    "'1d'"
                } else {
                    "'1m', '1h' or '1d'"
                };
                let message = format!("Invalid 'bucket_width': '{other}'. Expected {choices}.");
                return Err(invalid("bucket_width", message));
            }
        };
        let limit = query.number("limit", default, 1..=most)?;
        if query.one("start_time").is_none() {
            return Err(Refusal::Missing {
                param: "start_time".into(),
            });
        }
        let most_s = i64::MAX / 2_000_000;
        let start = AtUs::from_seconds(query.number("start_time", 0, 0..=most_s)?);
        let end = query.number("end_time", now.seconds() + 1, 0..=most_s)?;
        let end = AtUs::from_seconds(end).min(AtUs::from_seconds(now.seconds() + 1));
        let from = match query.one("page").filter(|page| !page.is_empty()) {
            None => start.floor(width.us()),
            Some(page) => cursor(page, width)
                .filter(|at| *at >= start.floor(width.us()))
                .ok_or_else(|| {
                    invalid(
                        "page",
                        "Invalid 'page': it is not the next_page of an answer.".into(),
                    )
                })?,
        };
        Ok(Asked {
            width,
            from,
            page_end: from
                .plus(width.us() * limit)
                .min(ceil(end, width))
                .max(from),
            end,
            only: filters(query),
            group_by: grouping(query, fields)?,
        })
    }

    /// The start of the page's first bucket, and the end of its last.
    pub(crate) fn bounds(&self) -> (AtUs, AtUs) {
        (self.from, self.page_end)
    }

    pub(crate) fn question(
        &self,
        organization: domain::id::OrganizationId,
        span: &Span,
    ) -> Question {
        Question {
            organization,
            from: self.from,
            to: self.page_end,
            width: self.width,
            kind: span.kind,
            only: self.only.clone(),
            group_by: self.group_by.clone(),
        }
    }

    /// Every bucket of the page, also those without usage.
    pub(crate) fn page<T>(
        &self,
        sums: &[Sums],
        results: impl Fn(&Sums) -> Vec<T>,
    ) -> BucketPage<T> {
        self.buckets(sums, |sums| sums.bucket, results)
    }

    /// Every bucket of the page, with what comes of `rows`, which are in the order of their times.
    pub(crate) fn buckets<R, T>(
        &self,
        rows: &[R],
        at_of: impl Fn(&R) -> AtUs,
        results: impl Fn(&R) -> Vec<T>,
    ) -> BucketPage<T> {
        let mut data = Vec::new();
        let mut rows = rows.iter().peekable();
        let mut at = self.from;
        while at < self.page_end {
            let next = at.plus(self.width.us());
            let mut bucket = Bucket {
                object: "bucket",
                start_time: at.seconds(),
                end_time: next.seconds(),
                results: Vec::new(),
            };
            while let Some(row) = rows.next_if(|row| at_of(row) < next) {
                bucket.results.extend(results(row));
            }
            data.push(bucket);
            at = next;
        }
        let has_more = self.page_end < self.end;
        let next_page = has_more.then(|| format!("page_{}", self.page_end.seconds()));
        BucketPage {
            object: "page",
            data,
            has_more,
            next_page,
        }
    }
}

fn cursor(page: &str, width: Width) -> Option<AtUs> {
    let at = AtUs::from_seconds(page.strip_prefix("page_")?.parse().ok()?);
    (at.floor(width.us()) == at).then_some(at)
}

fn ceil(at: AtUs, width: Width) -> AtUs {
    at.plus(width.us() - 1).floor(width.us())
}

fn filters(query: &Query) -> Vec<(Dimension, Vec<String>)> {
    [
        (Dimension::Project, "project_ids"),
        (Dimension::User, "user_ids"),
        (Dimension::Key, "api_key_ids"),
        (Dimension::Model, "models"),
    ]
    .into_iter()
    .map(|(dimension, param)| (dimension, query.all(param)))
    .filter(|(_, values)| !values.is_empty())
    .collect()
}

/// What to group by. Fields that are always null here group by nothing.
fn grouping(query: &Query, fields: &[&str]) -> Result<Vec<Dimension>, Refusal> {
    let mut group_by = Vec::new();
    for field in query.all("group_by") {
        if !fields.contains(&field.as_str()) {
            let choices = fields.join(", ");
            let message = format!("Invalid 'group_by': '{field}'. Expected one of {choices}.");
            return Err(invalid("group_by", message));
        }
        group_by.extend(match field.as_str() {
            "project_id" => Some(Dimension::Project),
            "user_id" => Some(Dimension::User),
            "api_key_id" => Some(Dimension::Key),
            "model" | "line_item" => Some(Dimension::Model),
            _ => None,
        });
    }
    Ok(group_by)
}
