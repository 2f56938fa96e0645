//! Recognises who is signed in: by the cookie, on a request that their own page sent.

use axum::extract::FromRequestParts;
use axum::response::Response;
use domain::Entropy;
use domain::time::AtUs;
use http::request::Parts;
use store::StoreError;
use store::audit::Actor;
use store::people::sessions::{self, Session};
use store::people::users::{self, User};

use super::cookie::SESSION;
use super::refusal::PeopleRefusal;
use super::telling::Deed;
use super::visitor::Visitor;
use crate::Control;
use crate::respond::{self, Outcome};

/// Somebody who is signed in: a handler that takes it cannot be reached by anybody else.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Where they come from.
    pub(crate) visitor: Visitor,
    /// Their session.
    pub(crate) session: Session,
    /// Who they are.
    pub(crate) user: User,
}

impl FromRequestParts<Control> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let refused = |refusal| respond::answer::<()>(control, Err(refusal));
        SignedIn::of(parts, control).await.map_err(refused)
    }
}

/// Whether a request came with a cookie that may be a session's.
pub(crate) fn has_session(parts: &Parts, control: &Control) -> bool {
    SESSION.read(&parts.headers, &control.public_url).is_some()
}

impl SignedIn {
    /// Who sent this request, if they are signed in.
    pub(crate) async fn of(parts: &Parts, control: &Control) -> Outcome<Self> {
        SignedIn::find(Visitor::of(parts, control)?, control).await
    }

    /// Something that they do now.
    pub(super) fn deed(&self, now: AtUs, entropy: Entropy) -> Deed<'_> {
        Deed {
            user: &self.user.id,
            visitor: &self.visitor,
            now,
            entropy,
        }
    }

    /// What audit logs say of them.
    pub(crate) fn actor(&self) -> Actor {
        self.visitor.actor(&self.user.id)
    }

    async fn find(visitor: Visitor, control: &Control) -> Outcome<Self> {
        let now = control.now();
        let secret = visitor.secret.as_ref();
        let digest = secret.ok_or(PeopleRefusal::NotSignedIn)?.digest();
        let read = control.store.read(move |tx| -> Result<_, StoreError> {
            let Some(session) = sessions::find(tx, &digest, now)? else {
                return Ok(None);
            };
            let user = users::get(tx, &session.user)?;
            // However they came in.
            let user = user.filter(|user| user.locked_at.is_none());
            Ok(user.map(|user| (session, user)))
        });
        let (session, user) = read.await?.ok_or(PeopleRefusal::NotSignedIn)?;
        if session.lifetime.is_to_be_noted(now) {
            note_use(control, &session, now);
        }
        Ok(SignedIn {
            visitor,
            session,
            user,
        })
    }
}

/// Writes that a session is in use, while the request goes on.
fn note_use(control: &Control, session: &Session, now: AtUs) {
    let (store, id) = (control.store.clone(), session.id.clone());
    tokio::spawn(async move {
        let noted = store
            .write(move |tx| sessions::note_seen(tx, &id, now))
            .await;
        if let Err(error) = noted {
            // Nothing is lost but a time: the next request notes it.
            tracing::warn!(%error, "the use of a session was not noted");
        }
    });
}
