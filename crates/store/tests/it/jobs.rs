//! The queue of messages: sent if and only if their cause was committed, each at least once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use domain::id::JobId;
use domain::job::{DEAD_KEPT_US, DONE_KEPT_US, LEASE_US, MOST_TRIES};
use domain::message::{Letter, Message, Text};
use domain::time::{AtUs, SECOND_US};
use store::jobs::{self, Channel, Claimed, Count, Job};
use store::outbox::{self, Attachment, Kept};
use store::{Role, Store, StoreError};
use testkit::process::{Process, spawn_binary};
use testkit::{TestDatabase, eventually, on_each_database};

use crate::crud_world::{NOW, write};
use crate::fixture::{entropy, number, open, rows};

const CODE: &str = "482913";

fn mail(key: &str) -> Job {
    let letter = Letter::EmailCode {
        code: CODE.into(),
        valid_minutes: 10,
    };
    Job {
        key: key.into(),
        message: Message::Mail {
            to: "ada@example.com".into(),
            letter,
        },
        expires_at: None,
    }
}

fn sms(key: &str) -> Job {
    let text = Text::PhoneCode {
        code: CODE.into(),
        valid_minutes: 10,
    };
    Job {
        key: key.into(),
        message: Message::Sms {
            to: "+4930123456".into(),
            text,
        },
        expires_at: None,
    }
}

async fn enqueue(store: &Store, job: Job) -> bool {
    write(store, move |tx| jobs::enqueue(tx, &job, NOW, entropy)).await
}

async fn claim(store: &Store, limit: i64, now: AtUs) -> Vec<Claimed> {
    write(store, move |tx| jobs::claim(tx, limit, now, entropy)).await
}

async fn claim_one(store: &Store, now: AtUs) -> Claimed {
    let mut claimed = claim(store, 10, now).await;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn done(store: &Store, job: &Claimed) -> bool {
    let job = job.clone();
    write(store, move |tx| jobs::done(tx, &job, NOW)).await
}

async fn count(store: &Store, channel: Channel) -> (u64, u64) {
    let counts: Result<_, StoreError> = store.read(jobs::counts).await;
    let Count { waiting, dead } = counts.unwrap()[&channel];
    (waiting, dead)
}

#[tokio::test]
async fn a_message_is_in_the_queue_once_and_only_with_its_cause() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        let failing = store.write(move |tx| {
            assert!(jobs::enqueue(tx, &mail("a"), NOW, entropy)?);
            Err::<(), _>(StoreError::Failed("its cause".into()))
        });
        assert!(failing.await.is_err());
        assert_eq!(count(&store, Channel::Mail).await, (0, 0));

        assert!(enqueue(&store, mail("a")).await);
        assert!(!enqueue(&store, mail("a")).await, "the key is taken");
        assert!(enqueue(&store, sms("b")).await);
        assert_eq!(count(&store, Channel::Mail).await, (1, 0));
        assert_eq!(count(&store, Channel::Sms).await, (1, 0));

        let claimed = claim(&store, 10, NOW).await;
        let find = |channel| claimed.iter().find(|it| it.channel == channel).unwrap();
        let (mail_job, sms_job) = (find(Channel::Mail), find(Channel::Sms));
        assert_eq!(
            (&*mail_job.to, &*mail_job.template),
            ("ada@example.com", "email_code")
        );
        assert_eq!(
            (&*sms_job.to, &*sms_job.template),
            ("+4930123456", "phone_code")
        );
        let facts = BTreeMap::from([
            ("code".to_owned(), CODE.to_owned()),
            ("valid".to_owned(), "10 minutes".to_owned()),
        ]);
        assert_eq!(mail_job.facts, facts);
        assert!(!format!("{mail_job:?}").contains(CODE), "{mail_job:?}");

        assert!(done(&store, mail_job).await);
        assert!(!enqueue(&store, mail("a")).await, "it is remembered");
        let kept = rows(&store, "SELECT facts FROM jobs WHERE state = 'done'").await;
        assert_eq!(kept[0].text(0).unwrap(), "{}", "what was sent is not kept");
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_jobs_is_woken_by_their_commit() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        let most = Duration::from_secs(3600);
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.enqueued(most).await }
        });
        assert!(enqueue(&store, mail("a")).await);
        waiting.await.unwrap();
        assert!(!enqueue(&store, mail("a")).await);
        let woken = tokio::time::timeout(Duration::from_millis(50), store.enqueued(most));
        assert!(woken.await.is_err(), "nothing was put in");
    })
    .await;
}

