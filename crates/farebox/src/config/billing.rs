//! Reads `[billing]`: who sells, as receipts and statements name it.

use domain::document::{Party, Seller};
use http::Uri;

use super::section::{Read, Section};

const MOST_PREFIX: usize = 16;

/// Reads it. A seller without a name is called as the host that people reach this installation by.
pub(super) fn read_billing(section: &Section<'_>, public_url: Option<&str>) -> Read<Seller> {
    let name = section.text("seller_name");
    let address = section.text("seller_address");
    let country = section.parsed("seller_country", parse_country);
    let tax_id = section.text("seller_tax_id");
    let email = section.text("seller_email");
    let prefix = section.parsed("number_prefix", parse_prefix);
    section.finish();
    let name = match name? {
        "" => host(public_url.unwrap_or_default()),
        name => name.to_owned(),
    };
    Ok(Seller {
        party: Party {
            name,
            address: address?.trim().to_owned(),
            country: country?,
            tax_id: tax_id?.to_owned(),
            email: email?.to_owned(),
        },
        prefix: prefix?,
    })
}

fn host(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host);
    host.unwrap_or("Farebox").to_owned()
}

fn parse_country(text: &str) -> Result<String, String> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    match is_code || text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("must be the two capitals of ISO 3166, such as \"DE\"".to_owned()),
    }
}

/// Numbers are parts of addresses and names of files.
fn parse_prefix(text: &str) -> Result<String, String> {
    let is_fit = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_fit && text.len() <= MOST_PREFIX {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "must be at most {MOST_PREFIX} letters, digits and hyphens, such as \"AC-\""
        )),
    }
}
