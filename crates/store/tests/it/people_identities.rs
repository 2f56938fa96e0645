//! Accounts at providers, and browsers on their way there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::id::{PasskeyId, UserId};
use domain::people::password::PasswordHash;
use domain::people::secret::BearerSecret;
use store::people::identities::{self, Link, Subject, UnlinkError};
use store::people::passkeys::{self, Passkey};
use store::people::sso_attempts::{self, Attempt, LIFETIME_US};
use store::people::users::{self, NewUser};
use store::people::ways::{self, Taken, Ways};
use store::{Role, Store, StoreError};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{entropy, open};

const ISSUER: &str = "https://sso.example.com";

fn who(subject: &str) -> Subject {
    Subject {
        issuer: ISSUER.into(),
        subject: subject.into(),
    }
}

/// Somebody without a password.
async fn user(store: &Store) -> UserId {
    write(store, |tx| {
        let new = NewUser {
            email: "grace@example.com",
            name: "Grace",
            password: None,
            phone: None,
            is_operator: false,
        };
        users::create(tx, &new, NOW, entropy)
    })
    .await
}

async fn link(store: &Store, user: &UserId, subject: &'static str) -> Result<(), StoreError> {
    let user = user.clone();
    let write = store.write(move |tx| {
        let link = Link {
            user: &user,
            who: &who(subject),
            email: None,
        };
        identities::link(tx, &link, NOW, entropy).map(|_| ())
    });
    write.await
}

/// Unlinks; true, or false because it is the last way.
async fn unlink(store: &Store, user: &UserId, subject: &'static str, issuer: &'static str) -> bool {
    let user = user.clone();
    let write = store.write(move |tx| -> Result<_, StoreError> {
        let Some(identity) = identities::find(tx, &who(subject))? else {
            return Ok(Err(UnlinkError::Gone));
        };
        let ways = Ways {
            issuers: &[issuer.to_owned()],
            passkeys: true,
        };
        Ok(identities::unlink(tx, &user, &identity.id, &ways))
    });
    match write.await.unwrap() {
        Ok(_) => true,
        Err(UnlinkError::LastWay) => false,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_elsewhere_is_linked_once_and_the_last_way_in_is_kept() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let grace = user(&store).await;
        link(&store, &grace, "a").await.unwrap();
        let again = link(&store, &grace, "a").await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
        link(&store, &grace, "b").await.unwrap();

        // The other one is at a provider that nobody can sign in with now.
        assert!(!unlink(&store, &grace, "a", "https://other.example").await);
        // Of both at once, on two connections, one stays.
        let other = open(&database.url, Role::Command).await.unwrap();
        let both = tokio::join!(
            unlink(&store, &grace, "a", ISSUER),
            unlink(&other, &grace, "b", ISSUER),
        );
        assert_ne!(both.0, both.1, "{both:?}");
        let left = if both.0 { "b" } else { "a" };
        assert!(!unlink(&store, &grace, left, ISSUER).await);
        let of = grace.clone();
        write(&store, move |tx| {
            users::set_password(tx, &of, &PasswordHash::new("a hash".into()))
        })
        .await;
        assert!(unlink(&store, &grace, left, ISSUER).await);
    })
    .await;
}

/// Adds a passkey, which knows its owner or does not.
async fn passkey(store: &Store, user: &UserId, name: &'static str, is_user_verified: bool) {
    let user = user.clone();
    let added = write(store, move |tx| {
        let passkey = Passkey {
            id: PasskeyId::new(name),
            user,
            credential_id: name.into(),
            public_key: "AQ".into(),
            sign_count: 0,
            is_user_verified,
            is_backup_eligible: false,
            is_backed_up: false,
            transports: Vec::new(),
            name: name.into(),
            created_at: NOW,
            last_used_at: None,
        };
        passkeys::create(tx, &passkey)
    });
    assert!(added.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_signs_in_alone_is_a_way_in() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let grace = user(&store).await;
        link(&store, &grace, "a").await.unwrap();
        passkey(&store, &grace, "passkey_dumb", false).await;
        assert!(!unlink(&store, &grace, "a", ISSUER).await);
        passkey(&store, &grace, "passkey_pin", true).await;
        assert!(unlink(&store, &grace, "a", ISSUER).await);

        let of = grace.clone();
        let is_left = async |taken: &'static str, passkeys: bool| {
            let (of, taken) = (of.clone(), PasskeyId::new(taken));
            let ways = Ways {
                issuers: &[],
                passkeys,
            };
            write(&store, move |tx| {
                ways::is_left(tx, &of, Taken::Passkey(&taken), &ways)
            })
            .await
        };
        assert!(is_left("passkey_dumb", true).await);
        assert!(
            !is_left("passkey_dumb", false).await,
            "no passkey works here"
        );
        assert!(!is_left("passkey_pin", true).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_comes_back_once_with_both_secrets_and_in_time() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let mint = || BearerSecret::mint(entropy).digest();
        let (state, late, browser, other) = (mint(), mint(), mint(), mint());
        write(&store, move |tx| {
            let attempt = Attempt {
                provider: "acme".into(),
                return_to: "/usage".into(),
                invite: None,
                linking: None,
                begun_at: NOW,
            };
            sso_attempts::begin(tx, &state, &browser, &attempt)?;
            sso_attempts::begin(tx, &late, &browser, &attempt)?;
            let soon = NOW.plus(LIFETIME_US - 1);
            assert_eq!(sso_attempts::take(tx, &state, &other, soon)?, None);
            assert_eq!(sso_attempts::take(tx, &other, &browser, soon)?, None);
            assert!(sso_attempts::is_known(tx, &state, &browser)?);
            assert!(!sso_attempts::is_known(tx, &state, &other)?);
            assert_eq!(
                sso_attempts::take(tx, &state, &browser, soon)?,
                Some(attempt)
            );
            assert_eq!(sso_attempts::take(tx, &state, &browser, soon)?, None);
            let end = NOW.plus(LIFETIME_US);
            assert_eq!(store::people::forget(tx, soon)?, 0);
            assert!(sso_attempts::is_known(tx, &late, &browser)?);
            assert_eq!(store::people::forget(tx, end)?, 1);
            assert_eq!(sso_attempts::take(tx, &late, &browser, end)?, None);
            Ok(())
        })
        .await;
    })
    .await;
}
