//! Every route, called by everybody: allowed, or refused in exactly these words.

use std::collections::BTreeSet;

use domain::access::Owner;
use domain::id::{ServiceAccountId, UserId};
use domain::key::KeySecret;
use domain::permission::{Permission, Permissions, PredefinedRole, Realm, Resource};
use farebox_control::access::{AT_HOME, Need, OPERATORS, OWN_ACCOUNT, RULES, Rule, SIGNED};
use http::Method;
use serde_json::{Value, json};
use store::StoreError;
use store::service_accounts::{self, ServiceAccount};
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::{MADE, custom_role, join, key, leave, member};
use crate::world::{World, entropy};

/// What a caller is to be told.
enum Told {
    /// What a handler answers: not that the caller may not.
    Anything,
    /// A permission is missing.
    Missing(Permission),
    /// The key is none for this, with the beginning of what is said.
    BadKey(&'static str),
    /// There is no key.
    NoKey,
}

/// A path with its ids filled in: the project that the cast works in, and others that are not
/// there.
fn filled(world: &World, path: &str) -> String {
    let part = |part: &str| match part {
        "{project_id}" => world.made.project.to_string(),
        part if part.starts_with('{') => "nothing_abc".into(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn check(world: &World, rule: &Rule, who: &str, secret: Option<&str>, told: Told) {
    let method = Method::from_bytes(rule.method.as_bytes()).unwrap();
    let mut request = Request::new(method, &world.url(&filled(world, rule.path)));
    if let Some(secret) = secret {
        request = request.bearer(secret);
    }
    let answer = request.send().await.unwrap();
    let error = &answer.json()["error"];
    let message = error["message"].as_str().unwrap_or_default();
    let shown = format!(
        "{who}: {} {}: {} {error}",
        rule.method, rule.path, answer.status
    );
    match told {
        Told::Anything => {
            assert!(![401, 403, 405, 500].contains(&answer.status), "{shown}");
            let nowhere = message.starts_with("Invalid URL");
            assert!(!nowhere, "the path leads to a handler: {shown}");
        }
        Told::Missing(permission) => {
            assert_eq!(answer.status, 403, "{shown}");
            assert_eq!(error["code"], "missing_scope", "{shown}");
            assert_eq!(error["type"], "invalid_request_error", "{shown}");
            assert_eq!(error["param"], Value::Null, "{shown}");
            let opening = format!(
                "You have insufficient permissions for this operation. Missing scopes: {}. Check \
                 that you have the correct role in your organization ",
                permission.as_str()
            );
            assert!(message.starts_with(&opening), "{shown}");
        }
        Told::BadKey(opening) => {
            assert_eq!(answer.status, 401, "{shown}");
            assert_eq!(error["code"], "invalid_api_key", "{shown}");
            let opening = format!("Incorrect API key provided: {opening}");
            assert!(message.starts_with(&opening), "{shown}");
        }
        Told::NoKey => {
            assert_eq!(answer.status, 401, "{shown}");
            assert_eq!(error["code"], Value::Null, "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_has_a_rule_and_every_rule_a_route() {
    let world = World::start(testkit::databases::sqlite()).await;
    let description: Value = serde_json::from_str(&world.description.to_json().unwrap()).unwrap();
    let mut routes = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        if OWN_ACCOUNT.iter().any(|own| path.starts_with(own)) {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            if method != "parameters" {
                routes.insert((path.clone(), method.to_uppercase()));
            }
        }
    }
    for (path, method) in AT_HOME.iter().chain(SIGNED) {
        let place = ((*path).to_owned(), (*method).to_owned());
        assert!(routes.remove(&place), "{path} has no route");
    }
    for (path, methods) in OPERATORS {
        for method in *methods {
            let place = ((*path).to_owned(), (*method).to_owned());
            assert!(routes.remove(&place), "{method} {path} has no route");
        }
    }
    let pairs = RULES
        .iter()
        .map(|rule| (rule.path.to_owned(), rule.method.to_owned()));
    let rules: BTreeSet<_> = pairs.collect();
    assert_eq!(rules.len(), RULES.len(), "no route has two rules");
    assert_eq!(
        rules, routes,
        "crates/control/src/access.rs, and the routes"
    );
    for rule in RULES {
        let names_one = rule.path.contains("{project_id}");
        let in_project = matches!(rule.need, Need::Project(_) | Need::Own(_));
        assert_eq!(names_one, in_project, "{rule:?}");
        if names_one {
            assert_eq!(rule.permission().resource(), Resource::Project, "{rule:?}");
        }
    }
}

/// What roles allow of a rule to somebody in the organization, who belongs to the project or does
/// not.
fn wanted(rule: &Rule, allowed: Permissions, belongs: bool) -> Told {
    let without = match rule.need {
        Need::Listed(_) => true,
        Need::Own(_) => belongs,
        Need::Organization(_) | Need::Project(_) => false,
    };
    match without || allowed.contains(rule.permission()) {
        true => Told::Anything,
        false => Told::Missing(rule.permission()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_decide_about_every_route() {
    on_each_database(async |database| {
        use PredefinedRole::{OrganizationOwner, OrganizationReader};
        let world = World::start(database).await;
        let mut cast = vec![
            (
                "owner",
                world.person("owner", "owner", None).await,
                OrganizationOwner.permissions(),
                Permissions::NONE,
            ),
            (
                "reader",
                world.person("reader", "reader", None).await,
                OrganizationReader.permissions(),
                Permissions::NONE,
            ),
        ];
        for role in PredefinedRole::of(Resource::Project) {
            let name = role.name();
            let key = match name {
                "owner" => world.person("project-owner", "reader", Some(name)).await,
                name => world.person(name, "reader", Some(name)).await,
            };
            let everywhere = OrganizationReader.permissions();
            cast.push((name, key, everywhere, role.permissions()));
        }
        for rule in RULES {
            for (who, key, everywhere, in_project) in &cast {
                let allowed = match rule.need {
                    Need::Organization(_) | Need::Listed(_) => *everywhere,
                    Need::Project(_) | Need::Own(_) => everywhere.and(*in_project),
                };
                let told = wanted(rule, allowed, !in_project.is_empty());
                check(&world, rule, who, Some(key.expose()), told).await;
            }
        }
    })
    .await;
}

/// For each permission, somebody who has nothing else, and somebody who has everything else: in the
/// organization, and in the project.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_opens_its_routes_and_no_others() {
    let world = World::start(testkit::databases::sqlite()).await;
    let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
    let made = world.store.write(move |tx| -> Result<_, StoreError> {
        let mut cast: Vec<(Permissions, Realm, KeySecret)> = Vec::new();
        let everything = Permissions::of(Permission::ALL);
        for permission in Permission::ALL {
            let one = Permissions::of(&[*permission]);
            for permissions in [one, everything.without(one)] {
                for realm in [
                    Realm::Organization(organization.clone()),
                    Realm::Project(project.clone()),
                ] {
                    let name = format!("{}", cast.len());
                    let user = member(tx, &organization, &name, "reader")?;
                    if let Realm::Project(project) = &realm {
                        join(tx, &organization, project, &user, "viewer")?;
                    }
                    custom_role(tx, &organization, realm.clone(), &user, permissions)?;
                    let key = key(tx, &organization, None, Owner::User(user))?;
                    cast.push((permissions, realm, key));
                }
            }
        }
        Ok(cast)
    });
    let cast = made.await.unwrap();
    for rule in RULES {
        for (permissions, realm, key) in &cast {
            let reader = PredefinedRole::OrganizationReader.permissions();
            let viewer = PredefinedRole::ProjectViewer.permissions();
            let allowed = match (rule.need, realm) {
                (_, Realm::Organization(_)) => reader.and(*permissions),
                (Need::Organization(_) | Need::Listed(_), Realm::Project(_)) => reader,
                (Need::Project(_) | Need::Own(_), Realm::Project(_)) => viewer.and(*permissions),
            };
            let who = format!("{permissions:?} in {realm:?}");
            let told = wanted(rule, allowed, matches!(realm, Realm::Project(_)));
            check(&world, rule, &who, Some(key.expose()), told).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_open_nothing() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
        let write = world.store.write(move |tx| -> Result<_, StoreError> {
            let account = ServiceAccount {
                id: ServiceAccountId::random(entropy),
                name: "bot".into(),
                role: "owner".into(),
                created_at: MADE,
            };
            service_accounts::create(tx, &organization, &project, &account)?;
            let owner = Owner::ServiceAccount(account.id);
            let of_account = key(tx, &organization, Some(&project), owner)?;
            // Whoever left the organization left all that was allowed there.
            let gone = member(tx, &organization, "gone", "owner")?;
            let of_gone = key(tx, &organization, None, Owner::User(gone.clone()))?;
            leave(tx, &gone)?;
            let revoked = key(
                tx,
                &organization,
                None,
                Owner::User(UserId::new("user-gone")),
            )?;
            let id = store::keys::active_by_digest(tx, &revoked.digest())?;
            store::keys::revoke(tx, &id.unwrap().principal.key, MADE)?;
            Ok((of_account, of_gone, revoked))
        });
        let (of_account, of_gone, revoked) = write.await.unwrap();
        let needs_admin = || Told::BadKey("the Administration API needs an admin key");
        for rule in RULES {
            let data_key = world.made.api_key.expose();
            check(&world, rule, "project key", Some(data_key), needs_admin()).await;
            let bot = of_account.expose();
            check(&world, rule, "service account", Some(bot), needs_admin()).await;
            let missing = Told::Missing(rule.permission());
            check(&world, rule, "gone", Some(of_gone.expose()), missing).await;
            let bad = Told::BadKey("sk-admin");
            check(&world, rule, "revoked", Some(revoked.expose()), bad).await;
            let mistyped = Told::BadKey("****");
            check(&world, rule, "mistyped", Some("sk-fare0000"), mistyped).await;
            check(&world, rule, "nobody", None, Told::NoKey).await;
        }
    })
    .await;
}

/// Somebody who may do everything in one project may do nothing in another, nor see whether it is
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_role_ends_where_its_project_ends() {
    let world = World::start(testkit::databases::sqlite()).await;
    let other = world.post("/projects", &json!({"name": "Other"})).await;
    let other = other.json()["id"].as_str().unwrap().to_owned();
    let owner = world.person("bob", "reader", Some("owner")).await;
    for project in [other.as_str(), "proj_nowhere"] {
        let url = world.url(&format!("/projects/{project}"));
        let request = Request::get(&url).bearer(owner.expose());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "missing_scope");
    }
}
