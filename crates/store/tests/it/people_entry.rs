//! Getting in: sessions, codes, links, and the bounds on guessing, also when many come at once.

use std::sync::Arc;

use domain::id::{SessionId, UserId};
use domain::people::code::{Code, CodeRefusal, Purpose, SentCode, TRIES};
use domain::people::secret::BearerSecret;
use domain::people::session::{IDLE_US, Lifetime};
use domain::people::throttle::Throttle;
use domain::time::{AtUs, MINUTE_US};
use store::people::sessions::{self, Session};
use store::people::{self, codes, password_resets, throttles, users};
use store::{Role, Store, StoreError};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{entropy, open};

fn session(user: &UserId, now: AtUs) -> Session {
    Session {
        id: SessionId::random(entropy),
        user: user.clone(),
        lifetime: Lifetime::beginning(now),
        method: "password".into(),
        second_factor: None,
        ip_address: Some("192.0.2.7".into()),
        user_agent: Some("a browser".into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_found_by_its_secret_until_it_is_over_or_ended() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let secrets = [0, 1, 2].map(|_| BearerSecret::mint(entropy).digest());
            let mine = [0, 1, 2].map(|minutes| {
                let now = NOW.plus(minutes * MINUTE_US);
                session(&made.user, now)
            });
            for (secret, session) in secrets.iter().zip(&mine) {
                sessions::begin(tx, secret, session)?;
            }
            let now = NOW.plus(3 * MINUTE_US);
            assert_eq!(sessions::find(tx, &secrets[1], now)?, Some(mine[1].clone()));
            let stranger = BearerSecret::mint(entropy).digest();
            assert_eq!(sessions::find(tx, &stranger, now)?, None);
            let latest_first: Vec<Session> = mine.iter().rev().cloned().collect();
            assert_eq!(sessions::list(tx, &made.user, now)?, latest_first);

            let over = NOW.plus(IDLE_US);
            assert_eq!(sessions::find(tx, &secrets[0], over)?, None);
            assert_eq!(sessions::list(tx, &made.user, over)?.len(), 2);
            sessions::note_seen(tx, &mine[0].id, now)?;
            assert!(
                sessions::find(tx, &secrets[0], over)?.is_some(),
                "it was used"
            );

            let other = UserId::new("user-other");
            assert!(!sessions::end(tx, &other, &mine[0].id)?, "not theirs");
            assert!(sessions::end(tx, &made.user, &mine[0].id)?);
            assert!(!sessions::end(tx, &made.user, &mine[0].id)?);
            assert_eq!(sessions::end_others(tx, &made.user, Some(&mine[2].id))?, 1);
            assert_eq!(sessions::list(tx, &made.user, now)?, [mine[2].clone()]);
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_session_ends_the_oldest() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let first = BearerSecret::mint(entropy).digest();
            sessions::begin(tx, &first, &session(&made.user, NOW))?;
            for minutes in 1..=100 {
                let now = NOW.plus(minutes * MINUTE_US);
                let digest = BearerSecret::mint(entropy).digest();
                sessions::begin(tx, &digest, &session(&made.user, now))?;
            }
            assert_eq!(sessions::find(tx, &first, NOW)?, None);
            assert_eq!(sessions::list(tx, &made.user, NOW)?.len(), 100);
            Ok(())
        })
        .await;
    })
    .await;
}

async fn send(store: &Store) -> String {
    let code = Code::mint(entropy);
    let digits = code.expose().to_owned();
    write(store, move |tx| {
        let sent = SentCode::first(Purpose::NewEmail, &code, NOW, entropy);
        codes::put(tx, "user-1", "ada@example.com", &sent)
    })
    .await;
    digits
}

