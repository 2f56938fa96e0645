//! `/v1/organization/groups`: members who get roles together.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{GroupId, OrganizationId};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::groups;
use store::page::Place;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    #[schema(example = "group_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    name: String,
    created_at: i64,
    is_scim_managed: bool,
    #[schema(example = "group")]
    group_type: &'static str,
}

/// A group to be made, or its new name.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the form of a body, which is read by its member")]
pub(crate) struct GroupName {
    name: String,
}

/// The most groups of an organization.
const MOST_GROUPS: u64 = 10_000;

/// The kind of every group here: OpenAI knows others.
pub(crate) const GROUP_TYPE: &str = "group";

impl From<groups::Group> for Group {
    fn from(group: groups::Group) -> Self {
        Group {
            id: group.id.to_string(),
            name: group.name,
            created_at: group.created_at.seconds(),
            is_scim_managed: false,
            group_type: GROUP_TYPE,
        }
    }
}

impl Placed for groups::Group {
    fn place(&self) -> Place {
        (self.created_at, self.id.to_string())
    }
}

/// List groups.
#[utoipa::path(
    get, path = "/v1/organization/groups", tag = "Groups", operation_id = "list_groups",
    params(NextPage::<100>),
    responses((status = 200, body = NextList<Group>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: NextPage<100>,
) -> Response {
    let list = page.list::<Group, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let part = page.part(|id| {
            let group = groups::get(tx, organization, &GroupId::new(id))?;
            Ok(group.as_ref().map(Placed::place))
        })?;
        Ok(groups::list(tx, organization, &part)?)
    });
    answer(&control, list.await)
}

/// Create a group.
#[utoipa::path(
    post, path = "/v1/organization/groups", tag = "Groups", operation_id = "create_group",
    request_body = GroupName,
    responses((status = 200, body = Group)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let name = fields.required("name", fields.name("name")?)?;
        let id = GroupId::random(control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            if groups::count(tx, organization)? >= MOST_GROUPS {
                let message =
                    format!("There are {MOST_GROUPS} groups, the most there may be. Delete one.");
                return Err(Refusal::TooManyLimits { message });
            }
            let group = groups::Group {
                id,
                name,
                created_at: now,
            };
            groups::create(tx, organization, &group)?;
            let event = Event::new(Kind::GroupCreated, &group.id);
            let event = event.data(json!({"group_name": group.name}));
            Ok(Done::new(event, Group::from(group)))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Retrieve a group.
#[utoipa::path(
    get, path = "/v1/organization/groups/{group_id}", tag = "Groups",
    operation_id = "retrieve_group",
    params(("group_id" = String, Path, description = "The group")),
    responses((status = 200, body = Group)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id]): Ids<1>,
) -> Response {
    let read = control
        .store
        .read(move |tx| find_group(tx, &admin.organization, &group_id));
    answer(&control, read.await.map(|group| Json(Group::from(group))))
}

/// Rename a group.
#[utoipa::path(
    post, path = "/v1/organization/groups/{group_id}", tag = "Groups",
    operation_id = "update_group", request_body = GroupName,
    params(("group_id" = String, Path, description = "The group")),
    responses((status = 200, body = Group)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let name = fields.required("name", fields.name("name")?)?;
        let change = control.change(admin, move |tx, organization, _| {
            let mut group = find_group(tx, organization, &group_id)?;
            groups::rename(tx, &group.id, &name)?;
            group.name = name;
            let event = Event::new(Kind::GroupUpdated, &group.id);
            let event = event.changes(json!({"group_name": group.name}));
            Ok(Done::new(event, Group::from(group)))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Delete a group: what its members had through it they have no more.
#[utoipa::path(
    delete, path = "/v1/organization/groups/{group_id}", tag = "Groups",
    operation_id = "delete_group",
    params(("group_id" = String, Path, description = "The group")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([group_id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let group = find_group(tx, organization, &group_id)?.id;
        groups::delete(tx, organization, &group, now)?;
        let deleted = Deleted::new("group.deleted", group_id);
        Ok(Done::new(Event::new(Kind::GroupDeleted, &group), deleted))
    });
    answer(&control, change.await.map(Json))
}

/// A group of the caller's organization.
pub(crate) fn find_group(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Outcome<groups::Group> {
    let found = groups::get(tx, organization, &GroupId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "group",
        id: id.to_owned(),
    })
}
