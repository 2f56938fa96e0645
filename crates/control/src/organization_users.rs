//! `/v1/organization/users`: the people of an organization.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, UserId};
use domain::people::email::Email;
use domain::permission::{PredefinedRole, Realm, Resource, RoleName};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::members::{self, Member, MemberError};
use store::project_members::{self, Membership};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal, answer};
use crate::roles::may_give;
use crate::service_accounts::Deleted;

/// A member of the organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationUser {
    #[schema(example = "organization.user")]
    object: &'static str,
    id: String,
    name: String,
    email: String,
    /// `owner` or `reader`.
    role: String,
    /// When they became a member.
    added_at: i64,
    /// When they became a user.
    created: i64,
    is_service_account: bool,
    is_scim_managed: bool,
    /// When one of their keys was last used.
    api_key_last_used_at: Option<i64>,
    user: User,
    /// The projects that they are members of. Owners may use every project besides.
    projects: UserProjects,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    #[schema(example = "user")]
    object: &'static str,
    id: String,
    name: String,
    email: String,
    picture: Option<String>,
    enabled: bool,
    banned: bool,
    banned_at: Option<i64>,
}

/// The projects of a member.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserProjects {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<UserProject>,
}

/// A project of a member.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserProject {
    id: String,
    name: String,
    /// `owner`, `member` or `viewer`.
    role: String,
}

/// What is to change of a member.
#[derive(Debug, ToSchema)]
pub(crate) struct UserChanges {
    /// `owner` or `reader`.
    #[schema(value_type = Option<String>, example = "reader")]
    role: Option<PredefinedRole>,
    /// The id of either role, in place of its name.
    role_id: Option<String>,
}

impl UserChanges {
    fn read(fields: &Fields) -> Outcome<Self> {
        for param in ["technical_level", "developer_persona"] {
            if fields.has(param) {
                let message = "Farebox keeps no such thing of people. Leave it out.";
                return Err(Refusal::Unsupported { param, message });
            }
        }
        let names = PredefinedRole::of(Resource::Organization).map(|role| (role.name(), role));
        Ok(UserChanges {
            role: fields.word("role", names)?,
            role_id: fields.id("role_id")?.map(ToOwned::to_owned),
        })
    }

    /// The role that is asked for, by name or id.
    fn role(&self, organization: &OrganizationId) -> Outcome<Option<PredefinedRole>> {
        let Some(id) = &self.role_id else {
            return Ok(self.role);
        };
        match RoleName::from_id(&Realm::Organization(organization.clone()), id) {
            Some(RoleName::Predefined(role)) if self.role.is_none_or(|named| named == role) => {
                Ok(Some(role))
            }
            _ => Err(invalid(
                "role_id",
                "Invalid 'role_id': it must be the id of the role owner or reader. Other roles are assigned through /v1/organization/users/{user_id}/roles.".into(),
            )),
        }
    }
}

type Row = (Member, Vec<Membership>);

impl From<Row> for OrganizationUser {
    fn from((member, memberships): Row) -> Self {
        let projects = memberships.into_iter().map(|of| UserProject {
            id: of.project.to_string(),
            name: of.name,
            role: of.role,
        });
        OrganizationUser {
            object: "organization.user",
            id: member.id.to_string(),
            role: member.role,
            added_at: member.added_at.seconds(),
            created: member.created_at.seconds(),
            is_service_account: false,
            is_scim_managed: false,
            api_key_last_used_at: member.key_last_used_at.map(|at| at.seconds()),
            user: User {
                object: "user",
                id: member.id.to_string(),
                name: member.name.clone(),
                email: member.email.clone(),
                picture: None,
                enabled: true,
                banned: false,
                banned_at: None,
            },
            name: member.name,
            email: member.email,
            projects: UserProjects {
                object: "list",
                data: projects.collect(),
            },
        }
    }
}

