//! Decides who it is that comes back from a provider, and what becomes of them here.
//!
//! Whoever is known by their subject is signed in. An address alone signs nobody in: where there is
//! an account with it, its owner must link the identity themselves, unless the operator said that
//! the provider decides who has which address there. Where there is none, they sign up, by the
//! rules for everybody; that their address is theirs, the provider has proved.
//!
//! A second factor is the provider's to ask for, as is the first: whoever comes from it is signed
//! in, also where the account here has a factor for its password.

use std::sync::Arc;

use domain::id::{InviteId, OrganizationId, UserId};
use domain::message::Letter;
use domain::people::email::Email;
use domain::people::secret::BearerSecret;
use domain::people::throttle::SIGNUPS_FROM_NETWORK;
use domain::time::AtUs;
use store::invites::{self, Which};
use store::people::identities::{self, Link, Subject};
use store::people::joins::{self, Join, Joining};
use store::people::sessions;
use store::people::signups::{self, Signup};
use store::people::sso_attempts::Attempt;
use store::people::users::{self, User};
use store::{StoreError, Tx};

use super::id_token::Person;
use super::provider::Provider;
use super::trouble::Trouble;
use crate::Control;
use crate::people::SignupMode;
use crate::people::guessing;
use crate::people::letters::Post;
use crate::people::policy;
use crate::people::refusal::PeopleRefusal;
use crate::people::sessions::enter;
use crate::people::signup::{self, DEFAULT_ORGANIZATION};
use crate::people::telling::Deed;
use crate::people::visitor::Visitor;
use crate::respond::Outcome;

/// Somebody who comes back from a provider.
pub(super) struct Arrival {
    pub(super) control: Control,
    pub(super) provider: Arc<Provider>,
    pub(super) visitor: Visitor,
    pub(super) attempt: Attempt,
    pub(super) person: Person,
    pub(super) now: AtUs,
}

/// What became of them.
pub(super) enum Landing {
    /// They are signed in: the secret of their session.
    SignedIn(BearerSecret),
    /// They sign up, and must prove a phone yet: the secret of the sign-up.
    SigningUp(BearerSecret),
    /// The identity is linked to the account that they are signed in to.
    Linked,
}

impl Arrival {
    /// Decides. What was refused may have been counted, so both are written.
    pub(super) fn decide(&self, tx: &mut Tx<'_>) -> Outcome<Result<Landing, Trouble>> {
        let email = self.provider.proved(&self.person);
        match &email {
            _ if self.provider.settings.allowed_domains.is_empty() => {}
            None => return Ok(Err(Trouble::Unverified)),
            Some(email) if !self.provider.allows(email) => return Ok(Err(Trouble::Domain)),
            Some(_) => {}
        }
        match &self.attempt.linking {
            Some(user) => self.link_to(tx, user, email.as_ref()),
            None => self.sign_in(tx, email),
        }
    }

    fn sign_in(&self, tx: &mut Tx<'_>, email: Option<Email>) -> Outcome<Result<Landing, Trouble>> {
        if let Some(known) = identities::find(tx, &self.who())? {
            let told = email.as_ref().map(Email::as_str);
            identities::note_used(tx, &known.id, told, self.now)?;
            return self.enter(tx, &known.user);
        }
        let Some(email) = email else {
            return Ok(Err(Trouble::Unverified));
        };
        match users::by_email(tx, &email)? {
            None => self.sign_up(tx, email),
            // Whoever is locked out links nothing, and is told no more than that.
            Some((user, _)) if user.locked_at.is_some() => self.enter(tx, &user.id),
            Some((user, _)) if self.provider.is_trusted_for(&email) => {
                self.link(tx, &user, Some(&email))?;
                self.enter(tx, &user.id)
            }
            Some(_) => Ok(Err(Trouble::LinkRequired)),
        }
    }

    /// Links the identity to the account of whoever began this, who must still be signed in.
    fn link_to(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        email: Option<&Email>,
    ) -> Outcome<Result<Landing, Trouble>> {
        let secret = self.visitor.secret.as_ref();
        let session = match secret {
            Some(secret) => sessions::find(tx, &secret.digest(), self.now)?,
            None => None,
        };
        let session = session.filter(|session| session.user == *user);
        let (Some(_), Some(owner)) = (session, users::get(tx, user)?) else {
            return Ok(Err(Trouble::Refused(PeopleRefusal::NotSignedIn)));
        };
        match identities::find(tx, &self.who())? {
            Some(known) if known.user == *user => {}
            Some(_) => return Ok(Err(Trouble::Taken)),
            None => self.link(tx, &owner, email)?,
        }
        Ok(Ok(Landing::Linked))
    }

