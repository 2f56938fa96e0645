//! Invites, as those see them who are invited: which are for one's own address, whom the secret of
//! a mail invites, and accepting or declining.
//!
//! By its id an invite is answered by whoever's proved address it is for. To anybody else there is
//! no such invite, whether it is over, for others, or never was.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{InviteId, OrganizationId};
use domain::people::secret::BearerSecret;
use domain::people::throttle::CODES_FROM_NETWORK;
use serde::Serialize;
use store::audit::Actor;
use store::invites::{self, AcceptError, Answering, Invite as Row, Which};
use store::people::users;
use store::{StoreError, Tx, organizations};
use utoipa::ToSchema;

use super::caller::SignedIn;
use super::me::MyOrganization;
use super::refusal::PeopleRefusal;
use super::visitor::Visitor;
use crate::Control;
use crate::body::Fields;
use crate::invites::InviteProject;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// An invite, for whom it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invitation {
    #[schema(example = "invite-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "invitation")]
    object: &'static str,
    /// The address that it is for.
    email: String,
    /// Who invites.
    organization: InvitingOrganization,
    /// What you will be there: `owner` or `reader`.
    #[schema(example = "reader")]
    role: String,
    /// Which projects you will belong to.
    projects: Vec<InviteProject>,
    created_at: i64,
    /// From when on it cannot be accepted.
    expires_at: i64,
}

/// An organization that invites.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitingOrganization {
    id: String,
    #[schema(value_type = String, example = "organization")]
    object: &'static str,
    name: String,
}

/// Invites for one's own address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    /// The latest first.
    data: Vec<Invitation>,
}

/// What was mailed.
#[derive(ToSchema)]
pub(crate) struct InviteSecret {
    /// What stands behind the `#` of the mail's link.
    #[schema(value_type = String)]
    secret: Option<BearerSecret>,
}

impl InviteSecret {
    fn read(fields: &Fields) -> Outcome<BearerSecret> {
        let InviteSecret { secret } = InviteSecret {
            secret: fields.bearer("secret")?,
        };
        Ok(secret.ok_or(PeopleRefusal::BadLink)?)
    }
}

impl Invitation {
    fn of(tx: &mut Tx<'_>, (organization, row): (OrganizationId, Row)) -> Outcome<Self> {
        Ok(Invitation {
            id: row.id.to_string(),
            object: "invitation",
            email: row.email,
            organization: InvitingOrganization {
                name: organizations::name(tx, &organization)?,
                id: organization.to_string(),
                object: "organization",
            },
            role: row.role,
            projects: row.projects.into_iter().map(Into::into).collect(),
            created_at: row.created_at.seconds(),
            expires_at: row.expires_at.seconds(),
        })
    }
}

/// Tell whom the secret of a mail invites, and into which organization.
///
/// It is what a page shows that asks whether to sign up or to sign in.
#[utoipa::path(
    post, path = "/api/invites/lookup", tag = "Accounts", operation_id = "look_up_invite",
    request_body = InviteSecret,
    responses((status = 200, body = Invitation))
)]
pub(crate) async fn look_up(
    State(control): State<Control>,
    visitor: Visitor,
    fields: Fields,
) -> Response {
    let outcome = async {
        let secret = InviteSecret::read(&fields)?.digest();
        let now = control.now();
        let buckets = vec![(&CODES_FROM_NETWORK, visitor.network())];
        control.take_all(buckets, now).await?;
        let read = control.store.read(move |tx| -> Outcome<_> {
            let found = invites::find(tx, Which::Secret(&secret), now)?;
            Invitation::of(tx, found.ok_or(PeopleRefusal::BadLink)?).map(Json)
        });
        read.await
    };
    answer(&control, outcome.await)
}

/// List the invites for your address that can be accepted.
#[utoipa::path(
    get, path = "/api/me/invites", tag = "Accounts", operation_id = "list_my_invites",
    responses((status = 200, body = InvitationList)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, caller: SignedIn) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let mut data = Vec::new();
        for found in invites::addressed(tx, &caller.user.email, now)? {
            data.push(Invitation::of(tx, found)?);
        }
        Ok(Json(InvitationList {
            object: "list",
            data,
        }))
    });
    answer(&control, read.await)
}