async fn type_in(store: &Store, typed: &str) -> Result<String, CodeRefusal> {
    let typed = typed.to_owned();
    let purpose = Purpose::NewEmail;
    write(store, move |tx| {
        codes::check(tx, "user-1", purpose, &typed, NOW)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_tells_where_it_was_sent() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let code = send(&store).await;
        let other = write(&store, move |tx| {
            codes::check(tx, "user-2", Purpose::NewEmail, "000000", NOW)
        });
        assert_eq!(other.await, Err(CodeRefusal::Expired), "nothing was sent");
        let target = type_in(&store, &code).await;
        assert_eq!(target.as_deref(), Ok("ada@example.com"));
        assert_eq!(type_in(&store, &code).await, Err(CodeRefusal::Expired));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_get_no_more_tries_than_guesses_in_a_row() {
    on_each_database(async |database| {
        let (first, _) = set_up(&database).await;
        let second = open(&database.url, Role::Command).await.unwrap();
        let code = send(&first).await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let guesses: Vec<_> = (0..20)
            .map(|number| {
                let store = [&first, &second][number % 2].clone();
                tokio::spawn(async move { type_in(&store, wrong).await })
            })
            .collect();
        let mut judged = 0;
        for guess in guesses {
            judged += i64::from(guess.await.unwrap() == Err(CodeRefusal::Wrong));
        }
        // The last try is told that it was the last.
        assert_eq!(judged, TRIES - 1);
        assert_eq!(type_in(&first, &code).await, Err(CodeRefusal::NoTriesLeft));
    })
    .await;
}

const THREE: Throttle = Throttle {
    name: "three",
    every_us: MINUTE_US,
    burst: 3,
};

async fn take(store: &Store, subject: &'static str, now: AtUs) -> Result<(), AtUs> {
    write(store, move |tx| throttles::take(tx, &THREE, subject, now)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_holds_however_many_come_at_once() {
    on_each_database(async |database| {
        let (first, _) = set_up(&database).await;
        let second = open(&database.url, Role::Command).await.unwrap();
        let stores = Arc::new([first.clone(), second]);
        let attempts: Vec<_> = (0..20)
            .map(|number| {
                let stores = Arc::clone(&stores);
                tokio::spawn(async move { take(&stores[number % 2], "a", NOW).await })
            })
            .collect();
        let mut taken = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(()) => taken += 1,
                Err(from) => assert_eq!(from, NOW.plus(MINUTE_US)),
            }
        }
        assert_eq!(taken, 3);
        assert_eq!(
            take(&first, "b", NOW).await,
            Ok(()),
            "others are not concerned"
        );
        let next = NOW.plus(MINUTE_US);
        assert_eq!(take(&first, "a", next).await, Ok(()));
        assert_eq!(take(&first, "a", next).await, Err(next.plus(MINUTE_US)));
        write(&first, |tx| throttles::clear(tx, &THREE, "a")).await;
        assert_eq!(take(&first, "a", next).await, Ok(()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_choose_a_password_works_once_and_not_after_another_change() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let links = [0, 1, 2].map(|_| BearerSecret::mint(entropy).digest());
            for link in &links {
                password_resets::begin(tx, link, &made.user, NOW)?;
            }
            let over = NOW.plus(password_resets::LIFETIME_US);
            assert_eq!(password_resets::find(tx, &links[0], over)?, None);
            assert_eq!(password_resets::take(tx, &links[0], over)?, None);
            assert_eq!(
                password_resets::find(tx, &links[0], NOW)?,
                Some(made.user.clone())
            );
            assert_eq!(
                password_resets::take(tx, &links[0], NOW)?,
                Some(made.user.clone())
            );
            assert_eq!(password_resets::take(tx, &links[0], NOW)?, None);
            let hash = domain::people::password::PasswordHash::new("new".into());
            users::set_password(tx, &made.user, &hash)?;
            assert_eq!(password_resets::find(tx, &links[1], NOW)?, None);
            let kept = users::password(tx, &made.user)?.unwrap();
            assert_eq!(kept.expose(), "new");
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_one_forgets_what_is_over() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let begin = move |tx: &mut store::Tx<'_>| {
            let digest = BearerSecret::mint(entropy).digest();
            sessions::begin(tx, &digest, &session(&made.user, NOW))
        };
        write(&store, begin).await;
        let over = NOW.plus(IDLE_US);
        let processes = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(
                async move { write(&store, move |tx| people::forget_in_turn(tx, over)).await },
            )
        });
        let mut forgotten = Vec::new();
        for process in processes.collect::<Vec<_>>() {
            forgotten.extend(process.await.unwrap());
        }
        assert_eq!(forgotten, [1], "one process, and the one session");
        for (minutes, is_due) in [(0, false), (9, false), (10, true)] {
            let now = over.plus(minutes * MINUTE_US);
            let read = store.read(move |tx| people::is_due(tx, now)).await;
            assert_eq!(read.unwrap(), is_due, "after {minutes} minutes");
        }
    })
    .await;
}
