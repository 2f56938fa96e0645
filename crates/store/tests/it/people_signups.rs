//! From a sign-up to a user with an organization, and trial credit once for each phone number.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::money::Nusd;
use domain::people::email::Email;
use domain::people::password::PasswordHash;
use domain::people::phone::Phone;
use domain::people::secret::{BearerDigest, BearerSecret};
use domain::time::AtUs;
use store::people::signups::{self, ActivateError, Activated, LIFETIME_US, Signup};
use store::people::trials::TrialCredit;
use store::people::users;
use store::{Role, Store, StoreError, projects, verify, wallets};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{entropy, open};

fn five() -> Nusd {
    Nusd::parse_usd("5.00").unwrap()
}

fn phone() -> Phone {
    Phone::parse("+4930901820").unwrap()
}

/// A sign-up; its address is proved.
async fn signup(store: &Store, email: &str) -> BearerDigest {
    let digest = BearerSecret::mint(entropy).digest();
    let (kept, email) = (digest.clone(), Email::parse(email).unwrap());
    write(store, move |tx| {
        let signup = Signup {
            email,
            name: "Grace".into(),
            organization: "Hopper & Co".into(),
            password: Some(PasswordHash::new("a hash".into())),
            identity: None,
            invite: None,
            join: None,
            email_verified_at: None,
            begun_at: NOW,
        };
        signups::begin(tx, &kept, &signup)?;
        signups::verify_email(tx, &kept, NOW)
    })
    .await;
    digest
}

async fn activate(
    store: &Store,
    digest: &BearerDigest,
    phone: Option<Phone>,
    now: AtUs,
) -> Result<Activated, ActivateError> {
    let digest = digest.clone();
    let write = store.write(move |tx| {
        let credit = TrialCredit {
            amount: five(),
            days: 90,
        };
        let phone = phone.as_ref().map(|phone| (phone, credit));
        signups::activate(tx, &digest, phone, now, entropy)
    });
    write.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_becomes_a_user_who_owns_an_organization() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let digest = signup(&store, "grace@example.com").await;
        let made = activate(&store, &digest, Some(phone()), NOW).await.unwrap();
        assert!(made.has_trial_credit);
        let again = activate(&store, &digest, Some(phone()), NOW).await;
        assert!(matches!(again, Err(ActivateError::Gone)), "{again:?}");
        write(&store, move |tx| {
            let email = Email::parse("Grace@example.com").unwrap();
            let (user, hash) = users::by_email(tx, &email)?.unwrap();
            assert_eq!(hash.unwrap().expose(), "a hash");
            assert_eq!(users::get(tx, &made.user)?, Some(user.clone()));
            assert_eq!(user.phone.as_deref(), Some("+4930901820"));
            assert!(!user.is_operator);
            let memberships = users::memberships(tx, &user.id)?;
            let [membership] = &memberships[..] else {
                panic!("one: {memberships:?}")
            };
            assert_eq!(membership.organization, made.organization);
            let (name, role) = (&*membership.name, &*membership.role);
            assert_eq!((name, role), ("Hopper & Co", "owner"));
            let project = &membership.default_project;
            let project = projects::get(tx, &made.organization, project)?.unwrap();
            assert!(project.is_default);
            let wallet = wallets::get(tx, &made.organization)?.unwrap();
            assert_eq!(wallet.balance(), five());
            let report = verify::verify(tx)?;
            assert!(report.holds(), "{report:?}");
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_credit_is_granted_once_for_a_phone_however_many_come_with_it() {
    on_each_database(async |database| {
        let (first, _) = set_up(&database).await;
        let second = open(&database.url, Role::Command).await.unwrap();
        let mut attempts = Vec::new();
        for number in 0..6 {
            let store = [&first, &second][number % 2].clone();
            let digest = signup(&store, &format!("person{number}@example.com")).await;
            attempts.push(tokio::spawn(async move {
                activate(&store, &digest, Some(phone()), NOW).await
            }));
        }
        let mut granted = 0;
        for attempt in attempts {
            let made = attempt.await.unwrap().unwrap();
            let of = made.organization.clone();
            let wallet = write(&first, move |tx| wallets::get(tx, &of))
                .await
                .unwrap();
            let expected = [Nusd::ZERO, five()][usize::from(made.has_trial_credit)];
            assert_eq!(wallet.balance(), expected);
            granted += u32::from(made.has_trial_credit);
        }
        assert_eq!(granted, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sign_ups_with_one_address_one_becomes_a_user() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let mut attempts = Vec::new();
        for _ in 0..5 {
            let digest = signup(&store, "grace@example.com").await;
            let store = store.clone();
            attempts.push(tokio::spawn(async move {
                activate(&store, &digest, None, NOW).await
            }));
        }
        let mut made = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(activated) => {
                    assert!(!activated.has_trial_credit, "without a phone there is none");
                    made += 1;
                }
                Err(ActivateError::Taken) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(made, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_needs_its_address_proved_and_is_over_after_an_hour() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let digest = signup(&store, "grace@example.com").await;
        let late = activate(&store, &digest, None, NOW.plus(LIFETIME_US)).await;
        assert!(matches!(late, Err(ActivateError::Gone)), "{late:?}");

        let unproved = BearerSecret::mint(entropy).digest();
        let kept = unproved.clone();
        write(&store, move |tx| {
            let signup = Signup {
                email: Email::parse("eve@example.com").unwrap(),
                name: "Eve".into(),
                organization: "Eve".into(),
                password: None,
                identity: None,
                invite: None,
                join: None,
                email_verified_at: None,
                begun_at: NOW,
            };
            signups::begin(tx, &kept, &signup)
        })
        .await;
        let refused = activate(&store, &unproved, None, NOW).await;
        assert!(matches!(refused, Err(ActivateError::Gone)), "{refused:?}");
        let nobody = write(&store, |tx| {
            users::by_email(tx, &Email::parse("eve@example.com").unwrap())
        });
        assert!(nobody.await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_forgotten_and_nothing_else() {
    on_each_database(async |database| {
        let (store, _) = set_up(&database).await;
        let digest = signup(&store, "grace@example.com").await;
        let find = |now: AtUs| {
            let (store, digest) = (store.clone(), digest.clone());
            async move {
                write(&store, move |tx| {
                    let forgotten = store::people::forget(tx, now)?;
                    let found = signups::find(tx, &digest, NOW)?.is_some();
                    Ok::<_, StoreError>((forgotten, found))
                })
                .await
            }
        };
        assert_eq!(find(NOW).await, (0, true));
        assert_eq!(find(NOW.plus(25 * LIFETIME_US)).await, (1, false));
    })
    .await;
}
