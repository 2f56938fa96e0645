//! Who one is.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use store::people::users::{self, Membership};
use store::standing;
use utoipa::ToSchema;

use super::caller::SignedIn;
use super::sessions::Session;
use crate::Control;
use crate::body::Fields;
use crate::respond::{Outcome, answer};

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    id: String,
    #[schema(value_type = String, example = "me")]
    object: &'static str,
    email: String,
    name: String,
    /// The phone number that was proved.
    phone: Option<String>,
    /// Whether there is a password to sign in with.
    has_password: bool,
    /// Whether you run this installation.
    is_operator: bool,
    created_at: i64,
    /// Those that you belong to, in the order in which you came to them.
    organizations: Vec<MyStanding>,
    /// The session of this request.
    session: Session,
}

/// An organization that one belongs to, and what one may do in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyStanding {
    #[serde(flatten)]
    organization: MyOrganization,
    /// What may be done in all of it. Roles in its projects allow more there.
    #[schema(example = json!(["api.usage.read", "api.model.read"]))]
    permissions: Vec<&'static str>,
}

/// An organization that one belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyOrganization {
    id: String,
    #[schema(value_type = String, example = "organization")]
    object: &'static str,
    name: String,
    /// `owner` or `reader`.
    #[schema(example = "owner")]
    role: String,
    default_project_id: String,
    /// Whether the operator of this installation suspended it: it can be looked at, and not
    /// changed or used.
    is_suspended: bool,
}

/// What is to change; what is absent stays.
#[derive(Debug, ToSchema)]
pub(crate) struct MyChanges {
    /// What you are called.
    name: Option<String>,
}

impl From<Membership> for MyOrganization {
    fn from(membership: Membership) -> Self {
        MyOrganization {
            id: membership.organization.to_string(),
            object: "organization",
            name: membership.name,
            role: membership.role,
            default_project_id: membership.default_project.to_string(),
            is_suspended: membership.is_suspended,
        }
    }
}

/// Tell who is signed in.
#[utoipa::path(
    get, path = "/api/me", tag = "Accounts", operation_id = "retrieve_me",
    responses((status = 200, body = Me)), security(("session" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, caller: SignedIn) -> Response {
    let outcome = control.shown(caller).await;
    answer(&control, outcome)
}

/// Change what you are called.
#[utoipa::path(
    post, path = "/api/me", tag = "Accounts", operation_id = "update_me",
    request_body = MyChanges,
    responses((status = 200, body = Me)), security(("session" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    mut caller: SignedIn,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = MyChanges {
            name: fields.name("name")?,
        };
        if let Some(name) = changes.name {
            caller.user.name.clone_from(&name);
            let user = caller.user.id.clone();
            let write = control
                .store
                .write(move |tx| users::rename(tx, &user, &name));
            write.await?;
        }
        control.shown(caller).await
    };
    answer(&control, outcome.await)
}

impl Control {
    /// Who is signed in, as it is shown to them.
    pub(super) async fn shown(&self, caller: SignedIn) -> Outcome<Json<Me>> {
        let SignedIn { session, user, .. } = caller;
        let read = self.store.read(move |tx| -> Outcome<_> {
            let has_password = users::password(tx, &user.id)?.is_some();
            let mut organizations = Vec::new();
            for membership in users::memberships(tx, &user.id)? {
                let standing = standing::of_user(tx, &membership.organization, &user.id, None)?;
                let permissions = standing.in_organization().iter();
                organizations.push(MyStanding {
                    permissions: permissions.map(|it| it.as_str()).collect(),
                    organization: membership.into(),
                });
            }
            let current = session.id.clone();
            Ok(Json(Me {
                id: user.id.to_string(),
                object: "me",
                email: user.email,
                name: user.name,
                phone: user.phone,
                has_password,
                is_operator: user.is_operator,
                created_at: user.created_at.seconds(),
                organizations,
                session: Session::of(session, &current),
            }))
        });
        read.await
    }
}