    /// Links the identity, and tells the owner of the account, who also joins what their proved
    /// address lets them join: now, and not whenever they sign in, so that whoever is removed from
    /// an organization stays out of it.
    fn link(&self, tx: &mut Tx<'_>, user: &User, email: Option<&Email>) -> Outcome<()> {
        let (now, entropy) = (self.now, self.control.entropy);
        let told = email.map(Email::as_str);
        let link = Link {
            user: &user.id,
            who: &self.who(),
            email: told,
        };
        identities::link(tx, &link, now, entropy)?;
        if let Some(join) = self.join(tx, email)? {
            let joining = Joining {
                join: &join,
                user: &user.id,
                actor: &self.visitor.actor(&user.id),
            };
            joins::join(tx, &joining, now, entropy)?;
        }
        self.deed(&user.id).changed(tx, "identity")?;
        let letter = Letter::IdentityLinked {
            provider: self.provider.settings.name.clone(),
            at: now,
        };
        Ok(Post { now, entropy }.mail(tx, &user.email, letter, None)?)
    }

    fn enter(&self, tx: &mut Tx<'_>, user: &UserId) -> Outcome<Result<Landing, Trouble>> {
        let deed = self.deed(user);
        if users::get(tx, user)?.is_none_or(|user| user.locked_at.is_some()) {
            deed.failed_as_locked(tx)?;
            return Ok(Err(Trouble::Refused(PeopleRefusal::Locked)));
        }
        let method = format!("oidc/{}", self.provider.settings.id);
        let (_, secret) = enter(tx, &deed, &method)?;
        Ok(Ok(Landing::SignedIn(secret)))
    }

    fn sign_up(&self, tx: &mut Tx<'_>, email: Email) -> Outcome<Result<Landing, Trouble>> {
        let (now, entropy) = (self.now, self.control.entropy);
        let rules = policy::rules(tx, self.control.people.signup)?;
        let join = self.join(tx, Some(&email))?;
        let invite = match &self.attempt.invite {
            Some(named) => match self.invited(tx, named, &email)? {
                Some(invite) => Some(invite),
                None => return Ok(Err(Trouble::Invite)),
            },
            // Where nobody comes without, whoever comes accepts the latest.
            None if rules.mode == SignupMode::Invite && join.is_none() => {
                let invites = invites::addressed(tx, email.as_str(), now)?;
                invites.into_iter().next().map(|(_, invite)| invite.id)
            }
            None => None,
        };
        signup::allowed(rules, invite.is_some() || join.is_some())?;
        let network = self.visitor.network();
        guessing::take(tx, &[(&SIGNUPS_FROM_NETWORK, network)], now)?;
        let name = self.person.name.clone();
        let signup = Signup {
            name: name.unwrap_or_else(|| email.local_part().to_owned()),
            email,
            organization: DEFAULT_ORGANIZATION.into(),
            password: None,
            identity: Some(self.who()),
            invite,
            join,
            email_verified_at: Some(now),
            begun_at: now,
        };
        let secret = BearerSecret::mint(entropy);
        signups::begin(tx, &secret.digest(), &signup)?;
        if rules.needs_phone {
            return Ok(Ok(Landing::SigningUp(secret)));
        }
        let step = signup::Step {
            control: self.control.clone(),
            visitor: self.visitor.clone(),
            secret,
            now,
        };
        Ok(Ok(Landing::SignedIn(step.complete(tx, None)?)))
    }

    /// The invite of this id, if it is one for this address.
    fn invited(
        &self,
        tx: &mut Tx<'_>,
        named: &InviteId,
        email: &Email,
    ) -> Result<Option<InviteId>, StoreError> {
        let found = invites::find(tx, Which::Id(named), self.now)?;
        let mine = found.filter(|(_, invite)| invite.email == email.as_str());
        Ok(mine.map(|(_, invite)| invite.id))
    }

    /// What somebody with this address joins, if that is there.
    fn join(&self, tx: &mut Tx<'_>, email: Option<&Email>) -> Result<Option<Join>, StoreError> {
        let Some(told) = email.and_then(|email| self.provider.join_of(email)) else {
            return Ok(None);
        };
        let join = Join {
            organization: OrganizationId::new(&told.organization),
            role: told.role.clone(),
        };
        if !joins::exists(tx, &join.organization)? {
            let (provider, organization) = (&self.provider.settings.id, &told.organization);
            tracing::error!(
                provider,
                organization,
                "there is no such organization to join"
            );
            return Ok(None);
        }
        Ok(Some(join))
    }

    fn who(&self) -> Subject {
        Subject {
            issuer: self.provider.settings.issuer.clone(),
            subject: self.person.subject.clone(),
        }
    }

    fn deed<'a>(&'a self, user: &'a UserId) -> Deed<'a> {
        Deed {
            user,
            visitor: &self.visitor,
            now: self.now,
            entropy: self.control.entropy,
        }
    }
}
