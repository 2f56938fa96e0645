//! Papers about money, as organizations get them: who they are for, receipts and credit notes,
//! monthly statements, and exports of everything that moved.
//!
//! A paper is at one address in several forms: as JSON, and with an ending as a page or a file.

mod csv;
mod exports;
mod profile;
pub(crate) mod ready;
mod receipts;
mod statement_csv;
pub(crate) mod statements;

use axum::body::Body;
use axum::response::Response;
use domain::document::Party;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;
use crate::papers::Paper;
use crate::papers::html::html;
use crate::papers::pdf::pdf;
use crate::respond::Outcome;

/// The routes of papers.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(profile::retrieve, profile::update))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::retrieve))
        .routes(routes!(statements::list))
        .routes(routes!(statements::retrieve))
        .routes(routes!(exports::movements))
        .routes(routes!(exports::usage))
}

/// One side of a sale.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingParty {
    #[schema(example = "Acme GmbH")]
    name: String,
    /// Its lines, with line feeds between them, without the country.
    #[schema(example = "Hafenstraße 12\n20459 Hamburg")]
    address: String,
    /// Two capitals, as in ISO 3166; empty if not known.
    #[schema(example = "DE")]
    country: String,
    /// Such as a VAT number.
    #[schema(example = "DE123456789")]
    tax_id: String,
    #[schema(example = "books@acme.example")]
    email: String,
}

impl From<Party> for BillingParty {
    fn from(party: Party) -> Self {
        BillingParty {
            name: party.name,
            address: party.address,
            country: party.country,
            tax_id: party.tax_id,
            email: party.email,
        }
    }
}

/// In which form a paper is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Pdf,
    Csv,
}

impl Form {
    /// The name of a paper and the form, from the end of its address.
    fn split(name: &str) -> (&str, Form) {
        let forms = [
            (".html", Form::Html),
            (".pdf", Form::Pdf),
            (".csv", Form::Csv),
        ];
        let ending = |(end, form): &(&str, Form)| Some((name.strip_suffix(end)?, *form));
        forms.iter().find_map(ending).unwrap_or((name, Form::Json))
    }
}

/// A paper as a page. It needs nothing else, and is allowed nothing else.
fn page(paper: &Paper) -> Outcome<Response> {
    let page = html(paper).map_err(|error| StoreError::Failed(error.to_string()))?;
    let mut response = file(page.into(), "text/html; charset=utf-8", None);
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    );
    Ok(response)
}

/// A paper as a file of this name. To set it takes milliseconds, away from what waits for nothing.
async fn pdf_file(paper: Paper, name: &str) -> Outcome<Response> {
    let set = tokio::task::spawn_blocking(move || pdf(&paper)).await;
    let bytes = set
        .map_err(|error| StoreError::Failed(error.to_string()))?
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(file(bytes.into(), "application/pdf", Some(name)))
}

/// An answer that is no JSON; with a name, one to be kept under it.
pub(crate) fn file(body: Body, kind: &str, name: Option<&str>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let disposition = name.map(|name| format!("attachment; filename=\"{name}\""));
    let disposition = disposition.and_then(|it| HeaderValue::from_str(&it).ok());
    if let Some(disposition) = disposition {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    response
}
