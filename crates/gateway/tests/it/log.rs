//! Requests that end without a charge are in the log, with the truth of why; and those that are
//! charged have how they went in their usage records.

// SQL in a test: what was written is looked at from outside the product's own queries.

use std::time::Duration;

use domain::access::Owner;
use domain::admission::RateRule;
use domain::budget::Scope;
use domain::id::{RequestId, UserId};
use domain::model_permissions::Mode;
use domain::money::Nusd;
use domain::network::Network;
use domain::restriction::{KeyPermissions, Restrictions};
use domain::sealed::SealingKey;
use domain::time::AtUs;
use domain::window::Window;
use serde_json::{Value, json};
use store::page::Page;
use store::prompts::{self, Setting};
use store::request_log::{self, Filter, Found, Outcome, Sight};
use store::{StoreError, Tx, keys, organizations};
use testkit::http::{Answer, Request};
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, clock, hello, streamed};

impl World {
    /// What the log has of an answer's request, once it is written.
    async fn logged(&self, answer: &Answer) -> Found {
        let id = answer.header("x-request-id").expect("every answer has one");
        let id = RequestId::parse(id).expect("an id");
        let look = async || {
            let of = self.made.organization.clone();
            let find = move |tx: &mut Tx<'_>| request_log::find(tx, &of, &Sight::All, id);
            let found: Result<_, StoreError> = self.store.read(find).await;
            found.expect("it is read")
        };
        testkit::eventually("it is in the log", async || look().await.is_some()).await;
        look().await.expect("it is there")
    }

    /// The check that refused: all before it passed, and none behind it was reached.
    async fn why(&self, answer: &Answer, outcome: Outcome) -> Value {
        let found = self.logged(answer).await;
        assert_eq!(found.entry.outcome, outcome);
        assert_eq!(found.entry.status, i64::from(answer.status));
        let error = &answer.json()["error"];
        let (code, message) = found.entry.error.clone().expect("an error");
        assert_eq!(json!(code), error["code"]);
        assert_eq!(json!(message), error["message"]);
        let checks: Vec<Value> =
            serde_json::from_str(&found.checks.expect("checks")).expect("a JSON array");
        let at = checks.iter().position(|it| it["verdict"] == "refused");
        let at = at.unwrap_or_else(|| panic!("something refused: {checks:?}"));
        for (place, check) in checks.iter().enumerate() {
            let wanted = match place.cmp(&at) {
                std::cmp::Ordering::Less => "passed",
                std::cmp::Ordering::Equal => "refused",
                std::cmp::Ordering::Greater => "not_reached",
            };
            assert_eq!(check["verdict"], wanted, "{checks:?}");
        }
        checks[at].clone()
    }

    async fn refused_at(&self, answer: &Answer, check: &str) -> Value {
        let refused = self.why(answer, Outcome::Refused).await;
        assert_eq!(refused["check"], check, "{refused}");
        refused
    }

    async fn post(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(&self.url("/chat/completions")).bearer(self.key());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.json(body).send().await.expect("an answer")
    }

