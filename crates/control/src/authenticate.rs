//! Recognises who calls, and refuses who may not: by the table of [`crate::access`].

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::response::Response;
use domain::access::{self, AccessRefusal, Claims, Owner};
use domain::id::{OrganizationId, ProjectId};
use domain::key::{KeySecret, mask};
use domain::permission::Standing;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use store::audit::{Actor, Who};
use store::people::users;
use store::{keys, standing};
use wire::authorization;

use crate::Control;
use crate::access::{Credential, PROJECT_PART, Rule};
use crate::peer;
use crate::people::caller::{SignedIn, has_session};
use crate::respond::{self, Outcome, Refusal};

/// The caller of the Administration API: a handler that takes it cannot be reached without one, nor
/// by one who may not call it.
pub(crate) struct Admin(pub(crate) Caller);

/// Who calls, for whom.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Whose affairs it is about.
    pub(crate) organization: OrganizationId,
    /// What the caller may do there, and in the project that the path names.
    pub(crate) standing: Standing,
    /// What the audit log says of whoever calls.
    pub(crate) actor: Actor,
    /// Whether the caller proved lately who they are: a key proves it each time.
    pub(crate) is_proved: bool,
}

impl FromRequestParts<Control> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        match caller(parts, control).await {
            Ok(caller) => Ok(Admin(caller)),
            Err(refusal) => Err(respond::answer::<()>(control, Err(refusal))),
        }
    }
}

async fn caller(parts: &mut Parts, control: &Control) -> Outcome<Caller> {
    let project = project(parts, control).await;
    let is_session = parts.headers.get(AUTHORIZATION).is_none() && has_session(parts, control);
    let (credential, caller) = match is_session {
        true => (
            Credential::Session,
            with_session(parts, project, control).await?,
        ),
        false => (
            Credential::AdminKey,
            with_key(parts, project, control).await?,
        ),
    };
    let path = parts.extensions.get::<MatchedPath>();
    let rule = path.and_then(|path| Rule::of(&parts.method, path.as_str()));
    let rule = rule.filter(|rule| rule.by.contains(&credential));
    let rule = rule.ok_or(Refusal::NoRule)?;
    if !rule.admits(&caller.standing) {
        let missing = AccessRefusal::MissingScope(rule.permission());
        return Err(Refusal::Access(missing));
    }
    Ok(caller)
}

/// The project that the path names, whether there is one of that id or not.
async fn project(parts: &mut Parts, control: &Control) -> Option<ProjectId> {
    let path = RawPathParams::from_request_parts(parts, control)
        .await
        .ok()?;
    let named = path.iter().find(|(part, _)| *part == PROJECT_PART);
    named.map(|(_, id)| ProjectId::new(id))
}

/// Somebody who is signed in, in the organization that the request names, or else the one that they
/// came to first; and what they may do there.
async fn with_session(
    parts: &Parts,
    project: Option<ProjectId>,
    control: &Control,
) -> Outcome<Caller> {
    let caller = SignedIn::of(parts, control).await?;
    let is_proved = caller.session.lifetime.is_fresh(control.now());
    let named = organization(&parts.headers).map(OrganizationId::new);
    let (id, actor) = (caller.user.id.clone(), caller.actor());
    let read = control.store.read(move |tx| -> Outcome<_> {
        let organization = match named {
            Some(named) => named,
            None => {
                let first = users::memberships(tx, &id)?.into_iter().next();
                let none = Refusal::Access(AccessRefusal::MismatchedOrganization);
                first.ok_or(none)?.organization
            }
        };
        let standing = standing::of_user(tx, &organization, &id, project.as_ref())?;
        Ok((organization, standing))
    });
    let (organization, standing) = read.await?;
    Ok(Caller {
        organization,
        standing,
        actor,
        is_proved,
    })
}

/// The organization that a request names.
fn organization(headers: &HeaderMap) -> Option<&str> {
    let named = headers.get("openai-organization")?;
    let named = named.to_str().unwrap_or("unreadable").trim();
    (!named.is_empty()).then_some(named)
}

/// The owner of the admin key of a request, and what they may do.
async fn with_key(parts: &Parts, project: Option<ProjectId>, control: &Control) -> Outcome<Caller> {
    let headers = &parts.headers;
    let value = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    let secret = value
        .and_then(authorization::secret)
        .ok_or(Refusal::NoKey)?;
    let bad = || Refusal::BadKey {
        masked: mask(&secret),
    };
    let digest = KeySecret::parse(&secret).map_err(|_| bad())?.digest();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let Some(key) = keys::active_by_digest(tx, &digest)? else {
            return Ok(None);
        };
        let principal = key.principal;
        let standing = match &principal.owner {
            Owner::User(user) => {
                standing::of_user(tx, &principal.organization, user, project.as_ref())?
            }
            Owner::ServiceAccount(_) => Standing::default(),
        };
        Ok(Some((principal, standing)))
    });
    let (principal, standing) = read.await?.ok_or_else(bad)?;
    let claims = Claims {
        organization: organization(headers),
        project: None,
        address: peer::address(parts, &control.trusted_proxies),
    };
    let now = control.now();
    access::administration(&principal, claims, now).map_err(Refusal::Access)?;
    control.last_uses.note(&principal.key, now);
    let actor = Actor {
        who: Who::Key(principal.key, principal.owner),
        ip_address: claims.address.map(|address| address.to_string()),
        user_agent: peer::user_agent(headers),
    };
    Ok(Caller {
        organization: principal.organization,
        standing,
        actor,
        is_proved: true,
    })
}