#[tokio::test]
async fn a_claim_keeps_others_away_until_its_lease_ends_and_is_not_heard_afterwards() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        enqueue(&store, mail("a")).await;
        let first = claim_one(&store, NOW).await;
        assert_eq!(claim(&store, 10, NOW.plus(LEASE_US - 1)).await, []);
        let second = claim_one(&store, NOW.plus(LEASE_US)).await;
        assert_eq!((first.tries, second.tries), (1, 2));
        assert_eq!(first.id, second.id);

        let late = first.clone();
        let heard = write(&store, move |tx| {
            Ok([
                jobs::done(tx, &late, NOW)?,
                jobs::done_into_outbox(tx, &late, &kept("late"), NOW)?,
                jobs::try_again(tx, &late, "late", NOW)?,
                jobs::bury(tx, &late, "late", NOW)?,
            ])
        });
        assert_eq!(heard.await, [false; 4]);
        assert_eq!(number(&store, "SELECT COUNT(*) FROM outbox").await, 0);
        assert!(done(&store, &second).await);
        assert!(!done(&store, &second).await, "it ended");
        assert_eq!(claim(&store, 10, AtUs(i64::MAX / 2)).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_failed_is_due_again_later_and_what_failed_for_good_can_be_revived() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        enqueue(&store, mail("a")).await;
        let job = claim_one(&store, NOW).await;
        let later = NOW.plus(7 * SECOND_US);
        assert!(
            write(&store, move |tx| {
                jobs::try_again(tx, &job, "no\r\nanswer", later)
            })
            .await
        );
        assert_eq!(claim(&store, 10, later.plus(-1)).await, []);
        let job = claim_one(&store, later).await;
        assert!(write(&store, move |tx| jobs::bury(tx, &job, "refused", later)).await);
        assert_eq!(count(&store, Channel::Mail).await, (0, 1));
        assert_eq!(claim(&store, 10, AtUs(i64::MAX / 2)).await, []);

        let dead = store.read(|tx| jobs::dead(tx, 10)).await;
        let dead = dead.map_err(|error: StoreError| error).unwrap().remove(0);
        assert_eq!((dead.tries, dead.reason.as_deref()), (2, Some("refused")));
        assert_eq!((dead.created_at, dead.ended_at), (NOW, Some(later)));
        let id = dead.id.clone();
        assert!(write(&store, move |tx| jobs::revive(tx, &id, later)).await);
        let job = claim_one(&store, later).await;
        assert_eq!((job.tries, &*job.facts["code"]), (1, CODE));
        let id = dead.id;
        assert!(
            !write(&store, move |tx| jobs::revive(tx, &id, later)).await,
            "it lives"
        );
    })
    .await;
}

#[tokio::test]
async fn what_expired_or_killed_every_worker_is_given_up() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        let expires = NOW.plus(600 * SECOND_US);
        let expiring = Job {
            expires_at: Some(expires),
            ..mail("a")
        };
        enqueue(&store, expiring).await;
        claim_one(&store, expires.plus(-1)).await;
        let after_lease = expires.plus(LEASE_US);
        assert_eq!(claim(&store, 10, after_lease).await, []);
        assert_eq!(count(&store, Channel::Mail).await, (0, 1));
        let revived = write(&store, move |tx| jobs::revive_all(tx, after_lease)).await;
        assert_eq!(revived, 0, "it is of no use any more");
        let facts = rows(&store, "SELECT facts, error FROM jobs").await;
        assert_eq!(facts[0].text(0).unwrap(), "{}");
        assert!(facts[0].text(1).unwrap().contains("expired"));

        enqueue(&store, sms("b")).await;
        let mut now = NOW;
        for tries in 1..=MOST_TRIES {
            assert_eq!(claim_one(&store, now).await.tries, tries);
            now = now.plus(LEASE_US);
        }
        assert_eq!(claim(&store, 10, now).await, []);
        assert_eq!(count(&store, Channel::Sms).await, (0, 1));
        let revived = write(&store, move |tx| jobs::revive_all(tx, now)).await;
        assert_eq!(revived, 1);
        assert_eq!(claim_one(&store, now).await.tries, 1);
    })
    .await;
}

