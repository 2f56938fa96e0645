//! Webhook endpoints: addresses of an organization that are told of its alerts.
//!
//! What an endpoint's events are signed with must be read again, so it is sealed before it comes
//! here ([`domain::sealed`]); of a chat's endpoint the address itself is the secret.

mod deliveries;

use bytes::Bytes;
use domain::alert::AlertKind;
use domain::id::{OrganizationId, WebhookEndpointId};
use domain::time::AtUs;
use domain::webhook::{Form, Off};

use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value};

pub use deliveries::{
    Attempt, Delivery, End, Order, State, attempts, deliveries, delivery, delivery_place, forget,
    order, record, replay, send_test, skip,
};
pub(crate) use deliveries::{Raised, tell};

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id, which is also the place that its secrets are sealed for.
    pub id: WebhookEndpointId,
    /// What is sent to it.
    pub form: Form,
    /// Its address as it may be shown.
    pub url: String,
    /// What it is told of; everything if none.
    pub kinds: Option<Vec<AlertKind>>,
    /// What its owner says of it.
    pub description: String,
    /// Sealed: what events are signed with, or the address of a chat's endpoint.
    pub secret: Bytes,
    /// Sealed: the secret before it, and until when that signs, too.
    pub earlier: Option<(Bytes, AtUs)>,
    /// Why it is switched off, and since when.
    pub off: Option<(Off, AtUs)>,
    /// Since when it took nothing.
    pub failing_since: Option<AtUs>,
    /// When it was made.
    pub created_at: AtUs,
}

const COLUMNS: &str = "SELECT id, form, url, kinds, description, secret, earlier_secret,
        earlier_ends_at_us, off, off_at_us, failing_since_us, created_at_us FROM webhook_endpoints";

/// Makes an endpoint.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    endpoint: &Endpoint,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO webhook_endpoints (id, organization_id, form, url, kinds, description, secret,
                                        created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            endpoint.id.as_str().into(),
            organization.as_str().into(),
            endpoint.form.as_str().into(),
            endpoint.url.as_str().into(),
            endpoint.kinds.as_deref().map(words).into(),
            endpoint.description.as_str().into(),
            Value::Bytes(endpoint.secret.clone()),
            endpoint.created_at.0.into(),
        ],
    )
}

/// Changes everything of an endpoint but what it is.
///
/// # Errors
/// [`StoreError`].
pub fn change(tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<(), StoreError> {
    let (earlier, ends_at) = endpoint.earlier.clone().unzip();
    let (off, off_at) = endpoint.off.unzip();
    tx.execute_one(
        "UPDATE webhook_endpoints SET url = $2, kinds = $3, description = $4, secret = $5,
                earlier_secret = $6, earlier_ends_at_us = $7, off = $8, off_at_us = $9,
                failing_since_us = $10
         WHERE id = $1",
        &[
            endpoint.id.as_str().into(),
            endpoint.url.as_str().into(),
            endpoint.kinds.as_deref().map(words).into(),
            endpoint.description.as_str().into(),
            Value::Bytes(endpoint.secret.clone()),
            earlier.map_or(Value::Null, Value::Bytes),
            ends_at.map(|at| at.0).into(),
            off.map(Off::as_str).into(),
            off_at.map(|at| at.0).into(),
            endpoint.failing_since.map(|at| at.0).into(),
        ],
    )
}

/// Removes an endpoint with what was sent to it.
///
/// # Errors
/// [`StoreError`].
pub fn delete(tx: &mut Tx<'_>, id: &WebhookEndpointId) -> Result<(), StoreError> {
    let params = [id.as_str().into()];
    tx.execute(
        "DELETE FROM webhook_attempts WHERE delivery_id IN (
             SELECT id FROM webhook_deliveries WHERE endpoint_id = $1)",
        &params,
    )?;
    tx.execute(
        "DELETE FROM webhook_deliveries WHERE endpoint_id = $1",
        &params,
    )?;
    tx.execute_one("DELETE FROM webhook_endpoints WHERE id = $1", &params)
}

/// One endpoint of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &WebhookEndpointId,
) -> Result<Option<Endpoint>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 AND id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Every endpoint of an organization, oldest first. There are few.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Vec<Endpoint>, StoreError> {
    let sql = format!("{COLUMNS} WHERE organization_id = $1 ORDER BY created_at_us, id");
    let rows = tx.query(&sql, &[organization.as_str().into()])?;
    rows.iter().map(from_row).collect()
}

/// A page of an organization's endpoints.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Endpoint>, StoreError> {
    Ok(page.of(of(tx, organization)?, |it| {
        (it.created_at, it.id.to_string())
    }))
}

/// The place of an endpoint in the list.
///
/// # Errors
/// [`StoreError`].
pub fn place(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Place>, StoreError> {
    let endpoint = get(tx, organization, &WebhookEndpointId::new(id))?;
    Ok(endpoint.map(|it| (it.created_at, it.id.to_string())))
}

/// How many endpoints have secrets that another key than this one sealed.
///
/// # Errors
/// [`StoreError`].
pub fn sealed_by_others(tx: &mut Tx<'_>, head: &[u8]) -> Result<u64, StoreError> {
    let length = i64::try_from(head.len()).unwrap_or(i64::MAX);
    let sql = "SELECT COUNT(*) FROM webhook_endpoints WHERE SUBSTR(secret, 1, $1) <> $2";
    let params = [length.into(), Value::Bytes(Bytes::copy_from_slice(head))];
    tx.query_one(sql, &params)?.count(0)
}

fn words(kinds: &[AlertKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    words.join(",")
}

fn from_row(row: &Row) -> Result<Endpoint, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("a webhook endpoint's {what}"));
    let kinds = row.opt_text(3)?.map(|words| {
        let words = words.split(',').filter(|word| !word.is_empty());
        let kinds: Option<Vec<AlertKind>> = words.map(AlertKind::from_word).collect();
        kinds.ok_or_else(|| corrupt("kinds"))
    });
    let off = row.opt_text(8)?.map(|word| {
        let off = Off::from_word(word).ok_or_else(|| corrupt("end"))?;
        Ok::<_, StoreError>((off, AtUs(row.int(9)?)))
    });
    let earlier = match row.opt_int(7)? {
        Some(ends_at) => Some((row.bytes(6)?.clone(), AtUs(ends_at))),
        None => None,
    };
    Ok(Endpoint {
        id: WebhookEndpointId::new(row.text(0)?),
        form: Form::from_word(row.text(1)?).ok_or_else(|| corrupt("form"))?,
        url: row.text(2)?.to_owned(),
        kinds: kinds.transpose()?,
        description: row.text(4)?.to_owned(),
        secret: row.bytes(5)?.clone(),
        earlier,
        off: off.transpose()?,
        failing_since: row.opt_int(10)?.map(AtUs),
        created_at: AtUs(row.int(11)?),
    })
}
