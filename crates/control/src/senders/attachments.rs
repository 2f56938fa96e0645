//! What goes with a mail: the paper that it is about, as a file.
//!
//! A paper is laid out when its mail is sent, from what the database says of it: a receipt never
//! changes, and a statement is told of once it is final. So it is what people download themselves.

use domain::id::OrganizationId;
use domain::month::Month;
use domain::time::AtUs;
use store::jobs::Claimed;
use store::outbox::Attachment;
use store::{Store, StoreError, Tx, receipts};

use super::failure::Failure;
use crate::billing_documents::statements;
use crate::papers::pdf::pdf;
use crate::papers::{Paper, receipt};

/// The files of a message; most have none.
pub(super) async fn of(
    store: &Store,
    job: &Claimed,
    now: AtUs,
) -> Result<Vec<Attachment>, Failure> {
    let fact = |name: &str| job.facts.get(name).cloned().unwrap_or_default();
    let organization = OrganizationId::new(&fact("organization_id"));
    let paper = match job.template.as_str() {
        "receipt" => {
            let number = fact("number");
            let read = move |tx: &mut Tx<'_>| receipt_of(tx, &organization, &number);
            store.read(read).await
        }
        "statement_ready" => {
            let month = Month::parse(&fact("month"));
            let read = move |tx: &mut Tx<'_>| statement_of(tx, organization, month, now);
            store.read(read).await
        }
        _ => return Ok(Vec::new()),
    };
    let paper = paper.map_err(|error| Failure::passing(error.to_string()))?;
    let Some((name, paper)) = paper else {
        let (job, template) = (&job.id, &job.template);
        tracing::error!(%job, template, "there is no paper to attach: the mail goes without");
        return Ok(Vec::new());
    };
    // To set it takes milliseconds, away from what waits for nothing.
    let set = tokio::task::spawn_blocking(move || pdf(&paper)).await;
    let content = set
        .map_err(|error| Failure::passing(error.to_string()))?
        .map_err(|error| Failure::lasting(error.to_string()))?;
    Ok(vec![Attachment {
        name,
        media_type: "application/pdf".into(),
        content: content.into(),
    }])
}

/// The name of a file, and what is in it.
type Found = Option<(String, Paper)>;

fn receipt_of(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    number: &str,
) -> Result<Found, StoreError> {
    let document = receipts::get(tx, organization, number)?;
    Ok(document.map(|it| (format!("{number}.pdf"), receipt::paper(&it))))
}

fn statement_of(
    tx: &mut Tx<'_>,
    organization: OrganizationId,
    month: Option<Month>,
    now: AtUs,
) -> Result<Found, StoreError> {
    let Some(month) = month else {
        return Ok(None);
    };
    let found = statements::find(tx, organization, month, now)?;
    Ok(found.map(|it| (statements::pdf_name(month), it.paper())))
}
