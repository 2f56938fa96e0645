//! `/api/billing/profile`: how an organization wants to be named on papers about money.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::document::Party;
use domain::people::email::Email;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::billing_profiles;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::respond::{Outcome, answer};

/// How an organization is named on papers that are issued from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingProfile {
    #[schema(value_type = String, example = "billing.profile")]
    object: &'static str,
    /// The organization's own name, if it set none here.
    #[schema(example = "Acme GmbH")]
    name: String,
    /// Its lines, with line feeds between them, without the country.
    #[schema(example = "Hafenstraße 12\n20459 Hamburg")]
    address: String,
    /// Two capitals, as in ISO 3166; empty if it was not said.
    #[schema(example = "DE")]
    country: String,
    /// Such as a VAT number.
    #[schema(example = "DE123456789")]
    tax_id: String,
    #[schema(example = "books@acme.example")]
    email: String,
}

/// What is to be changed: the rest stays. An empty text takes away what is there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct BillingProfileChanges {
    /// One line.
    #[schema(example = "Acme GmbH", max_length = 256)]
    name: Option<String>,
    /// At most six lines, with line feeds between them, without the country.
    #[schema(example = "Hafenstraße 12\n20459 Hamburg", max_length = 500)]
    address: Option<String>,
    /// Two capitals, as in ISO 3166.
    #[schema(example = "DE", pattern = "^([A-Z]{2})?$")]
    country: Option<String>,
    /// Such as a VAT number.
    #[schema(example = "DE123456789", max_length = 64)]
    tax_id: Option<String>,
    #[schema(example = "books@acme.example", max_length = 254)]
    email: Option<String>,
}

const MOST_NAME: usize = 256;
const MOST_ADDRESS: usize = 500;
const MOST_ADDRESS_LINES: usize = 6;
const MOST_TAX_ID: usize = 64;

impl From<Party> for BillingProfile {
    fn from(party: Party) -> Self {
        BillingProfile {
            object: "billing.profile",
            name: party.name,
            address: party.address,
            country: party.country,
            tax_id: party.tax_id,
            email: party.email,
        }
    }
}

/// Retrieve how the organization is named on receipts and statements.
#[utoipa::path(
    get, path = "/api/billing/profile", tag = "Billing", operation_id = "retrieve_billing_profile",
    responses((status = 200, body = BillingProfile)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let read = control
        .store
        .read(move |tx| -> Outcome<_> { Ok(billing_profiles::party(tx, &admin.organization)?) });
    answer(&control, read.await.map(BillingProfile::from).map(Json))
}

/// Change how the organization is named on papers that are issued from now on.
#[utoipa::path(
    post, path = "/api/billing/profile", tag = "Billing", operation_id = "update_billing_profile",
    request_body = BillingProfileChanges,
    responses((status = 200, body = BillingProfile)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = Changes::read(&fields)?;
        let change = control.change(admin, move |tx, organization, now| {
            let mut profile = billing_profiles::get(tx, organization)?.unwrap_or_default();
            changes.apply(&mut profile);
            billing_profiles::set(tx, organization, &profile, now)?;
            let event = Event::new(Kind::BillingProfileUpdated, organization.as_str());
            let event = event.changes(json!({
                "name": profile.name, "address": profile.address, "country": profile.country,
                "tax_id": profile.tax_id, "email": profile.email,
            }));
            let shown = billing_profiles::party(tx, organization)?;
            Ok(Done::new(event, BillingProfile::from(shown)))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// What was asked for; none stays as it is.
struct Changes {
    name: Option<String>,
    address: Option<String>,
    country: Option<String>,
    tax_id: Option<String>,
    email: Option<String>,
}

impl Changes {
    fn read(fields: &Fields) -> Outcome<Self> {
        Ok(Changes {
            name: line(fields, "name", MOST_NAME)?,
            address: address(fields)?,
            country: country(fields)?,
            tax_id: line(fields, "tax_id", MOST_TAX_ID)?,
            email: email(fields)?,
        })
    }

    fn apply(self, profile: &mut Party) {
        for (new, old) in [
            (self.name, &mut profile.name),
            (self.address, &mut profile.address),
            (self.country, &mut profile.country),
            (self.tax_id, &mut profile.tax_id),
            (self.email, &mut profile.email),
        ] {
            if let Some(new) = new {
                *old = new;
            }
        }
    }
}

/// One line, or nothing.
fn line(fields: &Fields, param: &str, most: usize) -> Outcome<Option<String>> {
    let Some(text) = fields.text(param)?.map(str::trim) else {
        return Ok(None);
    };
    if text.chars().count() > most {
        return Err(fields.invalid(param, &format!("at most {most} characters are allowed")));
    }
    if text.chars().any(char::is_control) {
        return Err(fields.invalid(param, "it must be one line of plain text"));
    }
    Ok(Some(text.to_owned()))
}

fn address(fields: &Fields) -> Outcome<Option<String>> {
    let Some(text) = fields.text("address")?.map(str::trim) else {
        return Ok(None);
    };
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let problem = if text.chars().count() > MOST_ADDRESS {
        "at most 500 characters are allowed"
    } else if lines.len() > MOST_ADDRESS_LINES {
        "at most six lines are allowed"
    } else if lines.iter().any(|line| line.chars().any(char::is_control)) {
        "it must be lines of plain text"
    } else {
        return Ok(Some(lines.join("\n")));
    };
    Err(fields.invalid("address", problem))
}

fn country(fields: &Fields) -> Outcome<Option<String>> {
    let Some(code) = fields.text("country")? else {
        return Ok(None);
    };
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_code && !code.is_empty() {
        let problem = "write the two capitals of ISO 3166, such as \"DE\"";
        return Err(fields.invalid("country", problem));
    }
    Ok(Some(code.to_owned()))
}

fn email(fields: &Fields) -> Outcome<Option<String>> {
    match fields.text("email")? {
        Some("") => Ok(Some(String::new())),
        _ => Ok(fields.email("email")?.map(|it: Email| it.to_string())),
    }
}
