//! A person's key does what the person may do in its project, from the moment that this changes.

// SQL in a test: nobody can become a member of anything yet.

use domain::access::Owner;
use domain::id::{GroupId, KeyId, RoleAssignmentId, RoleId, UserId};
use domain::key::{KeyClass, KeySecret};
use domain::permission::{Permission, Permissions, PredefinedRole, Realm, RoleName};
use domain::time::AtUs;
use serde_json::Value;
use store::changes::{self, ChangeKind};
use store::groups::{self, Group};
use store::keys::NewKey;
use store::role_assignments::{self, Assignment, Holder};
use store::roles::{self, Role};
use store::{StoreError, Tx};
use testkit::http::Request;
use testkit::{Upstream, on_each_database};

use crate::world::{Plan, World, clock, entropy, hello};

/// Somebody with a key, and the world it is used in.
struct Bob {
    world: World,
    user: UserId,
    secret: String,
}

impl Bob {
    /// A reader of the organization, with a key in its project.
    async fn new(world: World) -> Bob {
        let secret = KeySecret::mint(KeyClass::Project, entropy);
        let shown = secret.expose().to_owned();
        let user = UserId::new("user-bob");
        let bob = Bob {
            world,
            user,
            secret: shown,
        };
        let (user, organization) = (bob.user.clone(), bob.world.made.organization.clone());
        let project = bob.world.made.project.clone();
        bob.change(move |tx, now| {
            for sql in [
                "INSERT INTO users (id, email, name, password_hash, created_at_us)
                 VALUES ('user-bob', 'bob@example.com', 'Bob', 'none', 1)",
                "INSERT INTO members (organization_id, user_id, role, added_at_us)
                 SELECT id, 'user-bob', 'reader', 1 FROM organizations",
            ] {
                tx.execute_one(sql, &[])?;
            }
            let new = NewKey {
                id: KeyId::random(entropy),
                organization: &organization,
                project: Some(&project),
                owner: Owner::User(user),
                name: "k",
                expires_at: None,
            };
            store::keys::create(tx, &new, &secret, now)
        })
        .await;
        bob
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut Tx<'_>, AtUs) -> Result<(), StoreError> + Send + 'static,
    ) {
        let now = clock()();
        let write = self.world.store.write(move |tx| change(tx, now));
        write.await.unwrap();
    }

    /// A change of membership, told as whoever makes it must.
    async fn membership(&self, sql: &'static str) {
        let user = self.user.clone();
        let change = move |tx: &mut Tx<'_>, now| {
            tx.execute_one(sql, &[])?;
            changes::record(tx, ChangeKind::User, user.as_str(), now)
        };
        self.change(change).await;
    }

    fn of_project(&self, holder: Holder, role: RoleName) -> Assignment {
        Assignment {
            organization: self.world.made.organization.clone(),
            realm: Realm::Project(self.world.made.project.clone()),
            holder,
            role,
        }
    }

    /// The status and code of a request for a model, and of a look at the list of models.
    async fn tries(&self) -> [(u16, Value); 2] {
        let chat = Request::post(&self.world.url("/chat/completions")).json(&hello(10));
        let list = Request::get(&self.world.url("/models"));
        let mut got = Vec::new();
        for request in [chat, list] {
            let answer = request.bearer(&self.secret).send().await.unwrap();
            got.push((answer.status, answer.json()["error"]["code"].clone()));
        }
        got.try_into().unwrap()
    }

    async fn runs_models(&self) {
        assert_eq!(self.tries().await, [(200, Value::Null), (200, Value::Null)]);
    }

    async fn only_looks(&self) {
        let refused = (403, "missing_scope".into());
        assert_eq!(self.tries().await, [refused, (200, Value::Null)]);
    }

    async fn is_out(&self) {
        let refused = (401, Value::from("invalid_api_key"));
        assert_eq!(self.tries().await, [refused.clone(), refused]);
    }
}

