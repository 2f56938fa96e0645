//! Claims to idempotency keys: one runs, and what became of it outlives every process.

use std::sync::Arc;

use domain::hold::Hold;
use domain::id::{OrganizationId, ProjectId};
use domain::idempotency::KEPT_US;
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;
use store::idempotency::{self, Claim, Earlier, Standing};
use store::{Store, StoreError};
use testkit::on_each_database;

use crate::fixture::{
    Customer, answer, answered, assert_verified, claim, execute, number, rows, serve, settlement,
};

const NOW: AtUs = AtUs(1_800_000_000_000_000);

async fn look(store: &Store, claim: &Arc<Claim>, now: AtUs) -> Option<Standing> {
    let claim = Arc::clone(claim);
    let found = store.read(move |tx| idempotency::look(tx, &claim, now));
    found.await.expect("it is read").map(|it| it.standing)
}

async fn take(store: &Store, claim: &Arc<Claim>, now: AtUs) -> Option<Earlier> {
    let taken = store.claim(Arc::clone(claim), now).await;
    taken.expect("the database answers")
}

async fn hold(store: &Store, customer: &Customer) -> Arc<Hold> {
    let hold = customer.hold(100);
    let ticket = store.ledger().hold(Arc::clone(&hold));
    ticket.durable().await.expect("durable");
    hold
}

