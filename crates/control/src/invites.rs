//! `/v1/organization/invites`: people who are asked into the organization, and its projects.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{InviteId, OrganizationId, ProjectId};
use domain::message::{Letter, Message};
use domain::people::email::Email;
use domain::people::secret::BearerSecret;
use domain::permission::{PredefinedRole, Realm, Resource};
use domain::time::{AtUs, DAY_US};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Actor, Event, Kind};
use store::invites::{self, InvitedProject, Status};
use store::jobs::{self, Job};
use store::{members, organizations, page};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::project_users::role as project_role;
use crate::projects::find_active;
use crate::query::invalid;
use crate::respond::{Outcome, Refusal, answer};
use crate::roles::may_give_in;
use crate::service_accounts::Deleted;

/// Somebody who was asked into the organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invite {
    #[schema(example = "organization.invite")]
    object: &'static str,
    #[schema(example = "invite-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    email: String,
    /// `owner` or `reader`.
    role: String,
    /// `pending`, `accepted` or `expired`.
    status: &'static str,
    created_at: i64,
    expires_at: i64,
    accepted_at: Option<i64>,
    projects: Vec<InviteProject>,
}

/// A project that somebody is asked into.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteProject {
    id: String,
    /// `owner`, `member` or `viewer`.
    role: String,
}

/// Somebody to be asked.
#[derive(Debug, ToSchema)]
pub(crate) struct NewInvite {
    /// Of a user or not.
    #[schema(value_type = String, example = "grace@example.com")]
    email: Email,
    /// `owner` or `reader`.
    #[schema(value_type = String, example = "reader")]
    role: PredefinedRole,
    /// What they are to belong to when they accept.
    #[schema(max_items = 100, value_type = Option<Vec<InviteProject>>)]
    projects: Vec<InvitedProject>,
}

/// The most projects of an invite.
const MOST_PROJECTS: usize = 100;

/// An invite as it stands at some time.
type Row = (invites::Invite, AtUs);

impl From<Row> for Invite {
    fn from((invite, now): Row) -> Self {
        let status = match invite.status(now) {
            Status::Pending => "pending",
            Status::Accepted => "accepted",
            Status::Expired => "expired",
        };
        let projects = invite.projects.into_iter();
        Invite {
            object: "organization.invite",
            id: invite.id.to_string(),
            email: invite.email,
            role: invite.role,
            status,
            created_at: invite.created_at.seconds(),
            expires_at: invite.expires_at.seconds(),
            accepted_at: invite.accepted_at.map(|at| at.seconds()),
            projects: projects.map(Into::into).collect(),
        }
    }
}

impl From<InvitedProject> for InviteProject {
    fn from(InvitedProject { id, role }: InvitedProject) -> Self {
        InviteProject { id, role }
    }
}

impl Listed for Invite {
    fn id(&self) -> &str {
        &self.id
    }
}

impl NewInvite {
    fn read(fields: &Fields) -> Outcome<Self> {
        let roles = PredefinedRole::of(Resource::Organization).map(|role| (role.name(), role));
        let projects = fields
            .objects("projects", MOST_PROJECTS)?
            .unwrap_or_default();
        let project = |fields: &Fields| -> Outcome<_> {
            Ok(InvitedProject {
                id: fields.required("id", fields.id("id")?)?.to_owned(),
                role: fields
                    .required("role", project_role(fields)?)?
                    .name()
                    .to_owned(),
            })
        };
        Ok(NewInvite {
            email: fields.required("email", fields.email("email")?)?,
            role: fields.required("role", fields.word("role", roles)?)?,
            projects: projects.iter().map(project).collect::<Outcome<_>>()?,
        })
    }

    /// Refuses to invite anybody to more than the caller may do.
    fn may_be_sent(&self, tx: &mut Tx<'_>, caller: &Caller) -> Outcome<()> {
        let realm = Realm::Organization(caller.organization.clone());
        may_give_in(tx, self.role.permissions(), &realm, caller)?;
        for InvitedProject { id, role } in &self.projects {
            let role = PredefinedRole::from_name(Resource::Project, role);
            let permissions = role.map(PredefinedRole::permissions);
            let realm = Realm::Project(ProjectId::new(id));
            may_give_in(tx, permissions.unwrap_or_default(), &realm, caller)?;
        }
        Ok(())
    }

    /// Refuses what could not be accepted, or would change nothing.
    fn check(&self, tx: &mut Tx<'_>, organization: &OrganizationId, now: AtUs) -> Outcome<()> {
        let email = self.email.as_str();
        let refused = |problem: &str| Err(invalid("email", format!("Invalid 'email': {problem}.")));
        if members::with_email(tx, organization, email)?.is_some() {
            return refused("they belong to the organization already");
        }
        if invites::is_pending(tx, organization, email, now)? {
            return refused("they are invited already. Delete that invite first");
        }
        for project in &self.projects {
            if find_active(tx, organization, &project.id)?.is_default {
                let message = "Invalid 'projects': nobody is added to the default project.";
                return Err(invalid("projects", message.into()));
            }
        }
        Ok(())
    }
}

