//! The log of requests: charged and refused ones in one list, by when they ended.

use std::sync::Arc;

use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, OrganizationId, ProjectId, RequestId, UserId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;
use store::page::{Page, Place};
use store::request_log::{self, Filter, Listed, Outcome, Refused, Sight};
use store::{Settlement, Store};
use testkit::on_each_database;

use crate::fixture::{Customer, entropy, serve, settlement};

/// When the first request of a test ends; the others end seconds later.
const AT: AtUs = AtUs(1_900_000_000_000_000);

fn second(second: i64) -> AtUs {
    AT.plus(second * 1_000_000)
}

async fn charge(store: &Store, hold: &Arc<Hold>, end: Settlement) {
    let ledger = store.ledger();
    ledger
        .hold(Arc::clone(hold))
        .durable()
        .await
        .expect("durable");
    ledger.settle(end).durable().await.expect("durable");
}

/// A request that ended so many seconds after the first, and took so many milliseconds.
async fn charged(store: &Store, of: &Customer, at: i64, took_ms: i64, flags: Flags) -> String {
    let hold = Arc::new(Hold {
        admitted_at: second(at).plus(-took_ms * 1_000),
        ..Hold::clone(&of.hold(40))
    });
    let end = Settlement {
        ended_at: second(at),
        flags,
        course: Course {
            streamed: true,
            first_output_us: Some(1_500),
            finish_reason: Some("stop"),
        },
        ..settlement(&hold, Usage::text(5, 2 + at.unsigned_abs() % 3))
    };
    charge(store, &hold, end).await;
    hold.id.to_string()
}

fn refusal(of: &Customer, at: i64) -> Refused {
    Refused {
        id: RequestId::random(second(at), entropy),
        organization: of.organization.clone(),
        project: Some(ProjectId::new("proj_b")),
        key: KeyId::new("key_b"),
        model: Some("n".into()),
        endpoint: "responses",
        upstream: None,
        streamed: Some(false),
        started_at: second(at).plus(-3_000),
        ended_at: second(at),
        outcome: Outcome::Refused,
        status: 429,
        error_code: Some("rate_limit_exceeded".into()),
        error_message: "Rate limit\0 reached".into(),
        checks: r#"[{"check":"key","verdict":"passed"}]"#.into(),
    }
}

async fn keep(store: &Store, refused: Refused) -> String {
    let id = refused.id.to_string();
    let write = store.write(move |tx| request_log::keep(tx, &refused));
    write.await.expect("it is written");
    id
}

async fn list(
    store: &Store,
    of: &OrganizationId,
    filter: Filter,
    (after, is_descending, limit): (Option<Place>, bool, i64),
) -> Listed {
    let of = of.clone();
    let page = Page {
        after,
        is_descending,
        limit,
    };
    let read =
        move |tx: &mut store::Tx<'_>| request_log::list(tx, &of, (&Sight::All, &filter), &page);
    store.read(read).await.expect("it is read")
}

async fn ids(store: &Store, of: &Customer, filter: Filter) -> Vec<String> {
    let listed = list(store, &of.organization, filter, (None, true, 100)).await;
    listed.entries.into_iter().map(|it| it.id).collect()
}

#[tokio::test]
async fn charged_and_refused_requests_are_one_list_and_pages_of_it_lose_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10_000).await;
        let other = Customer::new(&store, 10_000).await;
        charged(&store, &other, 3, 1, Flags::default()).await;
        let mut all = Vec::new();
        for at in 0..12 {
            all.push(match at % 3 {
                0 => keep(&store, refusal(&customer, at)).await,
                _ => charged(&store, &customer, at, 1, Flags::default()).await,
            });
        }
        let of = &customer.organization;
        // Downwards, while more ends at the top.
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = list(&store, of, Filter::default(), (after, true, 5)).await;
            seen.extend(page.entries.into_iter().map(|it| it.id));
            keep(&store, refusal(&customer, 100 + seen.len() as i64)).await;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        all.reverse();
        assert_eq!(seen, all);
        // Upwards, while more ends there: it is seen.
        let (mut seen, mut after) = (Vec::new(), None);
        for at in 200..210 {
            let page = list(&store, of, Filter::default(), (after.clone(), false, 4)).await;
            after = page
                .entries
                .last()
                .map(|it| (it.ended_at, it.id.clone()))
                .or(after);
            seen.extend(page.entries.into_iter().map(|it| it.id));
            if at < 203 {
                charged(&store, &customer, at, 1, Flags::default()).await;
            }
        }
        let mut wanted = ids(&store, &customer, Filter::default()).await;
        wanted.reverse();
        assert_eq!(seen, wanted);
        assert_eq!(seen.len(), 12 + 3 + 3);
    })
    .await;
}

