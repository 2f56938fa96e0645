//! Projects: made, listed, renamed, archived.

use domain::access::Owner;
use domain::id::{GroupId, OrganizationId, ProjectId, RoleAssignmentId, RoleId, UserId};
use domain::key::KeySecret;
use domain::permission::{Permission, Permissions, PredefinedRole, Realm, RoleName};
use http::Method;
use serde_json::{Value, json};
use store::groups::{self, Group};
use store::role_assignments::{self, Assignment, Holder};
use store::roles::{self, Role};
use store::{StoreError, Tx};
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::{MADE, join, key, member};
use crate::world::{World, entropy, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_from_its_creation_to_its_archive() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world
            .post("/projects", &json!({"name": "  Search  "}))
            .await
            .json();
        assert_eq!(made["object"], "organization.project");
        assert_eq!(
            (&made["name"], &made["status"]),
            (&json!("Search"), &json!("active"))
        );
        assert_eq!(made["archived_at"], Value::Null);
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("proj_") && id.len() == 29);
        let path = format!("/projects/{id}");
        assert_eq!(world.get(&path).await.json(), made);
        let renamed = world.post(&path, &json!({"name": "Find"})).await.json();
        assert_eq!(renamed["name"], "Find");
        let archived = world
            .post(&format!("{path}/archive"), &json!({}))
            .await
            .json();
        assert_eq!(archived["status"], "archived");
        assert!(archived["archived_at"].as_i64().unwrap() > 0);
        let again = world.post(&path, &json!({"name": "x"})).await;
        refused(&again, 400, Value::Null, "project_archived");
        let ids = |list: Value| list["data"].as_array().unwrap().len();
        assert_eq!(
            ids(world.get("/projects").await.json()),
            1,
            "only the default one"
        );
        assert_eq!(
            ids(world.get("/projects?include_archived=true").await.json()),
            2
        );

        let default = format!("/projects/{}/archive", world.made.project);
        refused(
            &world.post(&default, &json!({})).await,
            400,
            Value::Null,
            "project_archived",
        );
        let missing = world.get("/projects/proj_nothing").await;
        refused(&missing, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_walked_page_by_page() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for number in 0..44 {
            world
                .post("/projects", &json!({"name": format!("p{number}")}))
                .await;
        }
        let (mut after, mut seen, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let list = world
                .get(&format!("/projects?limit=20&after={after}"))
                .await
                .json();
            let data = list["data"].as_array().unwrap();
            assert_eq!(list["first_id"], data.first().unwrap()["id"]);
            assert_eq!(list["last_id"], data.last().unwrap()["id"]);
            seen.extend(
                data.iter()
                    .map(|project| project["name"].as_str().unwrap().to_owned()),
            );
            pages += 1;
            after = list["last_id"].as_str().unwrap().to_owned();
            if list["has_more"] == false {
                break;
            }
        }
        assert_eq!((pages, seen.len()), (3, 45));
        assert_eq!(
            (seen[0].as_str(), seen[44].as_str()),
            ("Default project", "p43")
        );
        for limit in ["0", "101", "x", "-1", "1.5"] {
            let answer = world.get(&format!("/projects?limit={limit}")).await;
            refused(&answer, 400, "limit", "invalid_value");
        }
        let answer = world.get("/projects?after=proj_nothing").await;
        refused(&answer, 400, "after", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_explained() {
    let world = World::start(testkit::databases::sqlite()).await;
    let missing = world.post("/projects", &json!({})).await;
    refused(&missing, 400, "name", "missing_required_parameter");
    for (name, code) in [
        (json!(""), "invalid_value"),
        (json!("   "), "invalid_value"),
        (json!(5), "invalid_type"),
        (json!("x".repeat(257)), "invalid_value"),
    ] {
        let answer = world.post("/projects", &json!({"name": name})).await;
        refused(&answer, 400, "name", code);
    }
    let request = world
        .request(Method::POST, "/projects")
        .body("application/json", "{nonsense");
    refused(
        &request.send().await.unwrap(),
        400,
        Value::Null,
        Value::Null,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_the_projects_that_their_roles_let_them_see() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let names = |list: &Value| -> Vec<String> {
            let data = list["data"].as_array().unwrap().iter();
            data.map(|project| project["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let mut made = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            let project = world.post("/projects", &json!({"name": name})).await.json();
            made.push(ProjectId::new(project["id"].as_str().unwrap()));
        }
        let (organization, projects) = (world.made.organization.clone(), made.clone());
        let write = world.store.write(move |tx| -> Result<_, StoreError> {
            let bob = member(tx, &organization, "bob", "reader")?;
            join(tx, &organization, &projects[0], &bob, "viewer")?;
            join(tx, &organization, &projects[2], &bob, "member")?;
            join(tx, &organization, &projects[4], &bob, "owner")?;
            through_a_group(tx, &organization, &bob, &projects)?;
            let nobody = member(tx, &organization, "nobody", "reader")?;
            let key_of = |tx: &mut _, user| key(tx, &organization, None, Owner::User(user));
            Ok((key_of(tx, bob)?, key_of(tx, nobody)?))
        });
        let (bob, nobody) = write.await.unwrap();
        let list = async |secret: &KeySecret, query: &str| {
            let url = world.url(&format!("/projects{query}"));
            Request::get(&url)
                .bearer(secret.expose())
                .send()
                .await
                .unwrap()
                .json()
        };
        assert_eq!(names(&list(&bob, "").await), ["a", "c", "d", "e"]);
        let first = list(&bob, "?limit=2").await;
        assert_eq!(
            (names(&first), &first["has_more"]),
            (vec!["a".into(), "c".into()], &json!(true))
        );
        let after = first["last_id"].as_str().unwrap();
        let second = list(&bob, &format!("?limit=2&after={after}")).await;
        assert_eq!(
            (names(&second), &second["has_more"]),
            (vec!["d".into(), "e".into()], &json!(false))
        );
        assert_eq!(names(&list(&nobody, "").await), Vec::<String>::new());
        assert_eq!(
            world.get("/projects").await.json()["data"]
                .as_array()
                .unwrap()
                .len(),
            6
        );

        world
            .post(&format!("/projects/{}/archive", made[2]), &json!({}))
            .await;
        assert_eq!(names(&list(&bob, "").await), ["a", "d", "e"]);
        assert_eq!(
            names(&list(&bob, "?include_archived=true").await),
            ["a", "c", "d", "e"]
        );
    })
    .await;
}

/// Roles through a group: one lets somebody see the fourth project, one not the second.
fn through_a_group(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    user: &UserId,
    projects: &[ProjectId],
) -> Result<(), StoreError> {
    let group = Group {
        id: GroupId::random(entropy),
        name: "g".into(),
        created_at: MADE,
    };
    groups::create(tx, organization, &group)?;
    groups::add_member(tx, organization, &group.id, user, MADE)?;
    let realm = |project: &ProjectId| Realm::Project(project.clone());
    let runs = Role {
        id: RoleId::random(entropy),
        name: "runs".into(),
        description: None,
        permissions: Permissions::of(&[Permission::ModelRequest]),
        created_by: None,
        created_at: MADE,
        updated_at: MADE,
    };
    roles::create(tx, organization, &realm(&projects[1]), &runs)?;
    let viewer = RoleName::Predefined(PredefinedRole::ProjectViewer);
    for (project, role) in [
        (&projects[1], RoleName::Custom(runs.id)),
        (&projects[3], viewer),
    ] {
        let assignment = Assignment {
            organization: organization.clone(),
            realm: realm(project),
            holder: Holder::Group(group.id.clone()),
            role,
        };
        let id = RoleAssignmentId::random(entropy);
        role_assignments::assign(tx, &id, &assignment, MADE)?;
    }
    Ok(())
}
