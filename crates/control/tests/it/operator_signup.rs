//! Operators decide who may sign up, while the server runs.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, PHONE, sign_up};
use crate::world::{World, refused};

const PATH: &str = "/api/operator/signup_policy";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_says_of_the_sign_up_is_in_force_until_it_is_taken_back() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let configured = json!({
            "mode": "open", "phone_verification": "required", "trial_credit_usd": "5.00",
        });
        let policy = operator.get(PATH).await.json();
        assert_eq!(policy["configured"], configured);
        assert_eq!(policy["mode"], "open");
        assert_eq!(policy["changed"], json!([]));

        let mut begun = Browser::new(&world);
        let body = json!({"email": "mallory@example.com", "password": PASSWORD});
        let signup = begun.post("/api/signup", &body).await.json();
        let code = world
            .fact("mallory@example.com", "email_code", "code")
            .await;

        let closed = operator.post(PATH, &json!({"mode": "closed"})).await;
        assert_eq!(closed.json()["mode"], "closed", "{}", closed.text());
        assert_eq!(closed.json()["configured"], configured);
        assert_eq!(closed.json()["changed"], json!(["mode"]));
        let mut stranger = Browser::new(&world);
        assert_eq!(stranger.get("/api/signup").await.json()["mode"], "closed");
        let body = json!({"email": "eve@example.com", "password": PASSWORD});
        let answer = stranger.post("/api/signup", &body).await;
        refused(&answer, 403, Value::Null, "signup_closed");

        // Nor does a sign-up go on that was begun before.
        let body = json!({"id": signup["id"], "code": code});
        for mode in ["closed", "invite"] {
            operator.post(PATH, &json!({"mode": mode})).await;
            for (step, body) in [
                ("email_code", &body),
                ("resend", &json!({"id": signup["id"]})),
                ("phone", &json!({"id": signup["id"], "phone": PHONE})),
                ("phone_code", &body),
            ] {
                let answer = begun.post(&format!("/api/signup/{step}"), body).await;
                refused(&answer, 403, Value::Null, "signup_closed");
            }
        }

        // What is said later is said besides.
        let open = json!({"mode": "open", "phone_verification": "off"});
        operator.post(PATH, &open).await;
        let credit = json!({"trial_credit_usd": "0.5"});
        let policy = operator.post(PATH, &credit).await.json();
        assert_eq!(
            policy["changed"],
            json!(["mode", "phone_verification", "trial_credit_usd"])
        );
        // No phone is asked for any more, and no try was lost.
        let done = begun.post("/api/signup/email_code", &body).await;
        assert_eq!(done.json()["status"], "complete", "{}", done.text());
        sign_up(&world, "eve@example.com").await;
        let terms = stranger.get("/api/signup").await.json();
        assert_eq!(terms["is_phone_required"], false);
        assert_eq!(terms["trial_credit_usd"], "0.50");

        for (body, param) in [
            (json!({"mode": "odd"}), "mode"),
            (json!({"phone_verification": "maybe"}), "phone_verification"),
            (json!({"trial_credit_usd": "1000.01"}), "trial_credit_usd"),
            (json!({"trial_credit_usd": "-1"}), "trial_credit_usd"),
        ] {
            let answer = operator.post(PATH, &body).await;
            refused(&answer, 400, param, "invalid_value");
        }
        let reset = operator.delete(PATH).await.json();
        assert_eq!(reset["changed"], json!([]));
        assert_eq!(reset["phone_verification"], "required");
        let terms = stranger.get("/api/signup").await.json();
        assert_eq!(terms["is_phone_required"], true);
    })
    .await;
}
