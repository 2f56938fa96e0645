//! Every route of operators, called by everybody else: refused in the same words, whatever they ask
//! for.

use farebox_control::access::OPERATORS;
use http::Method;
use serde_json::{Value, json};
use store::StoreError;
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::{key, member};
use crate::people_world::Browser;
use crate::world::{World, refused};

/// Every route, once with ids of what is there and once with ids of nothing.
fn routes(world: &World) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    for (path, methods) in OPERATORS {
        let there = path
            .replace("{user_id}", world.made.user.as_str())
            .replace("{organization_id}", world.made.organization.as_str())
            .replace("{model_id}", "m")
            .replace("{upstream_id}", "well");
        for path in [there, (*path).to_owned()] {
            let part = |part: &str| match part.starts_with('{') {
                true => "nothing_abc".to_owned(),
                false => part.to_owned(),
            };
            let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
            for method in *methods {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                routes.push((method, path.clone()));
            }
        }
    }
    routes
}

/// Somebody's way of calling.
enum Caller<'a> {
    Browser(&'a Browser<'a>),
    Key(&'a str),
    /// With the operator's cookie, and a key.
    Both(&'a Browser<'a>, &'a str),
}

impl Caller<'_> {
    fn request(&self, world: &World, method: Method, path: &str) -> Request {
        match self {
            Caller::Browser(browser) => browser.request(method, path),
            Caller::Key(key) => Request::new(method, &world.url(path)).bearer(key),
            Caller::Both(browser, key) => browser.request(method, path).bearer(key),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_operator_is_let_in_and_all_are_told_the_same() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let organization = world.made.organization.clone();
        let write = world.store.write(move |tx| -> Result<_, StoreError> {
            let owner = member(tx, &organization, "owner", "owner")?;
            let reader = member(tx, &organization, "reader", "reader")?;
            let of_owner = domain::access::Owner::User(owner.clone());
            let admin_key = key(tx, &organization, None, of_owner)?;
            Ok((owner, reader, admin_key))
        });
        let (owner, reader, admin_key) = write.await.unwrap();
        let (owner, reader) = (
            world.signed_in(&owner).await,
            world.signed_in(&reader).await,
        );
        let operator = world.operator().await;
        let cast = [
            ("owner", Caller::Browser(&owner)),
            ("reader", Caller::Browser(&reader)),
            ("admin key", Caller::Key(admin_key.expose())),
            (
                "admin key of an operator",
                Caller::Key(world.made.admin_key.expose()),
            ),
            (
                "project key of an operator",
                Caller::Key(world.made.api_key.expose()),
            ),
            ("no key of ours", Caller::Key("sk-abc")),
            (
                "an operator with a key",
                Caller::Both(&operator, world.made.admin_key.expose()),
            ),
        ];
        let mut said: Option<Value> = None;
        for (method, path) in routes(&world) {
            for (who, caller) in &cast {
                let request = caller.request(&world, method.clone(), &path);
                let answer = request.json(&json!({})).send().await.unwrap();
                assert_eq!(answer.status, 403, "{who}: {method} {path}");
                let body = answer.json();
                assert_eq!(body["error"]["code"], "operator_required");
                assert_eq!(said.get_or_insert(body.clone()), &body, "{who}: {path}");
            }
            let nobody = Browser::new(&world).request(method.clone(), &path);
            let answer = nobody.send().await.unwrap();
            refused(&answer, 401, Value::Null, "not_signed_in");
        }
        for (method, path) in routes(&world) {
            // Another session each time: some of the routes end it.
            let operator = world.operator().await;
            let request = operator.request(method.clone(), &path).json(&json!({}));
            let answer = request.send().await.unwrap();
            let shown = format!("{method} {path}: {} {}", answer.status, answer.text());
            assert!(![401, 403, 405, 500].contains(&answer.status), "{shown}");
            assert!(!answer.text().contains("Invalid URL"), "{shown}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_nobody_from_another_sites_page() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut operator = world.operator().await;
    let path = format!("/api/operator/users/{}/sign_out", world.made.user);
    let cross = operator
        .request(Method::POST, &path)
        .header("sec-fetch-site", "cross-site");
    refused(
        &operator.send(cross).await,
        403,
        Value::Null,
        "cross_origin",
    );
    assert_eq!(operator.get("/api/operator/audit_logs").await.status, 200);
}
