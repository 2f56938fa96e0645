//! `/api/billing/statements`: what each month came to, to the nano-dollar.
//!
//! A statement is worked out from the books whenever it is asked for. It is final when its month is
//! over and nothing that was admitted in it can be settled any more: from then on it is the same.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::document::Party;
use domain::id::OrganizationId;
use domain::month::Month;
use domain::time::AtUs;
use domain::window::Span;
use serde::Serialize;
use store::statements::{self, Statement};
use store::{StoreError, Tx, billing_profiles};
use utoipa::ToSchema;

use super::statement_csv;
use super::{Form, file, page, pdf_file};
use crate::Control;
use crate::authenticate::Admin;
use crate::pagination::{List, Listed, Page};
use crate::papers::statement::{Issued, paper};
use crate::path::Ids;
use crate::respond::{Refusal, answer};

/// A month in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingStatementSummary {
    /// The month, UTC.
    #[schema(example = "2026-11")]
    id: String,
    #[schema(value_type = String, example = "billing.statement")]
    object: &'static str,
    /// The month's first second.
    #[schema(example = 1_793_491_200)]
    starts_at: i64,
    /// The first second after it.
    #[schema(example = 1_796_083_200)]
    ends_at: i64,
    /// False as long as the month goes on, or a request of it is under way.
    is_final: bool,
    /// What the wallet had when the month began.
    #[schema(example = "12.345678901")]
    opening_usd: String,
    /// What it had when the month ended, or has now.
    #[schema(example = "64.759084333")]
    closing_usd: String,
}

/// What a month came to. `closing_usd` is exactly `opening_usd`, and all `movements`, less
/// `usage_usd`, less `admitted_before_usd`, and `settled_after_usd`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingStatement {
    #[serde(flatten)]
    summary: BillingStatementSummary,
    /// Everything beside usage, by kind and direction.
    movements: Vec<BillingStatementMovement>,
    /// What requests cost that were admitted in the month, by project and model.
    usage: Vec<BillingStatementUsage>,
    /// The sum of it.
    #[schema(example = "2.469135782")]
    usage_usd: String,
    /// Of requests that were admitted before the month, what was settled in it.
    #[schema(example = "0.001004")]
    admitted_before_usd: String,
    /// Of requests that were admitted in the month, what was settled after it.
    #[schema(example = "0.007002003")]
    settled_after_usd: String,
    #[schema(example = "https://ai.example.com/api/billing/statements/2026-11.html")]
    html_url: String,
    #[schema(example = "https://ai.example.com/api/billing/statements/2026-11.pdf")]
    pdf_url: String,
    #[schema(example = "https://ai.example.com/api/billing/statements/2026-11.csv")]
    csv_url: String,
}

/// Movements of one kind and direction.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingStatementMovement {
    /// `purchase`, `refund`, `grant`, `redeemed`, `expiry`, `adjustment`, `dispute` and the like.
    #[schema(example = "purchase")]
    kind: String,
    #[schema(example = 2)]
    count: u64,
    /// What they added; below zero if they took.
    #[schema(example = "50.00")]
    amount_usd: String,
}

/// What a project used of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingStatementUsage {
    #[schema(example = "proj_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    project_id: String,
    /// What the project is called now.
    #[schema(example = "Search")]
    project_name: String,
    #[schema(example = "gpt-4o-mini")]
    model: String,
    #[schema(example = 1234)]
    requests: u64,
    /// Of every class.
    #[schema(example = 5678901)]
    input_tokens: u64,
    /// Of every class.
    #[schema(example = 234567)]
    output_tokens: u64,
    #[schema(example = "1.234567891")]
    amount_usd: String,
}

/// A month of an organization, read.
pub(crate) struct Found {
    month: Month,
    span: Span,
    statement: Statement,
    seller: Party,
    buyer: Party,
    organization: OrganizationId,
    /// The last instant that it covers.
    until: AtUs,
}

impl Found {
    fn summary(&self) -> BillingStatementSummary {
        let statement = &self.statement;
        let ends = (statement.opening.to_usd(), statement.closing.to_usd());
        summary(self.month, self.span, statement.is_final, ends)
    }

    fn shown(&self, public_url: &str) -> BillingStatement {
        let statement = &self.statement;
        let url = |ending: &str| {
            format!(
                "{public_url}/api/billing/statements/{}.{ending}",
                self.month
            )
        };
        let movements = statement
            .movements
            .iter()
            .map(|it| BillingStatementMovement {
                kind: it.code.clone(),
                count: it.count,
                amount_usd: it.amount.to_usd(),
            });
        let usage = statement.usage.iter().map(|it| BillingStatementUsage {
            project_id: it.project.clone(),
            project_name: it.project_name.clone(),
            model: it.model.clone(),
            requests: it.requests,
            input_tokens: it.input_tokens,
            output_tokens: it.output_tokens,
            amount_usd: it.cost.to_usd(),
        });
        BillingStatement {
            summary: self.summary(),
            movements: movements.collect(),
            usage: usage.collect(),
            usage_usd: statement.usage_cost().to_usd(),
            admitted_before_usd: statement.admitted_before.to_usd(),
            settled_after_usd: statement.settled_after.to_usd(),
            html_url: url("html"),
            pdf_url: url("pdf"),
            csv_url: url("csv"),
        }
    }