#[tokio::test]
async fn an_entry_says_what_is_known_of_its_request() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10_000).await;
        charged(&store, &customer, 1, 250, Flags::default()).await;
        keep(&store, refusal(&customer, 2)).await;
        let page = (None, true, 10);
        let listed = list(&store, &customer.organization, Filter::default(), page).await;
        let [refused, charged] = &listed.entries[..] else {
            panic!("{listed:?}");
        };
        assert_eq!(charged.outcome, Outcome::Ok);
        assert_eq!(charged.status, 200);
        assert_eq!(charged.ended_at.since(charged.started_at), 250_000);
        let charge = charged.charge.as_ref().expect("it was charged");
        assert_eq!(charge.cost, Nusd::new(5 + 2 * 3 + 3));
        assert_eq!(charge.first_output_us, Some(1_500));
        assert_eq!(charge.finish_reason.as_deref(), Some("stop"));
        assert_eq!(charge.usage, Usage::text(5, 3));
        assert_eq!(charged.upstream.as_deref(), Some("up"));
        assert_eq!(refused.outcome, Outcome::Refused);
        assert_eq!(refused.status, 429);
        assert_eq!(refused.charge, None);
        assert_eq!(refused.streamed, Some(false));
        let (code, message) = refused.error.clone().expect("an error");
        assert_eq!(code.as_deref(), Some("rate_limit_exceeded"));
        assert_eq!(message, "Rate limit\u{fffd} reached");
        let id = RequestId::parse(&refused.id).expect("an id");
        let of = customer.organization.clone();
        let find = move |tx: &mut store::Tx<'_>| request_log::find(tx, &of, &Sight::All, id);
        let found = store
            .read(find)
            .await
            .expect("it is read")
            .expect("it is there");
        assert_eq!(&found.entry, refused);
        let checks = r#"[{"check":"key","verdict":"passed"}]"#;
        assert_eq!(found.checks.as_deref(), Some(checks));
    })
    .await;
}

/// A request of each kind, oldest first: served, slowly, left by its client, broken off, refused,
/// and failed by its upstream.
async fn of_each_kind(store: &Store, customer: &Customer) -> [String; 6] {
    let left = Flags {
        disconnected: true,
        broken_off: true,
        ..Flags::default()
    };
    let broken = Flags {
        broken_off: true,
        ..Flags::default()
    };
    let ok = charged(store, customer, 1, 10, Flags::default()).await;
    let slow = charged(store, customer, 2, 5_000, Flags::default()).await;
    let cancelled = charged(store, customer, 3, 10, left).await;
    let failed = charged(store, customer, 4, 10, broken).await;
    let refused = keep(store, refusal(customer, 5)).await;
    let upstream = Refused {
        outcome: Outcome::Failed,
        status: 502,
        error_code: None,
        upstream: Some("up".into()),
        ..refusal(customer, 6)
    };
    let upstream = keep(store, upstream).await;
    [ok, slow, cancelled, failed, refused, upstream]
}

