//! `/v1/organization/groups/{group_id}/users`: who is in a group.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{GroupId, UserId};
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::page::Place;
use store::{Tx, groups, members, role_assignments};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::change::Done;
use crate::groups::find_group;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::role_assignments::Removed;
use crate::roles::{may_give_in, named};

/// Somebody in a group, as lists show them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupUser {
    id: String,
    name: String,
    email: String,
}

/// Somebody in a group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupUserDetail {
    #[serde(flatten)]
    user: GroupUser,
    picture: Option<String>,
    is_service_account: bool,
    #[schema(example = "user")]
    user_type: &'static str,
}

/// Somebody was put into a group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupUserAdded {
    #[schema(example = "group.user")]
    object: &'static str,
    user_id: String,
    group_id: String,
}

/// Who is to be put into a group.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the form of a body, which is read by its member")]
pub(crate) struct NewGroupUser {
    user_id: String,
}

impl From<groups::GroupMember> for GroupUser {
    fn from(member: groups::GroupMember) -> Self {
        GroupUser {
            id: member.id.to_string(),
            name: member.name,
            email: member.email,
        }
    }
}

impl Placed for groups::GroupMember {
    fn place(&self) -> Place {
        (self.added_at, self.id.to_string())
    }
}

/// List who is in a group, by when they joined.
#[utoipa::path(
    get, path = "/v1/organization/groups/{group_id}/users", tag = "Groups",
    operation_id = "list_group_users",
    params(
        ("group_id" = String, Path, description = "The group"),
        NextPage::<100>,
    ),
    responses((status = 200, body = NextList<GroupUser>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id]): Ids<1>,
    page: NextPage<100>,
) -> Response {
    let list = page.list::<GroupUser, _>(&control, move |tx, page| {
        let group = find_group(tx, &admin.organization, &group_id)?.id;
        let part = page.part(|id| {
            let member = groups::get_member(tx, &group, &UserId::new(id))?;
            Ok(member.as_ref().map(Placed::place))
        })?;
        Ok(groups::members(tx, &group, &part)?)
    });
    answer(&control, list.await)
}

/// Put a member of the organization into a group. It needs every permission of the group's roles.
#[utoipa::path(
    post, path = "/v1/organization/groups/{group_id}/users", tag = "Groups",
    operation_id = "add_group_user", request_body = NewGroupUser,
    params(("group_id" = String, Path, description = "The group")),
    responses((status = 200, body = GroupUserAdded)), security(("admin_key" = []))
)]
pub(crate) async fn add(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let user_id = fields
            .required("user_id", fields.id("user_id")?)?
            .to_owned();
        let giver = admin.clone();
        let change = control.change(admin, move |tx, organization, now| {
            let group = find_group(tx, organization, &group_id)?.id;
            let user = UserId::new(&user_id);
            if members::get(tx, organization, &user)?.is_none() {
                return Err(Refusal::NotFound {
                    what: "user",
                    id: user_id,
                });
            }
            may_give_roles_of(tx, &group, &giver)?;
            let event =
                Event::new(Kind::GroupMemberAdded, &group).data(json!({"user_id": user_id}));
            let added = GroupUserAdded {
                object: "group.user",
                user_id,
                group_id,
            };
            let is_new = groups::add_member(tx, organization, &group, &user, now)?;
            Ok(Done::when(is_new, event, added))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Retrieve somebody in a group.
#[utoipa::path(
    get, path = "/v1/organization/groups/{group_id}/users/{user_id}", tag = "Groups",
    operation_id = "retrieve_group_user",
    params(
        ("group_id" = String, Path, description = "The group"),
        ("user_id" = String, Path, description = "The user"),
    ),
    responses((status = 200, body = GroupUserDetail)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id, user_id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let group = find_group(tx, &admin.organization, &group_id)?.id;
        let member = groups::get_member(tx, &group, &UserId::new(&user_id))?;
        let member = member.ok_or_else(|| not_in_group(user_id))?;
        Ok(GroupUserDetail {
            user: member.into(),
            picture: None,
            is_service_account: false,
            user_type: "user",
        })
    });
    answer(&control, read.await.map(Json))
}

/// Take somebody out of a group.
#[utoipa::path(
    delete, path = "/v1/organization/groups/{group_id}/users/{user_id}", tag = "Groups",
    operation_id = "remove_group_user",
    params(
        ("group_id" = String, Path, description = "The group"),
        ("user_id" = String, Path, description = "The user"),
    ),
    responses((status = 200, body = Removed)), security(("admin_key" = []))
)]
pub(crate) async fn remove(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id, user_id]): Ids<2>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let group = find_group(tx, organization, &group_id)?.id;
        if !groups::remove_member(tx, &group, &UserId::new(&user_id), now)? {
            return Err(not_in_group(user_id));
        }
        let event = Event::new(Kind::GroupMemberRemoved, &group);
        let event = event.data(json!({"user_id": user_id}));
        Ok(Done::new(event, Removed::new("group.user.deleted")))
    });
    answer(&control, change.await.map(Json))
}

/// Refuses to put anybody into a group that may do what the caller may not.
fn may_give_roles_of(tx: &mut Tx<'_>, group: &GroupId, caller: &Caller) -> Outcome<()> {
    for (realm, role) in role_assignments::of_group(tx, &caller.organization, group)? {
        if let Some(role) = named(tx, &caller.organization, &realm, &role)? {
            may_give_in(tx, role.permissions(), &realm, caller)?;
        }
    }
    Ok(())
}

fn not_in_group(user_id: String) -> Refusal {
    Refusal::NotFound {
        what: "user",
        id: user_id,
    }
}
