//! Second factors: what is used once is used once, also when several come at once.

use domain::id::{PasskeyId, UserId};
use domain::people::recovery_code::RecoveryCode;
use domain::people::secret::BearerSecret;
use domain::people::totp::TotpSecret;
use domain::sealed::{NotOpened, SealingKey};
use domain::time::MINUTE_US;
use store::audit::Actor;
use store::people::challenges::{self, Purpose};
use store::people::passkeys::{self, Passkey, Use};
use store::people::totp::NotConfirmed;
use store::people::{factors, pending_sign_ins, recovery_codes, totp, users};
use store::{Role, StoreError, jobs};
use testkit::on_each_database;

use crate::crud_world::{NOW, person, set_up, write};
use crate::fixture::{entropy, open};

fn key() -> SealingKey {
    SealingKey::new(&[7; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_there_when_a_code_of_it_was_shown() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let user = &made.user;
            let [first, second] = [0, 1].map(|_| TotpSecret::mint(entropy));
            let none = totp::confirm(tx, user, &first.code_at(NOW), &key(), NOW)?;
            assert_eq!(none, Err(NotConfirmed::Over));
            totp::begin(tx, user, &first, (&key(), entropy), NOW)?;
            totp::begin(tx, user, &second, (&key(), entropy), NOW)?;
            let earlier = totp::confirm(tx, user, &first.code_at(NOW), &key(), NOW)?;
            assert_eq!(
                earlier,
                Err(NotConfirmed::Wrong),
                "the second took its place"
            );
            let late = NOW.plus(totp::ENROLMENT_US);
            let over = totp::confirm(tx, user, &second.code_at(late), &key(), late)?;
            assert_eq!(over, Err(NotConfirmed::Over));
            assert!(!factors::of(tx, user)?.is_on());
            let code = second.code_at(NOW);
            assert_eq!(totp::confirm(tx, user, &code, &key(), NOW)?, Ok(()));
            assert_eq!(
                totp::confirm(tx, user, &code, &key(), NOW)?,
                Err(NotConfirmed::Over)
            );
            assert!(factors::of(tx, user)?.is_on());
            assert_eq!(totp::added_at(tx, user)?, Some(NOW));

            assert!(!totp::take(tx, user, &code, &key(), NOW)?, "it was shown");
            let next = NOW.plus(MINUTE_US);
            assert!(totp::take(tx, user, &second.code_at(next), &key(), next)?);
            let before = second.code_at(NOW.plus(MINUTE_US / 2));
            assert!(
                !totp::take(tx, user, &before, &key(), next)?,
                "a later one was used"
            );
            assert!(totp::remove(tx, user)?);
            assert!(!totp::remove(tx, user)?);
            assert!(!totp::take(tx, user, &second.code_at(next), &key(), next)?);
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_an_app_makes_no_codes_and_opens_in_its_row_only() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let (ada, secret) = (&made.user, TotpSecret::mint(entropy));
            let bob = &person(tx, &made.organization, "bob", "owner")?;
            totp::begin(tx, ada, &secret, (&key(), entropy), NOW)?;
            let shown = totp::confirm(tx, ada, &secret.code_at(NOW), &key(), NOW)?;
            assert_eq!(shown, Ok(()));
            let kept = tx.query_one("SELECT secret FROM totp", &[])?;
            let kept = String::from_utf8_lossy(kept.bytes(0)?).into_owned();
            assert!(!kept.contains(&secret.expose()));

            let next = NOW.plus(MINUTE_US);
            let (code, other) = (secret.code_at(next), SealingKey::new(&[8; 32]));
            let by_another = totp::take(tx, ada, &code, &other, next);
            let other_key = matches!(by_another, Err(StoreError::Sealed(NotOpened::OtherKey)));
            assert!(other_key, "{by_another:?}");
            // SQL in a test: somebody who writes to the database gives themselves another's app.
            let moved = "UPDATE totp SET user_id = $1";
            tx.execute_one(moved, &[bob.as_str().into()])?;
            let elsewhere = totp::take(tx, bob, &code, &key(), next);
            let is_damaged = matches!(elsewhere, Err(StoreError::Sealed(NotOpened::Damaged)));
            assert!(is_damaged, "{elsewhere:?}");
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_at_once_is_taken_once() {
    on_each_database(async |database| {
        let (first, made) = set_up(&database).await;
        let second = open(&database.url, Role::Command).await.unwrap();
        let secret = TotpSecret::mint(entropy);
        let (user, kept) = (made.user.clone(), secret.clone());
        let code = write(&first, move |tx| {
            totp::begin(tx, &user, &kept, (&key(), entropy), NOW)?;
            let shown = totp::confirm(tx, &user, &kept.code_at(NOW), &key(), NOW)?;
            assert_eq!(shown, Ok(()));
            Ok::<_, StoreError>(recovery_codes::renew(tx, &user, NOW, entropy)?.remove(0))
        })
        .await;
        let next = NOW.plus(MINUTE_US);
        let attempts: Vec<_> = (0..20)
            .map(|number| {
                let (store, user) = ([&first, &second][number % 2].clone(), made.user.clone());
                let (typed, code) = (secret.code_at(next), code.clone());
                tokio::spawn(async move {
                    write(&store, move |tx| {
                        let app = totp::take(tx, &user, &typed, &key(), next)?;
                        let recovery = recovery_codes::take(tx, &user, &code)?;
                        Ok::<_, StoreError>([app, recovery])
                    })
                    .await
                })
            })
            .collect();
        let mut taken = [0, 0];
        for attempt in attempts {
            let found = attempt.await.unwrap();
            for (count, is_taken) in taken.iter_mut().zip(found) {
                *count += u32::from(is_taken);
            }
        }
        assert_eq!(taken, [1, 1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_are_their_owners_and_go_with_the_last_factor() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let user = &made.user;
            let first = recovery_codes::renew(tx, user, NOW, entropy)?;
            let second = recovery_codes::renew(tx, user, NOW, entropy)?;
            assert_eq!((first.len(), second.len()), (10, 10));
            assert_eq!(recovery_codes::left(tx, user)?, 10);
            assert!(
                !recovery_codes::take(tx, user, &first[0])?,
                "it was replaced"
            );
            let stranger = domain::id::UserId::new("user-stranger");
            assert!(!recovery_codes::take(tx, &stranger, &second[0])?);
            let typed = RecoveryCode::parse(&second[0].expose()).expect("its own");
            assert!(recovery_codes::take(tx, user, &typed)?);
            assert!(!recovery_codes::take(tx, user, &typed)?);
            assert_eq!(factors::of(tx, user)?.recovery_codes, 9);
            factors::drop_idle_codes(tx, user)?;
            assert_eq!(recovery_codes::left(tx, user)?, 0, "there is no factor");
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_waits_for_ten_minutes_and_five_tries() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let [first, second, third] = [0, 1, 2].map(|_| BearerSecret::mint(entropy).digest());
            for digest in [&first, &second, &third] {
                pending_sign_ins::begin(tx, digest, &made.user, "password", NOW)?;
            }
            for left in (0..pending_sign_ins::TRIES).rev() {
                let pending = pending_sign_ins::take_try(tx, &first, NOW)?.expect("one more");
                assert_eq!((&pending.user, pending.tries_left), (&made.user, left));
            }
            assert_eq!(pending_sign_ins::take_try(tx, &first, NOW)?, None);
            let over = NOW.plus(pending_sign_ins::LIFETIME_US);
            assert_eq!(pending_sign_ins::take_try(tx, &second, over)?, None);
            assert!(pending_sign_ins::end(tx, &second)?);
            assert!(!pending_sign_ins::end(tx, &second)?);
            pending_sign_ins::end_all(tx, &made.user)?;
            assert_eq!(pending_sign_ins::take_try(tx, &third, NOW)?, None);
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_removes_all_factors_and_says_so() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let operator = Actor::operator();
            let user = users::get(tx, &made.user)?.expect("the first");
            assert!(
                !factors::reset(tx, &user, &operator, NOW, entropy)?,
                "none yet"
            );
            let secret = TotpSecret::mint(entropy);
            totp::begin(tx, &user.id, &secret, (&key(), entropy), NOW)?;
            assert!(totp::confirm(tx, &user.id, &secret.code_at(NOW), &key(), NOW)?.is_ok());
            recovery_codes::renew(tx, &user.id, NOW, entropy)?;
            assert!(passkeys::create(tx, &passkey(&user.id, "c"))?);
            let digest = BearerSecret::mint(entropy).digest();
            pending_sign_ins::begin(tx, &digest, &user.id, "password", NOW)?;

            assert!(factors::reset(tx, &user, &operator, NOW, entropy)?);
            let found = factors::of(tx, &user.id)?;
            assert!(!found.is_on() && found.recovery_codes == 0, "{found:?}");
            assert_eq!(pending_sign_ins::take_try(tx, &digest, NOW)?, None);
            let mails = jobs::claim(tx, 10, NOW, entropy)?;
            assert_eq!(mails.len(), 1);
            assert_eq!(mails[0].to, "ada@example.com");
            assert_eq!(mails[0].template, "second_factors_changed");
            let sql = "SELECT kind, detail FROM audit_log ORDER BY at_us DESC LIMIT 1";
            let entry = tx.query_one(sql, &[])?;
            assert_eq!(entry.text(0)?, "farebox.account.updated");
            assert!(entry.text(1)?.contains("second_factors"));
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

fn passkey(user: &UserId, credential_id: &str) -> Passkey {
    Passkey {
        id: PasskeyId::random(entropy),
        user: user.clone(),
        credential_id: credential_id.into(),
        public_key: "pQ".into(),
        sign_count: 5,
        is_user_verified: false,
        is_backup_eligible: true,
        is_backed_up: false,
        transports: vec!["usb".into(), "nfc".into()],
        name: "key".into(),
        created_at: NOW,
        last_used_at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_kept_once_and_used_as_it_was_read() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let user = &made.user;
            let kept = passkey(user, "c");
            assert!(passkeys::create(tx, &kept)?);
            assert!(!passkeys::create(tx, &passkey(user, "c"))?, "it is known");
            assert_eq!(passkeys::by_credential(tx, "c")?, Some(kept.clone()));
            assert_eq!(passkeys::by_credential(tx, "d")?, None);
            assert_eq!(passkeys::list(tx, user)?, std::slice::from_ref(&kept));
            assert!(factors::of(tx, user)?.is_on());

            let used = Use {
                sign_count: 6,
                is_user_verified: true,
                is_backed_up: true,
            };
            assert!(passkeys::note_use(tx, &kept, &used, NOW)?);
            assert!(!passkeys::note_use(tx, &kept, &used, NOW)?, "it was used");
            let now = passkeys::get(tx, user, &kept.id)?.expect("it is there");
            assert_eq!((now.sign_count, now.last_used_at), (6, Some(NOW)));
            assert!(now.is_user_verified && now.is_backed_up);
            let careless = Use {
                sign_count: 7,
                is_user_verified: false,
                is_backed_up: true,
            };
            assert!(passkeys::note_use(tx, &now, &careless, NOW)?);
            let now = passkeys::get(tx, user, &kept.id)?.expect("it is there");
            assert!(now.is_user_verified, "it was once");

            passkeys::rename(tx, &kept.id, "phone")?;
            assert_eq!(passkeys::list(tx, user)?[0].name, "phone");
            let stranger = UserId::new("user-stranger");
            assert!(!passkeys::remove(tx, &stranger, &kept.id)?);
            assert!(passkeys::remove(tx, user, &kept.id)?);
            assert!(!passkeys::note_use(tx, &now, &careless, NOW)?);
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered_once_in_time_and_for_what_it_was_given() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        write(&store, move |tx| {
            let mint = || BearerSecret::mint(entropy).digest();
            let of = |session: &str| Purpose::Register(session.into());
            let (first, second, third) = (mint(), mint(), mint());
            challenges::begin(tx, &first, &of("s1"), NOW)?;
            challenges::begin(tx, &second, &of("s2"), NOW)?;
            assert!(challenges::take(tx, &first, &of("s1"), NOW)?);
            assert!(!challenges::take(tx, &first, &of("s1"), NOW)?);
            for other in [of("s1"), Purpose::SignIn, Purpose::Proof("s2".into())] {
                challenges::begin(tx, &third, &of("s3"), NOW)?;
                assert!(!challenges::take(tx, &third, &other, NOW)?, "{other:?}");
            }
            challenges::begin(tx, &third, &of("s2"), NOW)?;
            assert!(!challenges::take(tx, &second, &of("s2"), NOW)?, "replaced");
            let over = NOW.plus(challenges::LIFETIME_US);
            assert!(!challenges::take(tx, &third, &of("s2"), over)?);
            // Those of strangers do not replace one another, and are forgotten in time.
            challenges::begin(tx, &first, &Purpose::SignIn, NOW)?;
            challenges::begin(tx, &second, &Purpose::SignIn, NOW)?;
            challenges::begin(tx, &third, &of("s1"), over)?;
            let sql = "SELECT COUNT(*) FROM passkey_challenges";
            assert_eq!(tx.query_one(sql, &[])?.int(0)?, 1);
            challenges::begin(tx, &first, &Purpose::SignIn, over)?;
            challenges::begin(tx, &second, &Purpose::SignIn, over)?;
            assert!(challenges::take(tx, &first, &Purpose::SignIn, over)?);
            assert!(challenges::take(tx, &second, &Purpose::SignIn, over)?);
            Ok::<_, StoreError>(())
        })
        .await;
    })
    .await;
}
