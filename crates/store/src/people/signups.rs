//! Sign-ups: accounts in the making. Whoever holds the secret of one goes on with it; a user comes
//! of it when what was asked for is proved.

use domain::Entropy;
use domain::id::{InviteId, OrganizationId, UserId};
use domain::money::Nusd;
use domain::people::email::Email;
use domain::people::password::PasswordHash;
use domain::people::phone::Phone;
use domain::people::secret::BearerDigest;
use domain::time::{AtUs, HOUR_US};

use super::trials::{self, Trial};
use super::users::{self, NewUser};
use crate::audit::{Actor, Who};
use crate::invites::{self, AcceptError, Answering, Which};
use crate::{Row, StoreError, Tx, changes, organizations};

/// A sign-up that is not finished by then is over.
pub const LIFETIME_US: i64 = HOUR_US;

/// A sign-up.
#[derive(Clone, Debug)]
pub struct Signup {
    /// The address that somebody says is theirs.
    pub email: Email,
    /// What they are called.
    pub name: String,
    /// What their organization will be called.
    pub organization: String,
    /// The hash of their password.
    pub password: PasswordHash,
    /// An invite to their address: they join its organization, and get none of their own.
    pub invite: Option<InviteId>,
    /// When they proved that the address is theirs.
    pub email_verified_at: Option<AtUs>,
    /// When it was begun.
    pub begun_at: AtUs,
}

/// What came of a sign-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// The user.
    pub user: UserId,
    /// The organization that is theirs, or that invited them.
    pub organization: OrganizationId,
    /// Whether they got trial credit.
    pub has_trial_credit: bool,
}

/// Why nothing came of a sign-up.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// There is none, or it is over, or its address is not proved, or the invite is gone.
    #[error("there is no such sign-up")]
    Gone,
    /// The address became somebody's meanwhile.
    #[error("the address is somebody's")]
    Taken,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps a sign-up.
///
/// # Errors
/// [`StoreError`].
pub fn begin(tx: &mut Tx<'_>, digest: &BearerDigest, signup: &Signup) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO signups (digest, email, name, organization, password_hash, invite_id,
                              email_verified_at_us, begun_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            digest.as_hex().into(),
            signup.email.as_str().into(),
            signup.name.as_str().into(),
            signup.organization.as_str().into(),
            signup.password.expose().into(),
            signup.invite.as_ref().map(InviteId::as_str).into(),
            signup.email_verified_at.map(|at| at.0).into(),
            signup.begun_at.0.into(),
        ],
    )
}

const COLUMNS: &str =
    "email, name, organization, password_hash, invite_id, email_verified_at_us, begun_at_us";

/// A sign-up that is not over.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    now: AtUs,
) -> Result<Option<Signup>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM signups WHERE digest = $1 AND begun_at_us > $2");
    let oldest = now.plus(-LIFETIME_US);
    let row = tx.query_optional(&sql, &[digest.as_hex().into(), oldest.0.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Writes that the address of a sign-up is proved.
///
/// # Errors
/// [`StoreError`].
pub fn verify_email(tx: &mut Tx<'_>, digest: &BearerDigest, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE signups SET email_verified_at_us = $2 WHERE digest = $1";
    tx.execute_one(sql, &[digest.as_hex().into(), now.0.into()])
}

/// Makes a user of a sign-up whose address is proved: in the organization that invited them, or
/// with one of their own, its default project, and trial credit if their phone number has not had
/// any.
///
/// # Errors
/// [`ActivateError`]; nothing was made.
pub fn activate(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    phone: Option<(&Phone, Nusd)>,
    now: AtUs,
    entropy: Entropy,
) -> Result<Activated, ActivateError> {
    // The lock that every change of money takes first; it also lets one activation in at a time.
    changes::lock(tx)?;
    let signup = find(tx, digest, now)?;
    let signup = signup.filter(|signup| signup.email_verified_at.is_some());
    let signup = signup.ok_or(ActivateError::Gone)?;
    let sql = "DELETE FROM signups WHERE digest = $1";
    tx.execute_one(sql, &[digest.as_hex().into()])?;
    if users::by_email(tx, &signup.email)?.is_some() {
        return Err(ActivateError::Taken);
    }
    let new = NewUser {
        email: signup.email.as_str(),
        name: &signup.name,
        password: Some(&signup.password),
        phone: phone.map(|(phone, _)| phone),
        is_operator: false,
    };
    let user = users::create(tx, &new, now, entropy)?;
    if let Some(invite) = &signup.invite {
        let organization = join(tx, &user, invite, now, entropy)?;
        return Ok(Activated {
            user,
            organization,
            has_trial_credit: false,
        });
    }
    let organization = organizations::found(tx, &signup.organization, &user, now, entropy)?.id;
    let has_trial_credit = match phone {
        None => false,
        Some((phone, amount)) => {
            let trial = Trial {
                phone,
                organization: &organization,
                user: &user,
                amount,
            };
            trials::grant(tx, &trial, now, entropy)?
        }
    };
    Ok(Activated {
        user,
        organization,
        has_trial_credit,
    })
}

/// Accepts an invite for somebody who became a user just now.
fn join(
    tx: &mut Tx<'_>,
    user: &UserId,
    invite: &InviteId,
    now: AtUs,
    entropy: Entropy,
) -> Result<OrganizationId, ActivateError> {
    let actor = Actor {
        who: Who::Session(user.clone()),
        ip_address: None,
        user_agent: None,
    };
    let answering = Answering {
        invite: Which::Id(invite),
        user,
        actor: &actor,
    };
    match invites::accept(tx, &answering, now, entropy) {
        Ok((organization, _)) => Ok(organization),
        Err(AcceptError::Gone | AcceptError::OtherAddress) => Err(ActivateError::Gone),
        Err(AcceptError::Store(error)) => Err(error.into()),
    }
}

fn from_row(row: &Row) -> Result<Signup, StoreError> {
    let email = row.text(0)?;
    let email = Email::parse(email)
        .map_err(|_| StoreError::Corrupt(format!("a sign-up has the address {email:?}")))?;
    Ok(Signup {
        email,
        name: row.text(1)?.to_owned(),
        organization: row.text(2)?.to_owned(),
        password: PasswordHash::new(row.text(3)?.to_owned()),
        invite: row.opt_text(4)?.map(InviteId::new),
        email_verified_at: row.opt_int(5)?.map(AtUs),
        begun_at: AtUs(row.int(6)?),
    })
}
