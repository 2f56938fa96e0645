//! Sign-ups: accounts in the making. Whoever holds the secret of one goes on with it; a user comes
//! of it when what was asked for is proved.

use domain::Entropy;
use domain::id::{InviteId, OrganizationId, UserId};
use domain::people::email::Email;
use domain::people::password::PasswordHash;
use domain::people::phone::Phone;
use domain::people::secret::BearerDigest;
use domain::time::{AtUs, HOUR_US};

use super::identities::{self, Link, Subject};
use super::joins::{self, Join, Joining};
use super::trials::{self, Trial, TrialCredit};
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
    /// The hash of their password; none if they came by a provider.
    pub password: Option<PasswordHash>,
    /// What they came with from a provider.
    pub identity: Option<Subject>,
    /// An invite to their address: they join its organization, and get none of their own.
    pub invite: Option<InviteId>,
    /// An organization that everybody joins who has such an address; they get none of their own.
    pub join: Option<Join>,
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
    let (identity, join) = (signup.identity.as_ref(), signup.join.as_ref());
    tx.execute_one(
        "INSERT INTO signups (digest, email, name, organization, password_hash, invite_id,
                              email_verified_at_us, begun_at_us, issuer, subject,
                              join_organization_id, join_role)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            digest.as_hex().into(),
            signup.email.as_str().into(),
            signup.name.as_str().into(),
            signup.organization.as_str().into(),
            signup.password.as_ref().map(PasswordHash::expose).into(),
            signup.invite.as_ref().map(InviteId::as_str).into(),
            signup.email_verified_at.map(|at| at.0).into(),
            signup.begun_at.0.into(),
            identity.map(|it| it.issuer.as_str()).into(),
            identity.map(|it| it.subject.as_str()).into(),
            join.map(|it| it.organization.as_str()).into(),
            join.map(|it| it.role.as_str()).into(),
        ],
    )
}

const COLUMNS: &str = "email, name, organization, password_hash, invite_id, email_verified_at_us,
     begun_at_us, issuer, subject, join_organization_id, join_role";

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

/// Makes a user of a sign-up whose address is proved: in the organization that invited them or that
/// they join by their address, or with one of their own, its default project, and trial credit if
/// their phone number has not had any.
///
/// # Errors
/// [`ActivateError`]; nothing was made.
pub fn activate(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    phone: Option<(&Phone, TrialCredit)>,
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
        password: signup.password.as_ref(),
        phone: phone.map(|(phone, _)| phone),
        is_operator: false,
    };
    let user = users::create(tx, &new, now, entropy)?;
    if let Some(who) = &signup.identity {
        if identities::find(tx, who)?.is_some() {
            return Err(ActivateError::Taken);
        }
        let email = Some(signup.email.as_str());
        let link = Link {
            user: &user,
            who,
            email,
        };
        identities::link(tx, &link, now, entropy)?;
    }
    if let Some(organization) = enter(tx, &user, &signup, now, entropy)? {
        return Ok(Activated {
            user,
            organization,
            has_trial_credit: false,
        });
    }
    let organization = organizations::found(tx, &signup.organization, &user, now, entropy)?.id;
    let has_trial_credit = match phone {
        None => false,
        Some((phone, credit)) => {
            let trial = Trial {
                phone,
                organization: &organization,
                user: &user,
                credit,
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

/// Lets somebody who became a user just now into the organizations that are waiting for them.
/// Answers the first, if there is any.
fn enter(
    tx: &mut Tx<'_>,
    user: &UserId,
    signup: &Signup,
    now: AtUs,
    entropy: Entropy,
) -> Result<Option<OrganizationId>, ActivateError> {
    let actor = Actor {
        who: Who::Session(user.clone()),
        ip_address: None,
        user_agent: None,
    };
    let mut entered = None;
    if let Some(invite) = &signup.invite {
        let answering = Answering {
            invite: Which::Id(invite),
            user,
            actor: &actor,
        };
        match invites::accept(tx, &answering, now, entropy) {
            Ok((organization, _)) => entered = Some(organization),
            Err(AcceptError::Gone | AcceptError::OtherAddress) => return Err(ActivateError::Gone),
            Err(AcceptError::Store(error)) => return Err(error.into()),
        }
    }
    if let Some(join) = &signup.join {
        let joining = Joining {
            join,
            user,
            actor: &actor,
        };
        joins::join(tx, &joining, now, entropy)?;
        entered = entered.or_else(|| Some(join.organization.clone()));
    }
    Ok(entered)
}

fn from_row(row: &Row) -> Result<Signup, StoreError> {
    let email = row.text(0)?;
    let email = Email::parse(email)
        .map_err(|_| StoreError::Corrupt(format!("a sign-up has the address {email:?}")))?;
    Ok(Signup {
        email,
        name: row.text(1)?.to_owned(),
        organization: row.text(2)?.to_owned(),
        password: row
            .opt_text(3)?
            .map(|hash| PasswordHash::new(hash.to_owned())),
        identity: row.opt_text(7)?.zip(row.opt_text(8)?).map(|pair| Subject {
            issuer: pair.0.to_owned(),
            subject: pair.1.to_owned(),
        }),
        join: row.opt_text(9)?.zip(row.opt_text(10)?).map(|pair| Join {
            organization: OrganizationId::new(pair.0),
            role: pair.1.to_owned(),
        }),
        invite: row.opt_text(4)?.map(InviteId::new),
        email_verified_at: row.opt_int(5)?.map(AtUs),
        begun_at: AtUs(row.int(6)?),
    })
}
