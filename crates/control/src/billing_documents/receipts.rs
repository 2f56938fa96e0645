//! `/api/billing/receipts`: the papers of an organization's purchases and refunds, as they were
//! issued.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::page::Page as Rows;
use store::receipts::{self, Document};
use utoipa::ToSchema;

use super::{BillingParty, Form, page, pdf_file};
use crate::Control;
use crate::authenticate::Admin;
use crate::pagination::{List, Listed, Page};
use crate::papers::receipt::paper;
use crate::path::Ids;
use crate::payments::api::list::BillingCard;
use crate::respond::{Outcome, Refusal, answer};

/// The paper of a purchase or a refund. What it says never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingReceipt {
    /// Its number.
    #[schema(example = "2026-000017")]
    id: String,
    #[schema(value_type = String, example = "billing.receipt")]
    object: &'static str,
    /// `receipt` of a purchase, `credit_note` of a refund.
    #[schema(example = "receipt")]
    kind: &'static str,
    /// The number of the receipt that a credit note is about; null for receipts.
    #[schema(example = json!(null))]
    of_receipt: Option<String>,
    /// The purchase's id in the books.
    #[schema(example = "payment:pay_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    purchase_id: String,
    #[schema(example = 1_798_761_600)]
    created_at: i64,
    #[schema(example = "usd")]
    currency: &'static str,
    lines: Vec<BillingReceiptLine>,
    /// Without tax.
    #[schema(example = "25.00")]
    amount_usd: String,
    /// The tax's rate.
    #[schema(example = "19")]
    tax_percent: String,
    #[schema(example = "4.75")]
    tax_usd: String,
    /// What was paid, or paid back.
    #[schema(example = "29.75")]
    total_usd: String,
    /// What was paid with; null if it was no card.
    paid_with: Option<BillingCard>,
    /// Why a purchase was paid back; null for receipts.
    #[schema(example = json!(null))]
    reason: Option<String>,
    seller: BillingParty,
    buyer: BillingParty,
    /// The paper as a page.
    #[schema(example = "https://ai.example.com/api/billing/receipts/2026-000017.html")]
    html_url: String,
    /// The paper as a file.
    #[schema(example = "https://ai.example.com/api/billing/receipts/2026-000017.pdf")]
    pdf_url: String,
}

/// What was sold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingReceiptLine {
    #[schema(example = "Prepaid credit")]
    description: String,
    /// Without tax.
    #[schema(example = "25.00")]
    amount_usd: String,
}

/// A paper, and where this installation is.
type Shown = (Document, std::sync::Arc<str>);

impl From<Shown> for BillingReceipt {
    fn from((document, public_url): Shown) -> Self {
        let total = document.total().to_usd();
        let url = |ending: &str| {
            format!(
                "{public_url}/api/billing/receipts/{}.{ending}",
                document.number
            )
        };
        let (html_url, pdf_url) = (url("html"), url("pdf"));
        let content = document.content;
        let lines = content.lines.into_iter().map(|line| BillingReceiptLine {
            description: line.description,
            amount_usd: line.amount.to_usd(),
        });
        BillingReceipt {
            object: "billing.receipt",
            kind: document.kind.as_str(),
            id: document.number,
            of_receipt: document.of_receipt,
            purchase_id: document.purchase,
            created_at: document.issued_at.seconds(),
            currency: "usd",
            lines: lines.collect(),
            amount_usd: document.amount.to_usd(),
            tax_percent: content.tax_percent,
            tax_usd: document.tax.to_usd(),
            total_usd: total,
            paid_with: content.paid_with.map(|card| BillingCard {
                brand: card.brand,
                last4: card.last4,
            }),
            reason: content.reason,
            seller: content.seller.into(),
            buyer: content.buyer.into(),
            html_url,
            pdf_url,
        }
    }
}

impl Listed for BillingReceipt {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the receipts and credit notes of the organization, newest first.
#[utoipa::path(
    get, path = "/api/billing/receipts", tag = "Billing", operation_id = "list_billing_receipts",
    params(Page),
    responses((status = 200, body = List<BillingReceipt>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: Page,
) -> Response {
    let public_url = control.public_url.clone();
    let list = page.list::<BillingReceipt, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let after = page.cursor(|number| {
            let found = receipts::get(tx, organization, number)?;
            Ok(found.map(|it| (it.issued_at, it.number)))
        })?;
        let rows = Rows {
            after,
            is_descending: true,
            limit: page.rows(),
        };
        let found = receipts::list(tx, organization, &rows)?.into_iter();
        Ok(found.map(|it| (it, public_url.clone())).collect())
    });
    answer(&control, list.await)
}

/// Retrieve a receipt or credit note: as JSON, or with the ending `.html` or `.pdf` to its number.
#[utoipa::path(
    get, path = "/api/billing/receipts/{number}", tag = "Billing",
    operation_id = "retrieve_billing_receipt",
    params(("number" = String, Path, example = "2026-000017",
        description = "The number; with .html or .pdf after it, the paper in that form")),
    responses((status = 200, content(
        (BillingReceipt = "application/json"),
        (String = "text/html"),
        (Vec<u8> = "application/pdf"),
    ))),
    security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([name]): Ids<1>,
) -> Response {
    let outcome = async {
        let (number, form) = Form::split(&name);
        let not_found = || Refusal::NotFound {
            what: "receipt",
            id: name.clone(),
        };
        if form == Form::Csv {
            return Err(not_found());
        }
        let wanted = number.to_owned();
        let read = control
            .store
            .read(move |tx| -> Outcome<_> { Ok(receipts::get(tx, &admin.organization, &wanted)?) });
        let document = read.await?.ok_or_else(not_found)?;
        match form {
            Form::Html => page(&paper(&document)),
            Form::Pdf => pdf_file(paper(&document), &format!("{number}.pdf")).await,
            _ => {
                let shown = BillingReceipt::from((document, control.public_url.clone()));
                Ok(Json(shown).into_response())
            }
        }
    };
    answer(&control, outcome.await)
}
