//! Somebody who has an account finds an invite, accepts or declines it; nobody else does.

use domain::permission::Permission;
use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::{Browser, sign_up, with_account};
use crate::world::{World, refused};

const GRACE: &str = "grace@example.com";

/// An invite of Acme's: its id, and the secret that was mailed.
async fn invite(world: &World, email: &str, projects: Value) -> (String, String) {
    let asked = json!({"email": email, "role": "reader", "projects": projects});
    let sent = world.post("/invites", &asked).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let link = world.fact(email, "invite", "link").await;
    let secret = link.split_once('#').unwrap().1.to_owned();
    (sent.json()["id"].as_str().unwrap().to_owned(), secret)
}

/// Grace, signed in.
async fn grace(world: &World) -> Browser<'_> {
    let mut browser = Browser::new(world);
    let password = crate::people_world::PASSWORD;
    assert_eq!(browser.sign_in(GRACE, password).await.status, 200);
    browser
}

async fn organizations(browser: &mut Browser<'_>) -> usize {
    let me = browser.get("/api/me").await.json();
    me["organizations"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_seen_by_its_address_and_accepted_with_its_role_and_projects() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let made = world.post("/projects", &json!({"name": "Search"})).await;
        let made = made.json();
        let projects = json!([{"id": made["id"], "role": "member"}]);
        let (id, _) = invite(&world, GRACE, projects.clone()).await;
        let mut browser = grace(&world).await;
        let list = browser.get("/api/me/invites").await.json();
        let [shown] = &list["data"].as_array().unwrap()[..] else {
            panic!("one: {list}")
        };
        let acme = json!({
            "object": "organization", "id": world.made.organization.as_str(), "name": "Acme",
        });
        assert_eq!(
            *shown,
            json!({
                "object": "invitation", "id": id, "email": GRACE, "organization": acme,
                "role": "reader", "projects": projects, "created_at": shown["created_at"],
                "expires_at": shown["created_at"].as_i64().unwrap() + 7 * 86_400,
            })
        );

        let path = format!("/api/me/invites/{id}/accept");
        let joined = browser.post(&path, &json!({})).await;
        assert_eq!(joined.status, 200, "{}", joined.text());
        assert_eq!(joined.json()["id"], world.made.organization.as_str());
        assert_eq!(joined.json()["role"], "reader");
        let me = browser.get("/api/me").await.json();
        let [own, joined] = &me["organizations"].as_array().unwrap()[..] else {
            panic!("her own, and this one: {me}")
        };
        assert_eq!(joined["permissions"], json!(["api.model.read"]));
        let owned = own["permissions"].as_array().unwrap();
        assert_eq!(owned.len(), Permission::ALL.len());
        let user = browser.who().await.unwrap();
        let member = world.get(&format!("/users/{user}")).await.json();
        assert_eq!(member["projects"]["data"][0]["id"], made["id"]);
        let told = world.audited().await;
        assert_eq!(told[..3], ["user.added", "user.added", "invite.accepted"]);

        // Once is enough, and it is gone from the list.
        refused(
            &browser.post(&path, &json!({})).await,
            404,
            Value::Null,
            "not_found",
        );
        let list = browser.get("/api/me/invites").await.json();
        assert_eq!(list["data"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_the_mail_shows_an_invite_and_accepts_it_for_its_address_alone() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (id, secret) = invite(&world, GRACE, json!([])).await;
        let body = json!({"secret": secret});
        let mut stranger = Browser::at(&world, "203.0.113.9");
        let shown = stranger.post("/api/invites/lookup", &body).await.json();
        assert_eq!(
            (
                &shown["id"],
                &shown["email"],
                &shown["organization"]["name"]
            ),
            (&json!(id), &json!(GRACE), &json!("Acme"))
        );
        assert!(!shown.to_string().contains(&secret));

        let mut eve = sign_up(&world, "eve@example.com").await;
        let other = eve.post("/api/me/invites/accept", &body).await;
        refused(&other, 403, Value::Null, "other_address");
        let mut browser = grace(&world).await;
        let joined = browser.post("/api/me/invites/accept", &body).await;
        assert_eq!(joined.json()["name"], "Acme", "{}", joined.text());
        for path in ["/api/me/invites/accept", "/api/invites/lookup"] {
            for secret in [&*secret, "short", &"x".repeat(43)] {
                let answer = browser.post(path, &json!({"secret": secret})).await;
                refused(&answer, 400, Value::Null, "link_expired");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_is_anothers_over_or_made_up_does_not_exist() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = grace(&world).await;
        let (others, _) = invite(&world, "eve@example.com", json!([])).await;
        let (revoked, of_revoked) = invite(&world, GRACE, json!([])).await;
        world.delete(&format!("/invites/{revoked}")).await;
        let (expired, of_expired) = invite(&world, GRACE, json!([])).await;
        world.wait_s(7 * 86_400);
        let mut told = Vec::new();
        for id in [&*others, &revoked, &expired, "invite-madeup"] {
            for what in ["accept", "decline"] {
                let path = format!("/api/me/invites/{id}/{what}");
                let answer = browser.post(&path, &json!({})).await;
                refused(&answer, 404, Value::Null, "not_found");
                told.push(answer.text().replace(id, "…"));
            }
        }
        assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
        for secret in [of_revoked, of_expired] {
            let body = json!({"secret": secret});
            let answer = browser.post("/api/me/invites/accept", &body).await;
            refused(&answer, 400, Value::Null, "link_expired");
        }
        let list = browser.get("/api/me/invites").await.json();
        assert_eq!(list["data"], json!([]));
        assert_eq!(organizations(&mut browser).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_invite_cannot_be_accepted_and_another_can_be_sent() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (id, secret) = invite(&world, GRACE, json!([])).await;
        let mut browser = grace(&world).await;
        let path = format!("/api/me/invites/{id}/decline");
        let declined = browser.post(&path, &json!({})).await.json();
        let wanted = json!({"object": "invitation.declined", "id": id, "deleted": true});
        assert_eq!(declined, wanted);
        assert_eq!(world.audited().await[0], "invite.deleted");
        let body = json!({"secret": secret});
        let late = browser.post("/api/me/invites/accept", &body).await;
        refused(&late, 400, Value::Null, "link_expired");
        let gone = world.get(&format!("/invites/{id}")).await;
        refused(&gone, 404, Value::Null, "not_found");
        invite(&world, GRACE, json!([])).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_accept_at_once_one_does() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (id, secret) = invite(&world, GRACE, json!([])).await;
        let browser = grace(&world).await;
        let tries: Vec<_> = (0..8)
            .map(|number| {
                let path = match number % 2 {
                    0 => format!("/api/me/invites/{id}/accept"),
                    _ => "/api/me/invites/accept".to_owned(),
                };
                let request = browser.request(Method::POST, &path);
                let request = request.json(&json!({"secret": secret}));
                tokio::spawn(async move { request.send().await.unwrap().status })
            })
            .collect();
        let mut accepted = 0;
        for answer in tries {
            accepted += u32::from(answer.await.unwrap() == 200);
        }
        assert_eq!(accepted, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_invites_are_tried_slowly() {
    let world = with_account(testkit::databases::sqlite()).await;
    let mut guesser = Browser::at(&world, "203.0.113.9");
    let body = json!({"secret": "x".repeat(43)});
    for _ in 0..50 {
        let answer = guesser.post("/api/invites/lookup", &body).await;
        refused(&answer, 400, Value::Null, "link_expired");
    }
    let answer = guesser.post("/api/invites/lookup", &body).await;
    refused(&answer, 429, Value::Null, "too_many_attempts");
}
