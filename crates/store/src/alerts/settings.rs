//! Who gets the mails of an organization's alerts.

use std::collections::BTreeMap;

use domain::alert::{AlertKind, MailTo};
use domain::id::OrganizationId;

use crate::{StoreError, Tx, billing_profiles, members};

/// Who gets the mails of each kind.
///
/// # Errors
/// [`StoreError`].
pub fn mails(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<BTreeMap<AlertKind, MailTo>, StoreError> {
    let sql = "SELECT kind, mail_to FROM alert_mails WHERE organization_id = $1";
    let mut mails: BTreeMap<_, _> = AlertKind::ALL.map(|kind| (kind, kind.usual_mail())).into();
    for row in tx.query(sql, &[organization.as_str().into()])? {
        let mail_to = mail_to(row.text(1)?)?;
        if let Some(kind) = AlertKind::from_word(row.text(0)?) {
            mails.insert(kind, mail_to);
        }
    }
    Ok(mails)
}

/// Decides who gets the mails of a kind.
///
/// # Errors
/// [`StoreError`].
pub fn set_mail(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    kind: AlertKind,
    mail_to: MailTo,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO alert_mails (organization_id, kind, mail_to) VALUES ($1, $2, $3)
         ON CONFLICT (organization_id, kind) DO UPDATE SET mail_to = EXCLUDED.mail_to",
        &[
            organization.as_str().into(),
            kind.as_str().into(),
            mail_to.as_str().into(),
        ],
    )
}

/// The addresses that get the mails of a kind. A billing address that nobody set is the owners'.
pub(super) fn people(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    kind: AlertKind,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT mail_to FROM alert_mails WHERE organization_id = $1 AND kind = $2";
    let params = [organization.as_str().into(), kind.as_str().into()];
    let set = tx.query_optional(sql, &params)?;
    let wanted = match set {
        Some(row) => mail_to(row.text(0)?)?,
        None => kind.usual_mail(),
    };
    let billing = match wanted {
        MailTo::Billing | MailTo::OwnersAndBilling => {
            let profile = billing_profiles::get(tx, organization)?;
            profile.map(|it| it.email).filter(|email| !email.is_empty())
        }
        MailTo::Owners | MailTo::Nobody => None,
    };
    let mut people: Vec<String> = match (wanted, &billing) {
        (MailTo::Nobody, _) | (MailTo::Billing, Some(_)) => Vec::new(),
        _ => {
            let owners = members::owners(tx, organization)?.into_iter();
            owners.map(|owner| owner.email).collect()
        }
    };
    people.extend(billing.filter(|email| !people.contains(email)));
    Ok(people)
}

fn mail_to(word: &str) -> Result<MailTo, StoreError> {
    let known = MailTo::from_word(word);
    known.ok_or_else(|| StoreError::Corrupt(format!("mails of alerts go to {word}")))
}