#[tokio::test]
async fn what_ended_is_forgotten_after_its_time_and_what_waits_is_not() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        for key in ["done", "dead", "waiting"] {
            enqueue(&store, mail(key)).await;
        }
        let mut claimed = claim(&store, 2, NOW).await;
        let (one, other) = (claimed.remove(0), claimed.remove(0));
        assert!(done(&store, &one).await);
        assert!(write(&store, move |tx| jobs::bury(tx, &other, "refused", NOW)).await);
        let forget = async |now: AtUs| write(&store, move |tx| jobs::forget(tx, 10, now)).await;
        assert_eq!(forget(NOW.plus(DONE_KEPT_US)).await, 0);
        assert_eq!(forget(NOW.plus(DONE_KEPT_US + 1)).await, 1);
        assert_eq!(forget(NOW.plus(DEAD_KEPT_US)).await, 0);
        assert_eq!(forget(NOW.plus(DEAD_KEPT_US + 1)).await, 1);
        assert_eq!(forget(AtUs(i64::MAX / 2)).await, 0);
        assert_eq!(count(&store, Channel::Mail).await, (1, 0));
    })
    .await;
}

/// A mail with a file, as the outbox keeps it.
fn kept(text: &str) -> Kept {
    Kept {
        subject: Some("Hello".into()),
        text: text.into(),
        html: Some("<p>Hello</p>".into()),
        attachments: vec![Attachment {
            name: "a.pdf".into(),
            media_type: "application/pdf".into(),
            content: Bytes::from_static(b"%PDF"),
        }],
    }
}

#[tokio::test]
async fn the_outbox_is_read_newest_first_page_by_page_and_grows_not_forever() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        for key in 0..5 {
            enqueue(&store, mail(&key.to_string())).await;
        }
        for (age, job) in claim(&store, 10, NOW).await.into_iter().enumerate() {
            let at = NOW.plus(i64::try_from(age / 2).unwrap());
            assert!(
                write(&store, move |tx| {
                    jobs::done_into_outbox(tx, &job, &kept("Text"), at)
                })
                .await
            );
        }
        let mut seen = Vec::new();
        let mut after: Option<outbox::Entry> = None;
        loop {
            let from = after.clone();
            let page = store.read(move |tx| outbox::list(tx, from.as_ref(), 2));
            let page: Vec<outbox::Entry> = page.await.map_err(|error: StoreError| error).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            seen.extend(page);
        }
        let order: Vec<_> = seen.iter().map(|it| (it.at, it.id.to_string())).collect();
        let mut sorted = order.clone();
        sorted.sort();
        sorted.dedup();
        sorted.reverse();
        assert_eq!((order.len(), &order), (5, &sorted));
        assert_eq!(
            (seen[0].subject.as_deref(), &*seen[0].body),
            (Some("Hello"), "Text")
        );
        let id = seen[3].id.clone();
        let found = store.read(move |tx| outbox::get(tx, &id)).await;
        let found: Option<outbox::Entry> = found.map_err(|error: StoreError| error).unwrap();
        assert_eq!(found.as_ref(), Some(&seen[3]));
        assert_eq!(seen[3].html.as_deref(), Some("<p>Hello</p>"));
        let [listed] = &seen[3].attachments[..] else {
            panic!("{:?}", seen[3].attachments);
        };
        assert_eq!((&*listed.name, listed.size_bytes), ("a.pdf", 4));
        let id = seen[3].id.clone();
        let file = async |name: &'static str| {
            let id = id.clone();
            let read = store
                .read(move |tx| outbox::attachment(tx, &id, name))
                .await;
            read.map_err(|error: StoreError| error).unwrap()
        };
        assert_eq!(file("a.pdf").await, kept("").attachments.pop());
        assert_eq!(file("b.pdf").await, None);

        let month = 30 * 24 * 3600 * SECOND_US;
        let forget = async |now| write(&store, move |tx| outbox::forget(tx, 10, now)).await;
        assert_eq!(forget(NOW.plus(month)).await, 0);
        assert_eq!(forget(NOW.plus(month + 2)).await, 4);
        let files = "SELECT COUNT(*) FROM outbox_attachments";
        assert_eq!(
            number(&store, files).await,
            1,
            "files go with their message"
        );
    })
    .await;
}

/// Several nodes, each with several workers: every job goes to one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_job_goes_to_two_workers() {
    const JOBS: usize = 200;
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        write(&store, |tx| {
            for key in 0..JOBS {
                jobs::enqueue(tx, &mail(&key.to_string()), NOW, entropy)?;
            }
            Ok(())
        })
        .await;
        let mut workers = Vec::new();
        for _ in 0..3 {
            let node = open(&database.url, Role::Command).await.unwrap();
            for _ in 0..3 {
                workers.push(tokio::spawn(take_all(node.clone())));
            }
        }
        let mut taken = Vec::new();
        for worker in workers {
            taken.extend(worker.await.unwrap());
        }
        let once: BTreeSet<_> = taken.iter().map(|id| id.as_str().to_owned()).collect();
        assert_eq!((taken.len(), once.len()), (JOBS, JOBS));
    })
    .await;
}