/// Accept an invite with the secret of its mail, which must have gone to your address. Whoever
/// belongs to the organization already keeps the role that they have.
#[utoipa::path(
    post, path = "/api/me/invites/accept", tag = "Accounts", operation_id = "accept_invite_by_mail",
    request_body = InviteSecret,
    responses((status = 200, body = MyOrganization)), security(("session" = []))
)]
pub(crate) async fn accept_by_secret(
    State(control): State<Control>,
    caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let secret = InviteSecret::read(&fields)?.digest();
        let buckets = vec![(&CODES_FROM_NETWORK, caller.visitor.network())];
        control.take_all(buckets, control.now()).await?;
        let (now, entropy) = (control.now(), control.entropy);
        let write = control.store.write(move |tx| -> Outcome<_> {
            let accepted = invites::accept(
                tx,
                &caller.answering(Which::Secret(&secret), &caller.actor()),
                now,
                entropy,
            );
            let (organization, _) = accepted.map_err(|error| match error {
                AcceptError::Gone => PeopleRefusal::BadLink.into(),
                AcceptError::OtherAddress => PeopleRefusal::OtherAddress.into(),
                AcceptError::Store(error) => Refusal::Store(error),
            })?;
            joined(tx, &caller, &organization)
        });
        write.await
    };
    answer(&control, outcome.await)
}

/// Accept an invite that is for your address. Whoever belongs to the organization already keeps the
/// role that they have.
#[utoipa::path(
    post, path = "/api/me/invites/{invite_id}/accept", tag = "Accounts",
    operation_id = "accept_invite",
    params(("invite_id" = String, Path, description = "The invite")),
    responses((status = 200, body = MyOrganization)), security(("session" = []))
)]
pub(crate) async fn accept(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([id]): Ids<1>,
) -> Response {
    let (now, entropy) = (control.now(), control.entropy);
    let write = control.store.write(move |tx| -> Outcome<_> {
        let (invite, actor) = (InviteId::new(&id), caller.actor());
        let answering = caller.answering(Which::Id(&invite), &actor);
        let accepted = invites::accept(tx, &answering, now, entropy);
        let (organization, _) = accepted.map_err(|error| unknown(error, id))?;
        joined(tx, &caller, &organization)
    });
    answer(&control, write.await)
}

/// Decline an invite that is for your address. Nobody can accept it any more.
#[utoipa::path(
    post, path = "/api/me/invites/{invite_id}/decline", tag = "Accounts",
    operation_id = "decline_invite",
    params(("invite_id" = String, Path, description = "The invite")),
    responses((status = 200, body = Deleted)), security(("session" = []))
)]
pub(crate) async fn decline(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([id]): Ids<1>,
) -> Response {
    let (now, entropy) = (control.now(), control.entropy);
    let write = control.store.write(move |tx| -> Outcome<_> {
        let (invite, actor) = (InviteId::new(&id), caller.actor());
        let answering = caller.answering(Which::Id(&invite), &actor);
        match invites::decline(tx, &answering, now, entropy) {
            Ok(_) => Ok(Json(Deleted::new("invitation.declined", id))),
            Err(error) => Err(unknown(error, id)),
        }
    });
    answer(&control, write.await)
}

impl SignedIn {
    fn answering<'a>(&'a self, invite: Which<'a>, actor: &'a Actor) -> Answering<'a> {
        Answering {
            invite,
            user: &self.user.id,
            actor,
        }
    }
}

/// Whose invite it is, is not told.
fn unknown(error: AcceptError, id: String) -> Refusal {
    match error {
        AcceptError::Gone | AcceptError::OtherAddress => Refusal::NotFound { what: "invite", id },
        AcceptError::Store(error) => Refusal::Store(error),
    }
}

/// The organization that somebody belongs to now.
fn joined(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    organization: &OrganizationId,
) -> Outcome<Json<MyOrganization>> {
    let memberships = users::memberships(tx, &caller.user.id)?.into_iter();
    let mut joined = memberships.filter(|it| it.organization == *organization);
    let missing = || StoreError::Corrupt(format!("{organization} lacks a default project"));
    Ok(Json(joined.next().ok_or_else(missing)?.into()))
}