    async fn owner(&self) -> UserId {
        self.made.user.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_before_the_limits_says_that_it_refused() {
    on_each_database(async |database| {
        let nowhere = Upstream::unreachable_base_url();
        let world = World::start(database, &[nowhere], Plan::default()).await;
        let body = hello(5);
        let named = |model: &str| {
            let mut body = hello(5);
            body["model"] = model.into();
            body
        };

        let answer = world.post(&body, &[("openai-organization", "org-x")]).await;
        world.refused_at(&answer, "organization").await;
        let answer = world.post(&body, &[("openai-project", "proj_x")]).await;
        world.refused_at(&answer, "project").await;
        let answer = world.post(&json!({"model": MODEL}), &[]).await;
        world.refused_at(&answer, "request").await;
        let answer = world
            .post(&body, &[("farebox-allow-shorter", "perhaps")])
            .await;
        world.refused_at(&answer, "request").await;
        let answer = world.post(&named("nothing"), &[]).await;
        world.refused_at(&answer, "model").await;
        assert_eq!(
            world.logged(&answer).await.entry.model.as_deref(),
            Some("nothing")
        );
        let answer = world.post(&named("unpriced"), &[]).await;
        world.refused_at(&answer, "price").await;
        let url = world.url("/embeddings");
        let body_of = json!({"model": "vendor/chat-only", "input": "Hi"});
        let answer = Request::post(&url)
            .bearer(world.key())
            .json(&body_of)
            .send()
            .await;
        let answer = answer.expect("an answer");
        world.refused_at(&answer, "endpoint").await;
        assert_eq!(world.logged(&answer).await.entry.endpoint, "embeddings");

        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keys_are_restricted_to_says_that_it_refused() {
    on_each_database(async |database| {
        let nowhere = Upstream::unreachable_base_url();
        let world = World::start(database, &[nowhere], Plan::default()).await;
        let body = hello(5);
        world.permit(Mode::DenyList, &[MODEL]).await;
        world
            .refused_at(&world.post(&body, &[]).await, "project_models")
            .await;
        let none = Restrictions::default;
        let of_models = Restrictions {
            models: Some(vec!["other".into()]),
            ..none()
        };
        world.restrict(of_models, None).await;
        world
            .refused_at(&world.post(&body, &[]).await, "key_models")
            .await;
        world.permit_key(KeyPermissions::ReadOnly).await;
        world
            .refused_at(&world.post(&body, &[]).await, "key_permissions")
            .await;
        let network = Network::parse("203.0.113.0/24").expect("one");
        let of_networks = Restrictions {
            networks: Some(vec![network]),
            ..none()
        };
        world.restrict(of_networks, None).await;
        world
            .refused_at(&world.post(&body, &[]).await, "ip_range")
            .await;
        world.restrict(none(), Some(AtUs(1))).await;
        let answer = world.post(&body, &[]).await;
        world.refused_at(&answer, "key").await;
        let found = world.logged(&answer).await.entry;
        let key = world.made.api_key.digest();
        let read = move |tx: &mut Tx<'_>| keys::ever_of_digest(tx, &key);
        let known: Result<_, StoreError> = world.store.read(read).await;
        let known = known.expect("it is read").expect("it is known");
        assert_eq!(
            found.key.map(|it| it.0).as_deref(),
            Some(known.key.as_str())
        );
        assert_eq!(
            found.user.map(|it| it.0),
            Some(world.owner().await.to_string())
        );
        assert_eq!(found.streamed, None, "its body was not read");
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_revoked_and_keys_of_elsewhere_are_known_too() {
    on_each_database(async |database| {
        let nowhere = Upstream::unreachable_base_url();
        let world = World::start(database, &[nowhere], Plan::default()).await;
        let body = hello(5);
        let url = world.url("/chat/completions");
        let admin = world.made.admin_key.expose();
        let answer = Request::post(&url).bearer(admin).json(&body).send().await;
        let answer = answer.expect("an answer");
        world.refused_at(&answer, "key_class").await;
        assert_eq!(world.logged(&answer).await.entry.project, None);

        let organization = world.made.organization.clone();
        let suspend =
            move |tx: &mut Tx<'_>| organizations::suspend(tx, &organization, "unpaid", (clock())());
        world.store.write(suspend).await.expect("it is suspended");
        world
            .refused_at(&world.post(&body, &[]).await, "suspension")
            .await;

        let key = world.made.api_key.digest();
        let revoke = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let known = keys::active_by_digest(tx, &key)?.expect("it works");
            assert!(matches!(known.principal.owner, Owner::User(_)));
            keys::revoke(tx, &known.principal.key, (clock())())?;
            Ok(())
        };
        world.store.write(revoke).await.expect("it is revoked");
        let answer = world.post(&body, &[]).await;
        world.refused_at(&answer, "key").await;
        let entry = world.logged(&answer).await.entry;
        assert_eq!(entry.project.as_deref(), Some(world.made.project.as_str()));
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_says_what_it_was_when_it_refused() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 10, 5)).await;
        let plan = Plan {
            credit: "0.001",
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        assert_eq!(world.chat(&hello(5)).await.status, 200);
        // 10 input tokens and 5 output tokens: 20,000 nUSD of the million there was.
        let dear = world.chat(&hello(900)).await;
        let balance = world.refused_at(&dear, "balance").await;
        assert_eq!(balance["limit"], "0.00098");
        let asked = Nusd::parse_usd(balance["asked"].as_str().expect("an amount"));
        assert!(
            asked.expect("an amount") > Nusd::new(1_800_000),
            "{balance}"
        );

        let scope = Scope::Project(world.made.project.clone());
        let budget = world.limit(scope, Window::Month, 200_000).await;
        let over = world.chat(&hello(100)).await;
        let refused = world.refused_at(&over, "budget").await;
        assert_eq!(refused["budget_id"], budget.id.as_str());
        assert_eq!(refused["scope"], "project");
        assert_eq!(refused["unit"], "usd");
        assert_eq!(refused["limit"], "0.0002");
        assert_eq!(refused["used"], "0.00002");
        assert!(
            refused["resets_at"].as_i64() > Some(1_700_000_000),
            "{refused}"
        );

        let rule = RateRule {
            requests_per_day: Some(1),
            ..RateRule::default()
        };
        world
            .limit_rate(Scope::Key(world.key_id().await), Some(MODEL), rule)
            .await;
        let body = hello(5);
        assert_eq!(world.chat(&body).await.status, 200);
        let refused = world.chat(&body).await;
        let rate = world.refused_at(&refused, "rate_limit").await;
        assert_eq!(rate["rate"], "requests_per_day");
        assert_eq!(rate["scope"], "key");
        assert_eq!(
            (&rate["limit"], &rate["used"], &rate["asked"]),
            (&json!("1"), &json!("1"), &json!("1"))
        );
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_refuses_or_breaks_is_told_with_its_name() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|request| match request.json()["user"].as_str() {
            Some("bad") => Reply::error(400, "invalid_request_error", "bad_thing", "No."),
            Some("broken") => Reply::error(500, "server_error", "oops", "Oops."),
            Some("cut") => Reply::stream(&["a"]).cut_after(0),
            _ => Reply::raw(200, "application/json", "nonsense"),
        })
        .await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        for user in ["bad", "broken", "nonsense"] {
            let mut body = hello(5);
            body["user"] = user.into();
            let answer = world.chat(&body).await;
            let refused = world.why(&answer, Outcome::Failed).await;
            assert_eq!(refused["check"], "upstream");
            let entry = world.logged(&answer).await.entry;
            assert_eq!(entry.upstream.as_deref(), Some("u"), "{user}");
            assert_eq!(entry.model.as_deref(), Some(MODEL));
        }
        let mut body = streamed(hello(5));
        body["user"] = "cut".into();
        let answer = world.chat(&body).await;
        let entry = world.logged(&answer).await.entry;
        assert_eq!((entry.outcome, entry.status), (Outcome::Failed, 200));
        assert_eq!(entry.streamed, Some(true));
        assert_eq!(entry.charge, None);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charged_request_says_how_its_answer_went() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|request| match request.wants_stream() {
            true => Reply::stream(&["a", "b"])
                .delay_ms(20)
                .finish_reason("length"),
            false => Reply::chat("Hi"),
        })
        .await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let plain = world.chat(&hello(5)).await;
        let stream = world.chat(&streamed(hello(5))).await;
        let plain = world.logged(&plain).await.entry;
        let charge = plain.charge.expect("it was charged");
        assert_eq!((plain.outcome, plain.streamed), (Outcome::Ok, Some(false)));
        assert_eq!(charge.first_output_us, None);
        assert_eq!(charge.finish_reason.as_deref(), Some("stop"));
        let stream = world.logged(&stream).await.entry;
        let charge = stream.charge.expect("it was charged");
        assert_eq!((stream.outcome, stream.streamed), (Outcome::Ok, Some(true)));
        let first = charge.first_output_us.expect("it had output");
        assert!(first <= stream.ended_at.since(stream.started_at), "{first}");
        assert_eq!(charge.finish_reason.as_deref(), Some("length"));
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_refusals_so_many_are_kept_and_the_rest_is_counted() {
    on_each_database(async |database| {
        let nowhere = Upstream::unreachable_base_url();
        let plan = Plan {
            refusals_per_minute: 3,
            ..Plan::default()
        };
        let world = World::start(database, &[nowhere], plan).await;
        let mut body = hello(5);
        body["model"] = "nothing".into();
        let of = world.made.organization.clone();
        for _ in 0..50 {
            assert_eq!(world.post(&body, &[]).await.status, 404);
        }
        assert!(
            world.gateway.drain(Duration::from_secs(10)).await,
            "it ends"
        );
        let read = world.store.read(move |tx| -> Result<_, StoreError> {
            let filter = Filter::default();
            let page = Page {
                after: None,
                is_descending: true,
                limit: 100,
            };
            let listed = request_log::list(tx, &of, (&Sight::All, &filter), &page)?;
            Ok((
                listed.entries.len(),
                request_log::not_kept(tx, &of, &filter)?,
            ))
        });
        let (kept, counted) = read.await.expect("it is read");
        // A minute may have turned on the way.
        assert!(kept == 3 || kept == 6, "{kept}");
        assert_eq!(kept as u64 + counted, 50);
    })
    .await;
}

impl World {
    async fn keep_prompts(&self, is_enabled: bool) {
        let of = self.made.organization.clone();
        let setting = Setting {
            is_enabled,
            days: 1,
        };
        let set = move |tx: &mut Tx<'_>| prompts::set(tx, &of, setting, false, (clock())());
        self.store.write(set).await.expect("it is written");
    }

    /// What is kept of an answer's request, opened: asked, answered, and how long that was.
    async fn kept(&self, answer: &Answer) -> Option<(String, String, u64)> {
        let id = answer.header("x-request-id").expect("every answer has one");
        let id = RequestId::parse(id).expect("an id");
        let of = self.made.organization.clone();
        let find = move |tx: &mut Tx<'_>| prompts::find(tx, &of, id, (clock())());
        let kept: Result<_, StoreError> = self.store.read(find).await;
        let kept = kept.expect("it is read")?;
        let open = |side: &prompts::Side, name: &str| {
            let key = SealingKey::new(&[7; 32]);
            let text = key.open(&side.sealed, &prompts::place(id, name));
            String::from_utf8(text.expect("it opens")).expect("a text")
        };
        let response = kept.response.as_ref();
        let answered = response.map_or_else(String::new, |side| open(side, "response"));
        let bytes = response.map_or(0, |side| side.whole_bytes);
        Some((open(&kept.request, "request"), answered, bytes))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_are_kept_only_where_that_is_wanted() {
    on_each_database(async |database| {
        let long = "word ".repeat(20_000);
        let upstream = Upstream::start(move |request| match request.wants_stream() {
            true => Reply::stream(&["hello ", "there"]),
            false => Reply::chat(&long),
        })
        .await;
        let plan = Plan {
            max_output_tokens: 30_000,
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        let before = world.chat(&hello(5)).await;
        world.keep_prompts(true).await;
        let plain = world.chat(&hello(5)).await;
        let stream = world.chat(&streamed(hello(5))).await;
        let refused = world
            .post(&json!({"model": "nothing", "secret": 7}), &[])
            .await;
        let is_kept = async |answer: &Answer| world.kept(answer).await.is_some();
        for answer in [&plain, &stream, &refused] {
            testkit::eventually("it is kept", async || is_kept(answer).await).await;
        }
        let (asked, answered, bytes) = world.kept(&plain).await.expect("it is kept");
        assert_eq!(asked, hello(5).to_string());
        assert_eq!(bytes, plain.text().len() as u64);
        assert_eq!(answered, plain.text()[..64 * 1024]);
        let (_, answered, _) = world.kept(&stream).await.expect("it is kept");
        assert!(
            answered.contains("hello ") && answered.contains("there"),
            "{answered}"
        );
        let (asked, answered, _) = world.kept(&refused).await.expect("it is kept");
        assert!(asked.contains("secret") && answered.is_empty());

        world.keep_prompts(false).await;
        let after = world.chat(&hello(5)).await;
        assert!(
            world.gateway.drain(Duration::from_secs(10)).await,
            "it ends"
        );
        assert!(!is_kept(&before).await && !is_kept(&after).await);
        let rows = world.query("SELECT request FROM kept_prompts").await;
        assert_eq!(rows.len(), 3);
        for row in rows {
            let sealed = row.bytes(0).expect("bytes");
            assert!(
                !sealed.windows(5).any(|part| part == b"model"),
                "it is sealed"
            );
        }
    })
    .await;
}
