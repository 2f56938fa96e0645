//! Requests with an `Idempotency-Key`: however often one comes, it runs and costs once.

// SQL in a test: the database is made to fail, and to look a day older.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::access::Owner;
use domain::id::{KeyId, ProjectId};
use domain::key::{KeyClass, KeySecret};
use domain::money::Nusd;
use farebox_gateway::OnDisconnect;
use serde_json::{Value, json};
use store::StoreError;
use store::keys::NewKey;
use store::projects::Project;
use testkit::http::{Answer, Request, Streaming};
use testkit::{Reply, Upstream, eventually, on_each_database};

use crate::world::{MODEL, Plan, World, clock, entropy, grant, hello, streamed};

fn keyed(world: &World, path: &str, body: &Value, key: &str) -> Request {
    Request::post(&world.url(path))
        .bearer(world.key())
        .header("Idempotency-Key", key)
        .json(body)
}

async fn ask(world: &World, body: &Value, key: &str) -> Answer {
    let request = keyed(world, "/chat/completions", body, key);
    request.send().await.unwrap()
}

async fn begin(world: &World, body: &Value, key: &str) -> Streaming {
    let request = keyed(world, "/chat/completions", body, key);
    request.stream().await.unwrap()
}

/// Asks until the request does not run any more, as the official SDKs do.
async fn insist(world: &World, body: &Value, key: &str) -> Answer {
    loop {
        let answer = ask(world, body, key).await;
        if answer.status != 409 || code(&answer) != "idempotency_request_in_progress" {
            return answer;
        }
        assert_eq!(answer.header("x-should-retry"), Some("true"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("retry-after-ms"), Some("1000"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Asserts that the answer says no with this code, and that nobody should ask again.
fn assert_final(answer: &Answer, want: &str) {
    assert_eq!(
        (answer.status, code(answer).as_str()),
        (409, want),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.json()["error"]["param"], "Idempotency-Key");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
}

fn request_id(answer: &Answer) -> &str {
    answer.header("x-request-id").unwrap()
}

/// Asserts that the second answer is the first one, given again for nothing.
fn assert_replayed(first: &Answer, second: &Answer) {
    assert_eq!(second.status, first.status, "{}", second.text());
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_eq!(first.header("farebox-replayed"), None);
    assert_eq!(second.header("farebox-replayed"), Some(request_id(first)));
    assert_ne!(request_id(second), request_id(first));
    assert_eq!(second.header("x-ratelimit-limit-requests"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_one_runs_and_all_get_its_answer() {
    on_each_database(async |database| {
        let upstream =
            Upstream::start(|_| Reply::chat_with_usage("Hi", 9, 3).first_byte_delay_ms(150)).await;
        // The credit holds for one of them, and the rate limit for not many more.
        let plan = Plan {
            credit: "0.0004",
            requests_per_minute: 20,
            ..Plan::default()
        };
        let world = Arc::new(World::start(database, &[upstream.base_url()], plan).await);
        let clients: Vec<_> = (0..50)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { insist(&world, &hello(50), "same").await })
            })
            .collect();
        let mut answers = Vec::new();
        for client in clients {
            answers.push(client.await.unwrap());
        }
        assert_eq!(upstream.requests().len(), 1);
        assert_eq!(world.usage().await, [(9, 3, 15_000, 0)]);
        let first = answers
            .iter()
            .position(|it| it.header("farebox-replayed").is_none());
        let first = answers.swap_remove(first.expect("one ran"));
        assert_eq!(first.header("farebox-cost"), Some("0.000015"));
        for answer in &answers {
            assert_replayed(&first, answer);
            assert_eq!(answer.header("farebox-cost"), Some("0.000015"));
            assert_eq!(answer.header("farebox-balance"), Some("0.000385"));
        }
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_decides_between_two_gateways() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat("Hi").first_byte_delay_ms(100)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        // They share the store and nothing in memory.
        let beside = world.beside(&[upstream.base_url()]).await;
        let worlds = [Arc::new(world), Arc::new(beside)];
        let clients: Vec<_> = (0..30)
            .map(|number| {
                let world = Arc::clone(&worlds[number % 2]);
                tokio::spawn(async move { insist(&world, &hello(50), "same").await.body })
            })
            .collect();
        let mut bodies = Vec::new();
        for client in clients {
            bodies.push(client.await.unwrap());
        }
        bodies.dedup();
        assert_eq!((bodies.len(), upstream.requests().len()), (1, 1));
        eventually("no hold is open", async || {
            let open = worlds[0].query("SELECT COUNT(*) FROM holds").await;
            open[0].int(0).unwrap() == 0
        })
        .await;
        assert_eq!(worlds[0].usage().await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_again_byte_for_byte() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let requests = [
            ("/chat/completions", hello(50)),
            ("/chat/completions", streamed(hello(50))),
            (
                "/completions",
                json!({"model": MODEL, "prompt": "Hello", "max_tokens": 9}),
            ),
            (
                "/completions",
                streamed(json!({"model": MODEL, "prompt": "Hello", "max_tokens": 9})),
            ),
            ("/responses", json!({"model": MODEL, "input": "Hello"})),
            (
                "/responses",
                streamed(json!({"model": MODEL, "input": "Hello"})),
            ),
            ("/embeddings", json!({"model": MODEL, "input": "Hello"})),
        ];
        for (number, (path, body)) in requests.iter().enumerate() {
            let send = || keyed(&world, path, body, &format!("key-{number}")).send();
            let first = send().await.unwrap();
            assert_eq!(first.status, 200, "{}", first.text());
            let called = upstream.requests().len();
            let wallet = world.wallet().await;
            let second = send().await.unwrap();
            assert_replayed(&first, &second);
            assert_eq!(upstream.requests().len(), called, "it ran again: {path}");
            assert_eq!(world.wallet().await, wallet, "it was charged again: {path}");
            if body["stream"] == true {
                let text = second.text();
                assert!(text.contains("\n\n: farebox-cost="), "{text}");
                assert_eq!(second.header("cache-control"), Some("no-cache"));
                assert_eq!(second.header("x-accel-buffering"), Some("no"));
            } else {
                let cost = second.header("farebox-cost");
                assert_eq!(cost, first.header("farebox-cost"));
            }
        }
        assert_eq!(world.usage().await.len(), requests.len());
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_again_with_the_same_money() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::stream(&["a", "b", "c"]).delay_ms(20)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let first = ask(&world, &streamed(hello(50)), "s").await;
        let amount = Nusd::parse_usd("1").unwrap();
        grant(&world.store, &world.made.organization, "more", amount).await;
        let second = ask(&world, &streamed(hello(50)), "s").await;
        assert_replayed(&first, &second);
        let (cost, balance) = {
            let text = second.text();
            let end = text
                .rsplit_once("\n\n: farebox-cost=")
                .unwrap()
                .1
                .to_owned();
            assert!(end.ends_with("\n\ndata: [DONE]\n\n"), "{end}");
            let money = end.split_once('\n').unwrap().0;
            let (cost, balance) = match money.split_once(" farebox-balance=") {
                Some((cost, balance)) => (cost, Some(balance.to_owned())),
                None => (money, None),
            };
            (cost.to_owned(), balance)
        };
        // The comment tells of then, the headers of now.
        assert_eq!(second.header("farebox-cost"), Some(&*cost));
        let now = second.header("farebox-balance").unwrap();
        let dollars = |text: &str| Nusd::parse_usd(text).unwrap();
        // Where other nodes may spend too, what is kept was written before the balance was known.
        assert_eq!(balance.is_none(), world.store.fleet().is_some());
        let then = balance.map_or(dollars("5") - dollars(&cost), |it| dollars(&it));
        assert_eq!(dollars(now), then + amount);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_for_one_request() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let first = ask(&world, &hello(50), "k").await;
        assert_eq!(first.status, 200);
        for other in [hello(51), streamed(hello(50))] {
            let refused = ask(&world, &other, "k").await;
            assert_final(&refused, "idempotency_key_reused");
            assert!(
                refused.text().contains(request_id(&first)),
                "{}",
                refused.text()
            );
        }
        let elsewhere = json!({"model": MODEL, "prompt": "Hello", "max_tokens": 9});
        let refused = keyed(&world, "/completions", &elsewhere, "k")
            .send()
            .await
            .unwrap();
        assert_final(&refused, "idempotency_key_reused");
        assert_replayed(&first, &ask(&world, &hello(50), "k").await);
        assert_eq!(upstream.requests().len(), 1);
    })
    .await;
}

/// A key of another project of the same organization.
async fn another_project(world: &World) -> KeySecret {
    let secret = KeySecret::mint(KeyClass::Project, entropy);
    let digest = KeySecret::parse(secret.expose()).unwrap();
    let (organization, user) = (world.made.organization.clone(), world.made.user.clone());
    let make = move |tx: &mut store::Tx<'_>| {
        let now = (clock())();
        let project = Project {
            id: ProjectId::random(entropy),
            name: "Another".into(),
            is_default: false,
            created_at: now,
            archived_at: None,
        };
        store::projects::create(tx, &organization, &project)?;
        let key = NewKey {
            id: KeyId::random(entropy),
            organization: &organization,
            project: Some(&project.id),
            owner: Owner::User(user),
            name: "another",
            expires_at: None,
        };
        store::keys::create(tx, &key, &digest, now)
    };
    let made: Result<(), StoreError> = world.store.write(make).await;
    made.unwrap();
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_do_not_see_each_others_keys() {
    let upstream = Upstream::echo().await;
    let database = testkit::databases::sqlite();
    let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
    let first = ask(&world, &hello(50), "k").await;
    let stranger = another_project(&world).await;
    let request = Request::post(&world.url("/chat/completions"))
        .bearer(stranger.expose())
        .header("Idempotency-Key", "k")
        .json(&hello(51));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("farebox-replayed"), None);
    assert_replayed(&first, &ask(&world, &hello(50), "k").await);
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_no_key_is_refused() {
    let upstream = Upstream::echo().await;
    let database = testkit::databases::sqlite();
    let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
    let longest = "k".repeat(255);
    assert_eq!(ask(&world, &hello(50), &longest).await.status, 200);
    let twice = |world: &World| keyed(world, "/chat/completions", &hello(50), "a");
    let wrong = [
        keyed(&world, "/chat/completions", &hello(50), ""),
        keyed(&world, "/chat/completions", &hello(50), "two words"),
        keyed(
            &world,
            "/chat/completions",
            &hello(50),
            &format!("{longest}k"),
        ),
        twice(&world).header("Idempotency-Key", "a"),
    ];
    for request in wrong {
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(code(&refused), "invalid_value");
        assert_eq!(refused.json()["error"]["param"], "Idempotency-Key");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_may_be_tried_again() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let plan = Plan {
            credit: "0",
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        let wrong = json!({"model": MODEL, "messages": []});
        let unknown = json!({"model": "no-such-model", "messages": hello(5)["messages"]});
        for (body, status) in [
            (wrong, 400),
            (unknown, 404),
            (hello(50), 429),
            (hello(50), 429),
        ] {
            let refused = ask(&world, &body, "k").await;
            assert_eq!(refused.status, status, "{}", refused.text());
        }
        let claims = world
            .query("SELECT COUNT(*) FROM idempotent_requests")
            .await;
        assert_eq!(claims[0].int(0).unwrap(), 0, "nothing is claimed");
        let amount = Nusd::parse_usd("1").unwrap();
        grant(&world.store, &world.made.organization, "late", amount).await;
        let answer = ask(&world, &hello(50), "k").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_replayed(&answer, &ask(&world, &hello(50), "k").await);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_without_a_charge_runs_again() {
    on_each_database(async |database| {
        let calls = AtomicUsize::new(0);
        let upstream = Upstream::start(move |request| {
            let reply = match request.wants_stream() {
                true => Reply::stream(&["a", "b"]),
                false => Reply::chat("Hi"),
            };
            match calls.fetch_add(1, Ordering::Relaxed) % 5 {
                0 => Reply::error(400, "invalid_request_error", "x", "too long"),
                1 => Reply::error(503, "server_error", "x", "away"),
                2 => Reply::raw(200, "text/html", "<p>"),
                3 => reply.cut_after(0),
                _ => reply,
            }
        })
        .await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        for body in [hello(50), streamed(hello(50))] {
            let key = format!("k{}", body["stream"] == true);
            let mut tries = 1;
            let answer = loop {
                let answer = ask(&world, &body, &key).await;
                assert_ne!(answer.status, 409, "{}", answer.text());
                let failed_stream = answer.text().contains("upstream_broke_off");
                if answer.status == 200 && !failed_stream {
                    break answer;
                }
                assert_eq!(answer.header("farebox-replayed"), None);
                tries += 1;
            };
            assert_eq!(tries, 5);
            assert_replayed(&answer, &ask(&world, &body, &key).await);
        }
        assert_eq!(world.usage().await.len(), 2);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_a_stream_has_paid_for_it_and_it_does_not_run_again() {
    on_each_database(async |database| {
        let words = vec!["word"; 500];
        let upstream = Upstream::start(move |_| Reply::stream(&words).delay_ms(20)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let body = streamed(hello(900));
        let mut stream = begin(&world, &body, "k").await;
        let id = stream.header("x-request-id").unwrap().to_owned();
        for _ in 0..3 {
            stream.record().await.expect("it has begun");
        }
        let meanwhile = ask(&world, &body, "k").await;
        assert_eq!(code(&meanwhile), "idempotency_request_in_progress");
        assert!(meanwhile.text().contains(&id), "{}", meanwhile.text());
        drop(stream);
        let refused = insist(&world, &body, "k").await;
        assert_final(&refused, "idempotency_answer_not_kept");
        let cost = Nusd::new(world.usage().await[0].2);
        let message = refused.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            message.contains(&id) && message.contains(&cost.to_string()),
            "{message}"
        );
        assert_eq!(upstream.requests().len(), 1);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_before_the_answer_has_paid_for_the_prompt() {
    let upstream = Upstream::start(|_| Reply::hang()).await;
    let database = testkit::databases::sqlite();
    let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
    let asking = tokio::spawn(keyed(&world, "/chat/completions", &hello(50), "k").send());
    eventually("it is forwarded", async || upstream.requests().len() == 1).await;
    asking.abort();
    let refused = insist(&world, &hello(50), "k").await;
    assert_final(&refused, "idempotency_answer_not_kept");
    assert_eq!(
        (upstream.requests().len(), world.usage().await.len()),
        (1, 1)
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_drained_is_there_for_who_comes_back() {
    for body in [hello(50), streamed(hello(50))] {
        let upstream = Upstream::start(|request| match request.wants_stream() {
            true => Reply::stream(&["a", "b", "c", "d"]).delay_ms(50),
            false => Reply::chat("abcd").first_byte_delay_ms(150),
        })
        .await;
        let plan = Plan {
            on_disconnect: OnDisconnect::Drain,
            ..Plan::default()
        };
        let database = testkit::databases::sqlite();
        let world = World::start(database, &[upstream.base_url()], plan).await;
        let asking = tokio::spawn(keyed(&world, "/chat/completions", &body, "k").send());
        eventually("it is forwarded", async || upstream.in_flight() == 1).await;
        asking.abort();
        let answer = insist(&world, &body, "k").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("farebox-replayed").is_some());
        let text = answer.text();
        match body["stream"] == true {
            true => assert!(
                text.ends_with("data: [DONE]\n\n") && text.contains("\"d\""),
                "{text}"
            ),
            false => assert_eq!(answer.json()["choices"][0]["message"]["content"], "abcd"),
        }
        assert_eq!((upstream.requests().len(), upstream.cancelled()), (1, 0));
        world.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_and_was_charged_breaks_off_again() {
    let upstream = Upstream::start(|_| Reply::stream(&["a", "b", "c"]).cut_after(3)).await;
    let database = testkit::databases::sqlite();
    let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
    let first = ask(&world, &streamed(hello(50)), "k").await;
    assert!(
        first.text().contains("upstream_broke_off"),
        "{}",
        first.text()
    );
    assert_replayed(&first, &ask(&world, &streamed(hello(50)), "k").await);
    assert_eq!(
        (upstream.requests().len(), world.usage().await.len()),
        (1, 1)
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_up_to_a_bound() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|request| match request.wants_stream() {
            true => Reply::stream(&["a", "b", "c"]),
            false => Reply::chat("abc"),
        })
        .await;
        let mut world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        for body in [hello(50), streamed(hello(50))] {
            let whole = ask(&world, &body, &format!("whole-{}", body["stream"] == true))
                .await
                .body
                .len();
            // The balance in a stream's last comment may grow shorter or longer.
            for (bound, kept) in [(whole + 32, true), (whole - 32, false), (0, false)] {
                let plan = Plan {
                    idempotent_answer_bytes: bound,
                    ..Plan::default()
                };
                world = world.restart_as(&[upstream.base_url()], plan).await;
                let key = format!("{bound}-{}", body["stream"] == true);
                let first = ask(&world, &body, &key).await;
                assert_eq!(first.status, 200, "{}", first.text());
                let second = ask(&world, &body, &key).await;
                if kept {
                    assert_replayed(&first, &second);
                } else {
                    assert_final(&second, "idempotency_answer_not_kept");
                    let text = second.text();
                    assert!(text.contains(request_id(&first)), "{text}");
                }
            }
            world = world.restart(&[upstream.base_url()]).await;
        }
        assert_eq!(upstream.requests().len(), 8);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_its_process() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let first = ask(&world, &hello(50), "k").await;
        let world = world.restart(&[upstream.base_url()]).await;
        assert_replayed(&first, &ask(&world, &hello(50), "k").await);
        let refused = ask(&world, &hello(51), "k").await;
        assert_final(&refused, "idempotency_key_reused");
        assert_eq!(upstream.requests().len(), 1);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_durable_claim_nothing_is_forwarded() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let sqlite = database.name == "sqlite";
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let (refuse, allow) = match sqlite {
            true => (
                "CREATE TRIGGER no_claim BEFORE INSERT ON idempotent_requests
                 BEGIN SELECT RAISE(ABORT, 'no'); END",
                "DROP TRIGGER no_claim",
            ),
            false => (
                "CREATE TRIGGER no_claim BEFORE INSERT ON idempotent_requests
                 FOR EACH ROW EXECUTE FUNCTION refuse_change()",
                "DROP TRIGGER no_claim ON idempotent_requests",
            ),
        };
        world.execute(refuse.to_owned()).await;
        let refused = ask(&world, &hello(50), "k").await;
        assert_eq!(
            (refused.status, code(&refused).as_str()),
            (503, "ledger_unavailable")
        );
        assert_eq!(upstream.requests().len(), 0);
        assert_eq!(
            world.chat(&hello(50)).await.status,
            200,
            "others do not notice"
        );
        world.execute(allow.to_owned()).await;
        assert_eq!(ask(&world, &hello(50), "k").await.status, 200);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_forgotten_after_a_day() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let first = ask(&world, &hello(50), "old").await;
        let kept = ask(&world, &hello(50), "new").await;
        let day = 24 * 60 * 60 * 1_000_000_i64;
        let older = format!(
            "UPDATE idempotent_requests SET claimed_at_us = claimed_at_us - {day}
             WHERE request_id = '{}'",
            request_id(&first)
        );
        world.execute(older.clone()).await;
        // It runs as if it had never come, swept away or not.
        let again = ask(&world, &hello(50), "old").await;
        assert_eq!(
            (again.status, again.header("farebox-replayed")),
            (200, None)
        );
        world
            .execute(older.replace(request_id(&first), request_id(&again)))
            .await;
        // Now and then there is time to tidy up: between changes, which come quickly here.
        for number in 0..25 {
            let id = format!("nudge-{number}");
            grant(&world.store, &world.made.organization, &id, Nusd::new(1)).await;
        }
        eventually("the old one is swept away", async || {
            let left = world
                .query("SELECT COUNT(*) FROM idempotent_requests")
                .await;
            left[0].int(0).unwrap() == 1
        })
        .await;
        assert_replayed(&kept, &ask(&world, &hello(50), "new").await);
        assert_eq!(upstream.requests().len(), 3);
        world.at_rest().await;
    })
    .await;
}