async fn take_all(node: Store) -> Vec<JobId> {
    let mut taken = Vec::new();
    // Rows that others are just claiming are passed over: only several empty hands mean the end.
    let mut empty = 0;
    while empty < 5 {
        let some = node.write(|tx| jobs::claim(tx, 7, NOW, entropy)).await;
        match some {
            Ok(some) if some.is_empty() => empty += 1,
            Ok(some) => taken.extend(some.into_iter().map(|job| job.id)),
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

/// Tells the child, which is this same program, where to work, and what time it is.
const CHILD_URL: &str = "STORE_TEST_SENDER_URL";
const CHILD_NOW: &str = "STORE_TEST_SENDER_NOW";

/// Not a test by itself: sends what is due until it is killed. It prints what it sends before it
/// says so to the queue, and what the queue has heard after that.
#[tokio::test]
async fn a_sender_that_works_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "variables make it the child")]
    let (Ok(url), Ok(now)) = (std::env::var(CHILD_URL), std::env::var(CHILD_NOW)) else {
        return;
    };
    let now = AtUs(now.parse().unwrap());
    let store = open(&url, Role::Command).await.unwrap();
    loop {
        for job in claim(&store, 3, now).await {
            println!("sent {}", job.id);
            if done(&store, &job).await {
                println!("heard {}", job.id);
            }
        }
    }
}

fn ids(process: &Process, word: &str) -> Vec<String> {
    let stdout = process.stdout();
    let lines = stdout
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    lines
        .filter_map(|line| Some(line.split_once(word)?.1.to_owned()))
        .collect()
}

async fn survives_kills(database: TestDatabase) {
    const JOBS: usize = 60;
    let store = open(&database.url, Role::Command).await.unwrap();
    write(&store, |tx| {
        for key in 0..JOBS {
            jobs::enqueue(tx, &mail(&key.to_string()), NOW, entropy)?;
        }
        Ok(())
    })
    .await;
    let (mut sent, mut heard) = (Vec::new(), BTreeSet::new());
    let program = std::env::current_exe().unwrap();
    let arguments = [
        "--exact",
        "jobs::a_sender_that_works_until_it_is_killed",
        "--nocapture",
    ];
    let mut kills = 0;
    while count(&store, Channel::Mail).await.0 > 0 {
        // Each child lives when the claims of the one before have ended.
        let now = NOW.plus(kills * LEASE_US).0.to_string();
        let environment = [(CHILD_URL, &*database.url), (CHILD_NOW, &*now)];
        let mut child = spawn_binary(&program, &arguments, "/", &environment);
        // Killed between a send and its acknowledgement, as near as can be, after five of them.
        let worked = async || ids(&child, "sent ").len() >= 5 || all_heard(&store).await;
        eventually("the child sends", worked).await;
        child.kill9();
        for id in ids(&child, "sent ") {
            assert!(!heard.contains(&id), "{id} was sent after it was done");
            sent.push(id);
        }
        heard.extend(ids(&child, "heard "));
        kills += 1;
        assert!(kills < 50, "the queue never empties");
    }
    let once: BTreeSet<_> = sent.iter().cloned().collect();
    eprintln!(
        "{kills} kills, {} sent, {} twice",
        once.len(),
        sent.len() - once.len()
    );
    assert_eq!(once.len(), JOBS, "nothing is lost");
    assert!(heard.is_subset(&once));
}

async fn all_heard(store: &Store) -> bool {
    count(store, Channel::Mail).await.0 == 0
}

#[tokio::test]
async fn on_sqlite_no_message_is_lost_to_kills() {
    survives_kills(testkit::databases::sqlite()).await;
}

#[tokio::test]
async fn on_postgres_no_message_is_lost_to_kills() {
    survives_kills(testkit::databases::postgres().await).await;
}

/// The moment that at-least-once is about: the message is out, and nobody was told.
#[tokio::test]
async fn a_worker_that_dies_after_sending_leaves_the_job_to_be_sent_again() {
    on_each_database(async |database| {
        let store = open(&database.url, Role::Command).await.unwrap();
        enqueue(&store, mail("a")).await;
        let sent = claim_one(&store, NOW).await;
        store.close().await;
        drop(store);
        let store = open(&database.url, Role::Command).await.unwrap();
        let again = claim_one(&store, NOW.plus(LEASE_US)).await;
        assert_eq!((again.id, again.facts), (sent.id, sent.facts));
    })
    .await;
}
