//! Operators look after people.

use domain::access::Owner;
use serde_json::{Value, json};
use store::StoreError;
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::{key, member};
use crate::people_world::{Browser, PASSWORD, with_account};
use crate::world::{World, refused};

const PATH: &str = "/api/operator/users";
const GRACE: &str = "grace@example.com";

fn emails(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["email"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_and_shown() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let organization = world.made.organization.clone();
        let write = world.store.write(move |tx| {
            member(tx, &organization, "bob", "reader")?;
            member(tx, &organization, "eve", "owner")
        });
        let eve = write.await.unwrap();
        let mut operator = world.operator().await;
        let mut list = async |query: &str| {
            let answer = operator.get(&format!("{PATH}?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        };
        let (ada, bob, eva) = ("ada@example.com", "bob@example.com", "eve@example.com");
        assert_eq!(emails(&list("").await), [bob, eva, ada], "the oldest first");
        let first = list("limit=2").await;
        let next = first["next"].as_str().unwrap();
        assert_eq!(emails(&list(&format!("after={next}")).await), [ada]);
        assert_eq!(emails(&list("search=BOB").await), [bob]);
        assert_eq!(emails(&list(&format!("search={eve}")).await), [eva]);
        assert_eq!(emails(&list("is_operator=true").await), [ada]);
        assert_eq!(emails(&list("is_operator=false").await), [bob, eva]);
        assert_eq!(emails(&list("state=locked").await), [""; 0]);
        let shown = operator.get(&format!("{PATH}/{}", world.made.user)).await;
        let shown = shown.json();
        assert_eq!(shown["has_password"], true);
        assert_eq!(shown["organizations"][0]["name"], "Acme");
        assert_eq!(shown["sessions"].as_array().unwrap().len(), 1);
        let odd = operator.get(&format!("{PATH}?is_operator=yes")).await;
        refused(&odd, 400, "is_operator", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_locked_out_is_nobody_until_they_are_let_in_again() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut grace = Browser::new(&world);
        grace.sign_in(GRACE, PASSWORD).await;
        let id = grace.who().await.unwrap();
        let me = grace.get("/api/me").await.json();
        let organization = me["organizations"][0]["id"].as_str().unwrap();
        let organization = domain::id::OrganizationId::new(organization);
        let owner = Owner::User(domain::id::UserId::new(&id));
        let write = world
            .store
            .write(move |tx| key(tx, &organization, None, owner));
        let admin_key = write.await.unwrap();
        let projects = async || {
            let request = Request::get(&world.url("/projects")).bearer(admin_key.expose());
            request.send().await.unwrap()
        };
        assert_eq!(projects().await.status, 200);

        let mut operator = world.operator().await;
        let path = format!("{PATH}/{id}");
        let reason = json!({"reason": "Stolen"});
        let locked = operator.post(&format!("{path}/lock"), &reason).await;
        assert_eq!(locked.json()["state"], "locked", "{}", locked.text());
        assert_eq!(grace.who().await, Err(401));
        refused(&projects().await, 401, Value::Null, "invalid_api_key");
        let right = grace.sign_in(GRACE, PASSWORD).await;
        refused(&right, 403, Value::Null, "account_locked");
        let wrong = grace.sign_in(GRACE, "another password").await;
        refused(&wrong, 401, Value::Null, "wrong_credentials");
        // Whatever way somebody comes in, the session is none.
        let user = domain::id::UserId::new(&id);
        assert_eq!(world.signed_in(&user).await.who().await, Err(401));

        let open = operator.post(&format!("{path}/unlock"), &Value::Null).await;
        assert_eq!(open.json()["state"], "active");
        assert_eq!(projects().await.status, 200);
        grace.sign_in(GRACE, PASSWORD).await;
        assert_eq!(grace.who().await.as_deref(), Ok(id.as_str()));
        let out = operator
            .post(&format!("{path}/sign_out"), &Value::Null)
            .await;
        assert!(out.json()["sessions"].as_u64().unwrap() >= 1);
        assert_eq!(grace.who().await, Err(401));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_always_an_operator_who_can_sign_in() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let organization = world.made.organization.clone();
        let write = world.store.write(move |tx| -> Result<_, StoreError> {
            member(tx, &organization, "bob", "reader")
        });
        let bob = write.await.unwrap();
        let mut operator = world.operator().await;
        let me = format!("{PATH}/{}", world.made.user);
        let reason = json!({"reason": "a"});
        let role = |path: &str| format!("{path}/operator");
        refused(
            &operator.delete(&role(&me)).await,
            400,
            Value::Null,
            "last_operator",
        );
        let lock = operator.post(&format!("{me}/lock"), &reason).await;
        refused(&lock, 400, Value::Null, "last_operator");

        let mut of_bob = world.signed_in(&bob).await;
        refused(
            &of_bob.get(PATH).await,
            403,
            Value::Null,
            "operator_required",
        );
        let bob = format!("{PATH}/{bob}");
        let made = operator.post(&role(&bob), &Value::Null).await.json();
        assert_eq!(made["is_operator"], true);
        assert_eq!(
            of_bob.get(PATH).await.status,
            200,
            "from the next request on"
        );
        // Somebody who is locked out does not count.
        operator.post(&format!("{bob}/lock"), &reason).await;
        refused(
            &operator.delete(&role(&me)).await,
            400,
            Value::Null,
            "last_operator",
        );
        operator.post(&format!("{bob}/unlock"), &Value::Null).await;
        assert_eq!(
            operator.delete(&role(&me)).await.json()["is_operator"],
            false
        );
        refused(
            &operator.get(PATH).await,
            403,
            Value::Null,
            "operator_required",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_vouches_for_an_address() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut grace = Browser::new(&world);
        grace.sign_in(GRACE, PASSWORD).await;
        let path = format!("{PATH}/{}/email", grace.who().await.unwrap());
        let mut operator = world.operator().await;
        let taken = operator
            .post(&path, &json!({"email": "ada@example.com"}))
            .await;
        refused(&taken, 400, "email", "invalid_value");
        let no = operator.post(&path, &json!({"email": "nobody"})).await;
        refused(&no, 400, "email", "invalid_value");
        let set = operator
            .post(&path, &json!({"email": "Grace@New.example"}))
            .await;
        assert_eq!(set.json()["email"], "grace@new.example", "{}", set.text());
        refused(
            &grace.sign_in(GRACE, PASSWORD).await,
            401,
            Value::Null,
            "wrong_credentials",
        );
        assert_eq!(
            grace.sign_in("grace@new.example", PASSWORD).await.status,
            200
        );
    })
    .await;
}