/// List invites, oldest first.
#[utoipa::path(
    get, path = "/v1/organization/invites", tag = "Invites",
    operation_id = "list_invites",
    params(Page),
    responses((status = 200, body = List<Invite>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: Page,
) -> Response {
    let now = control.now();
    let list = page.list::<Invite, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let part = page::Page {
            after: page.cursor(|id| invites::place(tx, organization, &InviteId::new(id)))?,
            is_descending: false,
            limit: page.rows(),
        };
        let rows = invites::list(tx, organization, &part)?.into_iter();
        Ok(rows.map(|invite| (invite, now)).collect())
    });
    answer(&control, list.await)
}

/// Invite somebody: a mail asks them to accept, within a week. It needs every permission of the
/// roles that they get.
#[utoipa::path(
    post, path = "/v1/organization/invites", tag = "Invites", request_body = NewInvite,
    operation_id = "create_invite",
    responses((status = 200, body = Invite)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewInvite::read(&fields)?;
        let id = InviteId::random(control.entropy);
        let secret = BearerSecret::mint(control.entropy);
        let (giver, of) = (admin.clone(), control.clone());
        let change = control.change(admin, move |tx, organization, now| {
            new.check(tx, organization, now)?;
            new.may_be_sent(tx, &giver)?;
            let invite = invites::Invite {
                id,
                email: new.email.as_str().to_owned(),
                role: new.role.name().to_owned(),
                projects: new.projects,
                created_at: now,
                expires_at: now.plus(invites::LIFETIME_US),
                accepted_at: None,
            };
            invites::create(tx, organization, &invite, &secret.digest())?;
            let letter = letter(tx, &of, organization, &giver.actor, &secret)?;
            let job = Job {
                key: format!("invite:{}", invite.id),
                message: Message::Mail {
                    to: invite.email.clone(),
                    letter,
                },
                expires_at: Some(invite.expires_at),
            };
            jobs::enqueue(tx, &job, now, of.entropy)?;
            let data = json!({"email": invite.email, "role": invite.role});
            let event = Event::new(Kind::InviteSent, &invite.id).data(data);
            Ok(Done::new(event, Invite::from((invite, now))))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// What the mail says. Behind the `#`, the secret stays out of the logs of servers on the way.
fn letter(
    tx: &mut Tx<'_>,
    control: &Control,
    organization: &OrganizationId,
    actor: &Actor,
    secret: &BearerSecret,
) -> Outcome<Letter> {
    let name = organizations::name(tx, organization)?;
    let inviter = match actor.user() {
        Some(user) => members::get(tx, organization, user)?.map(|member| member.name),
        None => None,
    };
    Ok(Letter::Invite {
        inviter: inviter.unwrap_or_else(|| name.clone()),
        organization: name,
        link: format!("{}/accept-invite#{}", control.public_url, secret.expose()),
        valid_days: u32::try_from(invites::LIFETIME_US / DAY_US).unwrap_or_default(),
    })
}

/// Retrieve an invite.
#[utoipa::path(
    get, path = "/v1/organization/invites/{invite_id}", tag = "Invites",
    operation_id = "retrieve_invite",
    params(("invite_id" = String, Path, description = "The invite")),
    responses((status = 200, body = Invite)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let now = control.now();
    let read = control
        .store
        .read(move |tx| find(tx, &admin.organization, &id));
    let outcome = read.await.map(|invite| Json(Invite::from((invite, now))));
    answer(&control, outcome)
}

/// Delete an invite. One that was accepted stays.
#[utoipa::path(
    delete, path = "/v1/organization/invites/{invite_id}", tag = "Invites",
    operation_id = "delete_invite",
    params(("invite_id" = String, Path, description = "The invite")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let invite = find(tx, organization, &id)?;
        if !invites::delete(tx, organization, &invite.id, now)? {
            return Err(Refusal::Unsupported {
                param: "invite_id",
                message: "This invite was accepted. Remove the member instead.",
            });
        }
        let event = Event::new(Kind::InviteDeleted, &invite.id);
        Ok(Done::new(
            event,
            Deleted::new("organization.invite.deleted", id),
        ))
    });
    answer(&control, change.await.map(Json))
}

fn find(tx: &mut Tx<'_>, organization: &OrganizationId, id: &str) -> Outcome<invites::Invite> {
    invites::get(tx, organization, &InviteId::new(id))?.ok_or_else(|| Refusal::NotFound {
        what: "invite",
        id: id.to_owned(),
    })
}