fn charged(cost: i64, body: Option<&'static [u8]>) -> Option<Standing> {
    Some(Standing::Charged {
        cost: Nusd::new(cost),
        answer: body.map(answer),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_claim_a_key_at_once_one_runs() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let claims: Vec<_> = (0..40)
            .map(|_| claim(&customer.hold(1), "same", "hello"))
            .collect();
        let tasks: Vec<_> = claims
            .iter()
            .map(|claim| {
                let (store, claim) = (store.clone(), Arc::clone(claim));
                tokio::spawn(async move { take(&store, &claim, NOW).await })
            })
            .collect();
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for (claim, task) in claims.iter().zip(tasks) {
            match task.await.expect("no panic") {
                None => first.push(claim.request),
                Some(earlier) => others.push(earlier),
            }
        }
        assert_eq!((first.len(), others.len()), (1, 39));
        let running = Earlier {
            request: first[0],
            standing: Standing::Running,
        };
        assert!(others.iter().all(|it| *it == running), "{others:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_key_means_one_request_of_one_project() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let hold = hold(&store, &customer).await;
        let first = claim(&hold, "k", "hello");
        assert_eq!(look(&store, &first, NOW).await, None);
        assert_eq!(take(&store, &first, NOW).await, None);
        assert_eq!(look(&store, &first, NOW).await, Some(Standing::Running));
        let other = claim(&hold, "k", "good bye");
        assert_eq!(look(&store, &other, NOW).await, Some(Standing::Different));
        let taken = take(&store, &other, NOW).await.expect("it is taken");
        assert_eq!(taken.standing, Standing::Different);
        assert_eq!(taken.request, hold.id);

        let elsewhere = Arc::new(Claim {
            project: ProjectId::new("proj_b"),
            ..Claim::clone(&first)
        });
        let strangers = Arc::new(Claim {
            organization: OrganizationId::new("org-b"),
            ..Claim::clone(&first)
        });
        for claim in [&elsewhere, &strangers, &claim(&hold, "K", "hello")] {
            assert_eq!(take(&store, claim, NOW).await, None);
        }
        // No text of the client's is kept before there is an answer, and none of the request ever.
        let kept = "SELECT key_digest, request_digest FROM idempotent_requests";
        for row in rows(&store, kept).await {
            assert!((0..2).all(|index| row.text(index).is_ok_and(|hex| hex.len() == 64)));
        }
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_kept_with_its_charge_byte_for_byte() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 1_000).await;
        let [kept, silent] = [hold(&store, &customer).await, hold(&store, &customer).await];
        let (first, second) = (claim(&kept, "a", "x"), claim(&silent, "b", "x"));
        for claim in [&first, &second] {
            assert_eq!(take(&store, claim, NOW).await, None);
        }
        let body = b"{\"text\": \"\xff\x00\xc3\xa9\"}\n";
        let settled = ledger.settle(answered(&kept, Usage::text(10, 20), &first, body));
        settled.durable().await.expect("durable");
        let settled = ledger.settle(settlement(&silent, Usage::text(1, 1)));
        settled.durable().await.expect("durable");

        assert_eq!(look(&store, &first, NOW).await, charged(53, Some(body)));
        assert_eq!(look(&store, &second, NOW).await, charged(6, None));
        let again = claim(&customer.hold(1), "a", "x");
        let earlier = take(&store, &again, NOW).await.expect("it is taken");
        assert_eq!(earlier.request, kept.id);
        assert_eq!(Some(earlier.standing), charged(53, Some(body)));
        let other = claim(&customer.hold(1), "a", "y");
        assert_eq!(look(&store, &other, NOW).await, Some(Standing::Different));
        assert_verified(&store).await;
        store.close().await;
        drop((ledger, store));

        let store = serve(&database).await;
        assert_eq!(look(&store, &first, NOW).await, charged(53, Some(body)));
        assert_eq!(look(&store, &second, NOW).await, charged(6, None));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_released_request_gives_its_key_back() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 1_000).await;
        let failed = hold(&store, &customer).await;
        let first = claim(&failed, "k", "x");
        assert_eq!(take(&store, &first, NOW).await, None);
        ledger.release(failed.id);
        let free = ledger.unclaim(Arc::clone(&first));
        free.durable().await.expect("durable");
        assert_eq!(look(&store, &first, NOW).await, None);

        // The next one is not disturbed by what is still said of the last.
        let next = hold(&store, &customer).await;
        let second = claim(&next, "k", "y");
        assert_eq!(take(&store, &second, NOW).await, None);
        let late = ledger.unclaim(Arc::clone(&first));
        late.durable().await.expect("durable");
        let body = answered(&customer.hold(100), Usage::text(1, 1), &first, b"late");
        let late = ledger.settle(body);
        late.durable().await.expect("durable");
        assert_eq!(look(&store, &second, NOW).await, Some(Standing::Running));
        let kept = "SELECT COUNT(*) FROM idempotent_requests WHERE answer IS NOT NULL";
        assert_eq!(number(&store, kept).await, 0, "it is not this one's answer");
        let settled = ledger.settle(answered(&next, Usage::text(1, 1), &second, b"y"));
        settled.durable().await.expect("durable");
        assert_eq!(look(&store, &second, NOW).await, charged(6, Some(b"y")));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_process_left_is_free_unless_it_was_charged() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 1_000).await;
        let unheld = claim(&customer.hold(1), "unheld", "x");
        let [silent, spoken, done] = [
            hold(&store, &customer).await,
            hold(&store, &customer).await,
            hold(&store, &customer).await,
        ];
        let silent = claim(&silent, "silent", "x");
        let (heard, finished) = (claim(&spoken, "heard", "x"), claim(&done, "finished", "x"));
        for claim in [&unheld, &silent, &heard, &finished] {
            assert_eq!(take(&store, claim, NOW).await, None);
        }
        ledger.checkpoint(spoken.id, 10, 1);
        let settled = ledger.settle(answered(&done, Usage::text(1, 1), &finished, b"x"));
        settled.durable().await.expect("durable");
        // The process "dies": nobody closes the store.
        drop((ledger, store));

        let store = serve(&database).await;
        assert_eq!(look(&store, &heard, NOW).await, charged(15, None));
        assert_eq!(look(&store, &finished, NOW).await, charged(6, Some(b"x")));
        for claimed in [&unheld, &silent] {
            assert_eq!(look(&store, claimed, NOW).await, None);
        }
        // A key that nothing was charged for is as good as new, also for another request.
        let next = hold(&store, &customer).await;
        let next_claim = claim(&next, "silent", "something else");
        assert_eq!(take(&store, &next_claim, NOW).await, None);
        let running = Some(Standing::Running);
        assert_eq!(look(&store, &next_claim, NOW).await, running);
        let taken = take(&store, &silent, NOW).await.expect("it is taken");
        assert_eq!(taken.standing, Standing::Different);
        for claim in [&heard, &finished] {
            assert!(take(&store, claim, NOW).await.is_some());
        }
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_undecided_hold_of_a_dead_node_keeps_its_key() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let open = hold(&store, &customer).await;
        let first = claim(&open, "k", "x");
        // As another node would leave it that was found dead, and whose holds are not resolved yet.
        assert_eq!(take(&store, &first, NOW).await, None);
        let set = execute(&store, "UPDATE idempotent_requests SET node_id = 'lost'").await;
        assert_eq!(set.expect("it runs"), 1);
        assert_eq!(look(&store, &first, NOW).await, Some(Standing::Running));
        let dead = "INSERT INTO nodes (id, epoch, batch, started_at_us) VALUES ('lost', 9, 0, 0)";
        execute(&store, dead).await.expect("it runs");
        assert_eq!(look(&store, &first, NOW).await, Some(Standing::Running));
        assert!(take(&store, &first, NOW).await.is_some());
        store.ledger().release(open.id);
        testkit::eventually("the hold is resolved", async || {
            look(&store, &first, NOW).await.is_none()
        })
        .await;
        assert_eq!(take(&store, &first, NOW).await, None);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day_in_small_batches() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10_000).await;
        let mut claims = Vec::new();
        for age in 0..7 {
            let hold = hold(&store, &customer).await;
            let claim = claim(&hold, &format!("key-{age}"), "x");
            assert_eq!(take(&store, &claim, NOW.plus(age)).await, None);
            let settled = answered(&hold, Usage::text(1, 1), &claim, b"x");
            let ticket = store.ledger().settle(settled);
            ticket.durable().await.expect("durable");
            claims.push(claim);
        }
        let later = NOW.plus(KEPT_US);
        assert_eq!(
            look(&store, &claims[0], later).await,
            charged(6, Some(b"x"))
        );
        let later = later.plus(5);
        let mut known = Vec::new();
        for claim in &claims {
            known.push(look(&store, claim, later).await.is_some());
        }
        assert_eq!(known, [false, false, false, false, false, true, true]);
        // One that is not swept away yet does not stand in the way.
        let renewed = claim(&customer.hold(1), "key-4", "y");
        assert_eq!(take(&store, &renewed, later).await, None);

        let forget = async |most| {
            let forgotten = store.write(move |tx| idempotency::forget(tx, later, most));
            forgotten
                .await
                .map_err(|error: StoreError| error)
                .expect("it runs")
        };
        assert_eq!(
            [forget(3).await, forget(3).await, forget(3).await],
            [3, 1, 0]
        );
        let left = "SELECT COUNT(*) FROM idempotent_requests";
        assert_eq!(number(&store, left).await, 3);
        assert_eq!(look(&store, &renewed, later).await, Some(Standing::Running));
        assert_eq!(
            look(&store, &claims[5], later).await,
            charged(6, Some(b"x"))
        );
        store.close().await;
    })
    .await;
}