impl Listed for OrganizationUser {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the members of the organization.
#[utoipa::path(
    get, path = "/v1/organization/users", tag = "Users",
    operation_id = "list_organization_users",
    params(
        ("emails[]" = Option<Vec<String>>, Query, description = "Only those with these addresses"),
        Page,
    ),
    responses((status = 200, body = List<OrganizationUser>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: Page,
) -> Response {
    let emails = emails(&query);
    let list = page.list::<OrganizationUser, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let after = page.cursor(|id| members::cursor(tx, &UserId::new(id)))?;
        let rows = members::list(tx, organization, &emails, after.as_ref(), page.rows())?;
        with_projects(tx, organization, rows)
    });
    answer(&control, list.await)
}

/// Retrieve a member of the organization.
#[utoipa::path(
    get, path = "/v1/organization/users/{user_id}", tag = "Users",
    operation_id = "retrieve_organization_user",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = OrganizationUser)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control
        .store
        .read(move |tx| find_shown(tx, &admin.organization, &id));
    answer(&control, read.await.map(Json))
}

/// Change a member's role. It needs every permission of the new one. The last owner stays one.
#[utoipa::path(
    post, path = "/v1/organization/users/{user_id}", tag = "Users",
    operation_id = "update_organization_user",
    params(("user_id" = String, Path, description = "The user")), request_body = UserChanges,
    responses((status = 200, body = OrganizationUser)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let role = UserChanges::read(&fields)?.role(&admin.organization)?;
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let member = find_member(tx, organization, &id)?;
            match role {
                Some(role) if role.name() != member.role => {
                    let realm = Realm::Organization(organization.clone());
                    may_give(role.permissions(), &realm, &standing)?;
                    members::set_role(tx, organization, &member.id, role.name(), now)
                        .map_err(refuse)?;
                    let event = Event::new(Kind::UserUpdated, &member.id);
                    let event = event.changes(json!({"role": role.name()}));
                    Ok(Done::new(event, find_shown(tx, organization, &id)?))
                }
                _ => Ok(Done::nothing(find_shown(tx, organization, &id)?)),
            }
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Remove a member from the organization: their keys work no more. The last owner stays.
#[utoipa::path(
    delete, path = "/v1/organization/users/{user_id}", tag = "Users",
    operation_id = "delete_organization_user",
    params(("user_id" = String, Path, description = "The user")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let member = find_member(tx, organization, &id)?.id;
        members::remove(tx, organization, &member, now).map_err(refuse)?;
        let deleted = Deleted::new("organization.user.deleted", id);
        Ok(Done::new(Event::new(Kind::UserDeleted, &member), deleted))
    });
    answer(&control, change.await.map(Json))
}

/// The addresses that a list is asked for; of what is none, nobody has it.
fn emails(query: &Query) -> Vec<String> {
    let mut emails = query.all("emails");
    emails.retain(|email| !email.is_empty());
    let compared = |text: String| match Email::parse(&text) {
        Ok(email) => email.as_str().to_owned(),
        Err(_) => text,
    };
    emails.into_iter().map(compared).collect()
}

fn refuse(error: MemberError) -> Refusal {
    match error {
        MemberError::LastOwner => Refusal::LastOwner,
        MemberError::Store(error) => Refusal::Store(error),
    }
}

/// Each member with the projects that they belong to.
fn with_projects(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    rows: Vec<Member>,
) -> Outcome<Vec<Row>> {
    let users: Vec<&UserId> = rows.iter().map(|member| &member.id).collect();
    let mut all: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for (user, membership) in project_members::memberships(tx, organization, &users)? {
        all.entry(user).or_default().push(membership);
    }
    let mut of = |member: Member| {
        let memberships = all.remove(&member.id).unwrap_or_default();
        (member, memberships)
    };
    Ok(rows.into_iter().map(&mut of).collect())
}

fn find_shown(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Outcome<OrganizationUser> {
    let member = find_member(tx, organization, id)?;
    let mut rows = with_projects(tx, organization, vec![member])?;
    Ok(rows.remove(0).into())
}

/// A member of the caller's organization.
pub(crate) fn find_member(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Outcome<Member> {
    members::get(tx, organization, &UserId::new(id))?.ok_or_else(|| Refusal::NotFound {
        what: "user",
        id: id.to_owned(),
    })
}