#[tokio::test]
async fn each_filter_leaves_what_it_says() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10_000).await;
        let [ok, slow, cancelled, failed, refused, upstream] =
            of_each_kind(&store, &customer).await;
        let all = [&upstream, &refused, &failed, &cancelled, &slow, &ok];
        let of = |change: &dyn Fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter
        };
        let text = |text: &str| Some(text.to_owned());
        let ended = |outcome| of(&|it| it.outcome = Some(outcome));
        let answered = |status| of(&|it| it.status = Some(status));
        let least = |nusd| of(&|it| it.min_cost = Some(Nusd::new(nusd)));
        let span = |it: &mut Filter| (it.from, it.to) = (Some(second(2)), Some(second(5)));
        let table: Vec<(Filter, Vec<&String>)> = vec![
            (Filter::default(), all.to_vec()),
            (ended(Outcome::Ok), vec![&slow, &ok]),
            (ended(Outcome::Refused), vec![&refused]),
            (ended(Outcome::Failed), vec![&upstream, &failed]),
            (ended(Outcome::Cancelled), vec![&cancelled]),
            (answered(200), vec![&failed, &slow, &ok]),
            (answered(499), vec![&cancelled]),
            (answered(429), vec![&refused]),
            (answered(418), vec![]),
            (
                of(&|it| it.error_code = text("rate_limit_exceeded")),
                vec![&refused],
            ),
            (of(&|it| it.model = text("n")), vec![&upstream, &refused]),
            (
                of(&|it| it.project = Some(ProjectId::new("proj_a"))),
                all[2..].to_vec(),
            ),
            (
                of(&|it| it.key = Some(KeyId::new("key_b"))),
                all[..2].to_vec(),
            ),
            (of(&|it| it.user = Some(UserId::new("user-a"))), vec![]),
            (of(&|it| it.endpoint = text("chat")), all[2..].to_vec()),
            (
                of(&|it| (it.upstream, it.model) = (text("up"), text("n"))),
                vec![&upstream],
            ),
            (least(1), all[2..].to_vec()),
            (least(0), all.to_vec()),
            (of(&|it| it.min_duration_us = Some(5_000_000)), vec![&slow]),
            (of(&|it| it.request = RequestId::parse(&ok)), vec![&ok]),
            (of(&span), vec![&failed, &cancelled, &slow]),
        ];
        for (filter, wanted) in table {
            let shown = format!("{filter:?}");
            let found = ids(&store, &customer, filter).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{shown}");
        }
    })
    .await;
}

#[tokio::test]
async fn somebody_sees_some_projects_and_their_own_keys_requests() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10_000).await;
        let a = charged(&store, &customer, 1, 1, Flags::default()).await;
        let b = keep(&store, refusal(&customer, 2)).await;
        let seen = async |sight: Sight| {
            let of = customer.organization.clone();
            let page = Page {
                after: None,
                is_descending: true,
                limit: 10,
            };
            let read = move |tx: &mut store::Tx<'_>| {
                request_log::list(tx, &of, (&sight, &Filter::default()), &page)
            };
            let listed = store.read(read).await.expect("it is read");
            listed
                .entries
                .into_iter()
                .map(|it| it.id)
                .collect::<Vec<_>>()
        };
        let project = |name: &str| vec![ProjectId::new(name)];
        assert_eq!(seen(Sight::All).await, [b.clone(), a.clone()]);
        assert_eq!(seen(Sight::Some(project("proj_a"), None)).await, [a]);
        assert_eq!(seen(Sight::Some(project("proj_b"), None)).await, [b]);
        assert!(seen(Sight::Some(vec![], None)).await.is_empty());
        let somebody = Some(UserId::new("user-x"));
        assert!(seen(Sight::Some(vec![], somebody)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn refused_requests_go_when_their_days_are_over_a_few_at_once() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10_000).await;
        charged(&store, &customer, 0, 1, Flags::default()).await;
        for at in 0..7 {
            keep(&store, refusal(&customer, at)).await;
        }
        let of = customer.organization.clone();
        let count = store.write(move |tx| {
            for (at, requests) in [(0, 3), (59, 4), (60, 5)] {
                request_log::count(tx, &of, second(at), requests)?;
            }
            Ok::<_, store::StoreError>(())
        });
        count.await.expect("it is written");
        let not_kept = async |filter: Filter| {
            let of = customer.organization.clone();
            let read = move |tx: &mut store::Tx<'_>| request_log::not_kept(tx, &of, &filter);
            store.read(read).await.expect("it is read")
        };
        assert_eq!(not_kept(Filter::default()).await, 12);
        let forget = async || {
            let write = store.write(|tx| request_log::forget(tx, second(5), 3));
            write.await.expect("it is written")
        };
        assert_eq!(forget().await, 3);
        assert_eq!(ids(&store, &customer, Filter::default()).await.len(), 5);
        assert_eq!(forget().await, 2);
        assert_eq!(forget().await, 0);
        let left = ids(&store, &customer, Filter::default()).await;
        assert_eq!(
            left.len(),
            3,
            "two that are younger, and the one in the ledger"
        );
    })
    .await;
}