const JOIN: &str = "INSERT INTO project_members
     (project_id, user_id, organization_id, role, added_at_us)
     SELECT id, 'user-bob', organization_id, 'member', 1 FROM projects";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_while_its_owner_is_a_member_who_may_run_models() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let bob = Bob::new(world).await;
        bob.is_out().await;
        bob.membership(JOIN).await;
        bob.runs_models().await;
        bob.membership("UPDATE project_members SET role = 'viewer'")
            .await;
        bob.only_looks().await;
        bob.membership("UPDATE project_members SET role = 'owner'")
            .await;
        bob.runs_models().await;
        bob.membership("DELETE FROM project_members").await;
        bob.is_out().await;
        bob.membership("UPDATE members SET role = 'owner' WHERE user_id = 'user-bob'")
            .await;
        bob.runs_models().await;
        bob.membership("DELETE FROM members WHERE user_id = 'user-bob'")
            .await;
        bob.is_out().await;
        let mut request = Request::get(&bob.world.url("/models"));
        request = request.bearer(&bob.secret);
        let message = request.send().await.unwrap().json()["error"]["message"].clone();
        let project = bob.world.made.project.as_str();
        assert!(message.as_str().unwrap().contains(project), "{message}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_groups_change_what_keys_may_do() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let bob = Bob::new(world).await;
        let organization = bob.world.made.organization.clone();
        let group = Group {
            id: GroupId::random(entropy),
            name: "Callers".into(),
            created_at: AtUs(1),
        };
        let viewer = RoleName::Predefined(PredefinedRole::ProjectViewer);
        let gets = bob.of_project(Holder::Group(group.id.clone()), viewer);
        let (of, made, user) = (organization.clone(), group.clone(), bob.user.clone());
        bob.change(move |tx, now| {
            groups::create(tx, &of, &made)?;
            role_assignments::assign(tx, &RoleAssignmentId::random(entropy), &gets, now)?;
            groups::add_member(tx, &of, &made.id, &user, now)?;
            Ok(())
        })
        .await;
        bob.only_looks().await;

        let role = Role {
            id: RoleId::random(entropy),
            name: "Caller".into(),
            description: None,
            permissions: Permissions::of(&[Permission::ModelRequest]),
            created_by: None,
            created_at: AtUs(1),
            updated_at: AtUs(1),
        };
        let name = RoleName::Custom(role.id.clone());
        let gets = bob.of_project(Holder::Group(group.id.clone()), name);
        let (of, made) = (organization.clone(), role.clone());
        bob.change(move |tx, now| {
            roles::create(tx, &of, &gets.realm, &made)?;
            role_assignments::assign(tx, &RoleAssignmentId::random(entropy), &gets, now)?;
            Ok(())
        })
        .await;
        bob.runs_models().await;

        let (of, changed) = (organization.clone(), role.clone());
        bob.change(move |tx, _| {
            let permissions = Permissions::NONE;
            roles::change(
                tx,
                &of,
                &Role {
                    permissions,
                    ..changed
                },
            )
        })
        .await;
        bob.only_looks().await;
        let (of, back) = (organization.clone(), role.clone());
        bob.change(move |tx, _| roles::change(tx, &of, &back)).await;
        bob.runs_models().await;
        let of = organization.clone();
        bob.change(move |tx, now| roles::delete(tx, &of, &role.id, now))
            .await;
        bob.only_looks().await;
        bob.change(move |tx, now| groups::delete(tx, &organization, &group.id, now))
            .await;
        bob.is_out().await;
    })
    .await;
}

/// What another server starts with is what this one came to by changes.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_knows_it_from_the_start() {
    let upstream = Upstream::echo().await;
    let upstreams = [upstream.base_url()];
    let database = testkit::databases::sqlite();
    let world = World::start(database, &upstreams, Plan::default()).await;
    let mut bob = Bob::new(world).await;
    bob.world = bob.world.restart(&upstreams).await;
    bob.is_out().await;
    bob.membership(JOIN).await;
    bob.world = bob.world.restart(&upstreams).await;
    bob.runs_models().await;
}
