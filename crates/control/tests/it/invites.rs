//! Invites: sent by mail, accepted with the secret in it, listed as they stand.

// SQL in a test: the mail is read before a worker sends it.

use std::sync::atomic::Ordering;

use domain::id::UserId;
use domain::people::secret::BearerSecret;
use serde_json::{Value, json};
use store::audit::{Actor, Who};
use store::invites::{self, AcceptError, Answering, Which};
use store::{StoreError, Tx};
use testkit::on_each_database;

use crate::world::{START_S, World, entropy, refused};

const INVITES: &str = "/invites";

impl World {
    /// The secret of the last invite that was mailed to an address.
    async fn mailed(&self, email: &'static str) -> BearerSecret {
        let read = move |tx: &mut Tx<'_>| {
            let sql = "SELECT facts FROM jobs WHERE recipient = $1 AND template = 'invite'
                       ORDER BY created_at_us DESC LIMIT 1";
            tx.query_one(sql, &[email.into()])
        };
        let row = self.store.read(read).await;
        let row = row.map_err(|error: StoreError| error).unwrap();
        let facts: Value = serde_json::from_str(row.text(0).unwrap()).unwrap();
        assert_eq!(
            (&facts["organization"], &facts["inviter"]),
            (&json!("Acme"), &json!("ada"))
        );
        let link = facts["link"].as_str().unwrap();
        let secret = link.strip_prefix("http://farebox.test/accept-invite#");
        BearerSecret::parse(secret.unwrap()).unwrap()
    }

    async fn accept(&self, secret: &BearerSecret, user: &UserId) -> Result<(), AcceptError> {
        let (digest, user) = (secret.digest(), user.clone());
        let now = domain::time::AtUs(self.now.load(Ordering::Relaxed));
        let accept = move |tx: &mut Tx<'_>| -> Result<(), AcceptError> {
            let actor = Actor {
                who: Who::Session(user.clone()),
                ip_address: None,
                user_agent: None,
            };
            let answering = Answering {
                invite: Which::Secret(&digest),
                user: &user,
                actor: &actor,
            };
            invites::accept(tx, &answering, now, entropy).map(|_| ())
        };
        self.store.write(accept).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_from_its_mail_to_its_acceptance() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = world
            .post("/projects", &json!({"name": "Search"}))
            .await
            .json();
        let project = project["id"].as_str().unwrap();
        let asked = json!({
            "email": "Grace@Example.com", "role": "reader",
            "projects": [{"id": project, "role": "member"}],
        });
        let sent = world.post(INVITES, &asked).await.json();
        assert_eq!(
            sent,
            json!({
                "object": "organization.invite", "id": sent["id"], "email": "grace@example.com",
                "role": "reader", "status": "pending", "created_at": START_S,
                "expires_at": START_S + 7 * 86_400, "accepted_at": null,
                "projects": [{"id": project, "role": "member"}],
            })
        );
        let path = format!("{INVITES}/{}", sent["id"].as_str().unwrap());
        assert_eq!(world.get(&path).await.json(), sent);
        let secret = world.mailed("grace@example.com").await;
        assert!(!sent.to_string().contains(secret.expose()));

        let stranger = world.user("stranger").await;
        let refusal = world.accept(&secret, &stranger).await.unwrap_err();
        assert!(matches!(refusal, AcceptError::OtherAddress), "{refusal}");
        let grace = world.user("grace").await;
        world.accept(&secret, &grace).await.unwrap();
        let again = world.accept(&secret, &grace).await.unwrap_err();
        assert!(matches!(again, AcceptError::Gone), "{again}");

        let shown = world.get(&path).await.json();
        assert_eq!(
            (&shown["status"], &shown["accepted_at"]),
            (&json!("accepted"), &json!(START_S))
        );
        let member = world.get("/users/user-grace").await.json();
        assert_eq!(member["role"], "reader");
        let wanted = json!([{"id": project, "name": "Search", "role": "member"}]);
        assert_eq!(member["projects"]["data"], wanted);
        refused(
            &world.delete(&path).await,
            400,
            "invite_id",
            "unsupported_parameter",
        );

        let log = world.get("/audit_logs?actor_ids[]=user-grace").await.json();
        let rows = log["data"].as_array().unwrap();
        let kinds: Vec<&str> = rows
            .iter()
            .map(|row| row["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["user.added", "user.added", "invite.accepted"]);
        assert_eq!(rows[0]["project"]["id"], project);
        assert_eq!(
            rows[0]["actor"]["session"]["user"]["email"],
            "grace@example.com"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_is_deleted_or_too_old_lets_nobody_in() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let grace = world.user("grace").await;
        let asked = json!({"email": "grace@example.com", "role": "owner"});
        let sent = world.post(INVITES, &asked).await.json();
        refused(
            &world.post(INVITES, &asked).await,
            400,
            "email",
            "invalid_value",
        );
        let path = format!("{INVITES}/{}", sent["id"].as_str().unwrap());
        let secret = world.mailed("grace@example.com").await;
        let deleted = json!({
            "object": "organization.invite.deleted", "id": sent["id"], "deleted": true,
        });
        assert_eq!(world.delete(&path).await.json(), deleted);
        assert!(matches!(
            world.accept(&secret, &grace).await,
            Err(AcceptError::Gone)
        ));
        refused(&world.get(&path).await, 404, Value::Null, "not_found");

        world.post(INVITES, &asked).await;
        let secret = world.mailed("grace@example.com").await;
        world.now.fetch_add(invites::LIFETIME_US, Ordering::Relaxed);
        assert!(matches!(
            world.accept(&secret, &grace).await,
            Err(AcceptError::Gone)
        ));
        let list = world.get(INVITES).await.json();
        let statuses: Vec<&Value> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["status"])
            .collect();
        assert_eq!(statuses, ["expired"]);
        // An expired one does not stand in the way of another.
        assert_eq!(world.post(INVITES, &asked).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_are_walked_while_they_are_deleted() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            let asked = json!({"email": format!("{name}@example.com"), "role": "reader"});
            let sent = world.post(INVITES, &asked).await.json();
            ids.push(sent["id"].as_str().unwrap().to_owned());
        }
        let first = world.get(&format!("{INVITES}?limit=2")).await.json();
        assert_eq!(
            (&first["last_id"], &first["has_more"]),
            (&json!(ids[1]), &json!(true))
        );
        world.delete(&format!("{INVITES}/{}", ids[1])).await;
        let rest = world
            .get(&format!("{INVITES}?after={}", ids[1]))
            .await
            .json();
        assert_eq!(
            (&rest["first_id"], &rest["has_more"]),
            (&json!(ids[2]), &json!(false))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_invite_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    let to = |email: &str| json!({"email": email, "role": "reader"});
    let into = |projects: Value| json!({"email": "a@b.c", "role": "reader", "projects": projects});
    let default = world.made.project.as_str();
    for (body, param, code) in [
        (
            json!({"role": "reader"}),
            "email",
            "missing_required_parameter",
        ),
        (
            json!({"email": "a@b.c"}),
            "role",
            "missing_required_parameter",
        ),
        (
            json!({"email": "a@b.c", "role": "member"}),
            "role",
            "invalid_value",
        ),
        (to("nobody"), "email", "invalid_value"),
        (to("Ada@example.com"), "email", "invalid_value"),
        (into(json!({})), "projects", "invalid_type"),
        (into(json!(["proj_a"])), "projects[0]", "invalid_type"),
        (
            into(json!([{"role": "member"}])),
            "projects[0].id",
            "missing_required_parameter",
        ),
        (
            into(json!([{"id": default}])),
            "projects[0].role",
            "missing_required_parameter",
        ),
        (
            into(json!([{"id": default, "role": "boss"}])),
            "projects[0].role",
            "invalid_value",
        ),
        (
            into(json!([{"id": default, "role": "member"}])),
            "projects",
            "invalid_value",
        ),
    ] {
        refused(&world.post(INVITES, &body).await, 400, param, code);
    }
    let nowhere = into(json!([{"id": "proj_no", "role": "member"}]));
    refused(
        &world.post(INVITES, &nowhere).await,
        404,
        Value::Null,
        "not_found",
    );
}