    pub(crate) fn paper(&self) -> crate::papers::Paper {
        paper(&Issued {
            month: self.month,
            statement: &self.statement,
            seller: &self.seller,
            buyer: &self.buyer,
            organization: self.organization.as_str(),
            until: self.until,
        })
    }
}

fn summary(
    month: Month,
    span: Span,
    is_final: bool,
    (opening_usd, closing_usd): (String, String),
) -> BillingStatementSummary {
    BillingStatementSummary {
        id: month.to_string(),
        object: "billing.statement",
        starts_at: span.start.seconds(),
        ends_at: span.end.seconds(),
        is_final,
        opening_usd,
        closing_usd,
    }
}

impl Listed for BillingStatementSummary {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the months of the organization and what they came to, newest first.
#[utoipa::path(
    get, path = "/api/billing/statements", tag = "Billing",
    operation_id = "list_billing_statements",
    params(Page<12>),
    responses((status = 200, body = List<BillingStatementSummary>)),
    security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: Page<12>,
) -> Response {
    let now = control.now();
    let list = page.list::<BillingStatementSummary, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let months = months(tx, organization, now)?;
        let after = page.cursor(|id| Ok(months.iter().position(|it| it.to_string() == id)))?;
        let shown = months.iter().skip(after.map_or(0, |place| place + 1));
        let limit = usize::try_from(page.rows()).unwrap_or(1);
        let mut found: Vec<BillingStatementSummary> = Vec::new();
        for month in shown.take(limit) {
            let Some(span) = month.span() else {
                continue;
            };
            // Each month but the first begins with what the one before ended with.
            let closing = match found.last() {
                Some(later) => later.opening_usd.clone(),
                None => statements::balance_at(tx, organization, span.end)?.to_usd(),
            };
            let opening = statements::balance_at(tx, organization, span.start)?.to_usd();
            let is_final = statements::is_final(tx, organization, span, now)?;
            found.push(summary(*month, span, is_final, (opening, closing)));
        }
        Ok(found)
    });
    answer(&control, list.await)
}

/// The months that an organization has statements of, newest first.
fn months(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    now: AtUs,
) -> Result<Vec<Month>, StoreError> {
    let since = Month::of(statements::since(tx, organization)?);
    let mut months = Vec::new();
    let mut next = Month::of(now);
    while let Some(month) = next.filter(|month| since.is_some_and(|since| *month >= since)) {
        months.push(month);
        next = month.previous();
    }
    Ok(months)
}

/// Retrieve what a month came to: as JSON, or with the ending `.html`, `.pdf` or `.csv`.
#[utoipa::path(
    get, path = "/api/billing/statements/{month}", tag = "Billing",
    operation_id = "retrieve_billing_statement",
    params(("month" = String, Path, example = "2026-11",
        description = "The month, UTC; with .html, .pdf or .csv after it, it is in that form")),
    responses((status = 200, content(
        (BillingStatement = "application/json"),
        (String = "text/html"),
        (Vec<u8> = "application/pdf"),
        (String = "text/csv"),
    ))),
    security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([name]): Ids<1>,
) -> Response {
    let outcome = async {
        let (month, form) = Form::split(&name);
        let not_found = || Refusal::NotFound {
            what: "statement",
            id: name.clone(),
        };
        let month = Month::parse(month).ok_or_else(not_found)?;
        let now = control.now();
        let read = control
            .store
            .read(move |tx| find(tx, admin.organization, month, now));
        let found = read.await?.ok_or_else(not_found)?;
        match form {
            Form::Json => Ok(Json(found.shown(&control.public_url)).into_response()),
            Form::Html => page(&found.paper()),
            Form::Pdf => pdf_file(found.paper(), &pdf_name(month)).await,
            Form::Csv => {
                let table = statement_csv::table(&found.statement);
                let name = format!("statement-{month}.csv");
                Ok(file(table.into(), super::exports::CSV, Some(&name)))
            }
        }
    };
    answer(&control, outcome.await)
}

/// What a month's file is called.
pub(crate) fn pdf_name(month: Month) -> String {
    format!("statement-{month}.pdf")
}

/// A month of an organization; none if it has not begun, or was over before there was one.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    organization: OrganizationId,
    month: Month,
    now: AtUs,
) -> Result<Option<Found>, StoreError> {
    let Some(span) = month.span() else {
        return Ok(None);
    };
    if !months(tx, &organization, now)?.contains(&month) {
        return Ok(None);
    }
    Ok(Some(Found {
        month,
        span,
        statement: statements::of(tx, &organization, span, now)?,
        seller: billing_profiles::seller(tx)?.party,
        buyer: billing_profiles::party(tx, &organization)?,
        organization,
        until: now.min(span.end.plus(-1)),
    }))
}
