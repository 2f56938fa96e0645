//! Alerts: each is told once, by whoever finds it, and only if it was written down.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::alert::{Alert, AlertEvent};
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::SECOND_US;
use store::alerts::{self, low_balances};
use store::installation::SetUp;
use store::jobs::Listed;
use store::people::sign_in_places::{self, SignIn};
use store::{Role, Store, StoreError, jobs};
use testkit::on_each_database;

use crate::crud_world::{NOW, person, set_up, write};
use crate::fixture::{entropy, open};

fn low_balance(organization: &OrganizationId, cause: &str) -> Alert {
    let usd = |text| Nusd::parse_usd(text).unwrap();
    let event = AlertEvent::LowBalance {
        available: usd("0.75"),
        threshold: usd("1"),
    };
    Alert::new(organization, cause, event)
}

async fn raise(store: &Store, alert: Alert) -> bool {
    write(store, move |tx| alerts::raise(tx, &alert, NOW, entropy)).await
}

async fn mails(store: &Store) -> Vec<(String, String)> {
    let waiting: Result<Vec<Listed>, StoreError> = store.read(|tx| jobs::waiting(tx, 100)).await;
    let told = waiting.unwrap().into_iter().map(|it| (it.to, it.template));
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_cause_is_told_once_to_every_owner_however_many_find_it_at_once() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let organization = made.organization.clone();
        write(&store, move |tx| {
            person(tx, &organization, "grace", "owner")?;
            person(tx, &organization, "reader", "reader")
        })
        .await;
        let other = open(&database.url, Role::Command).await.unwrap();
        let finders = (0..8).map(|number| {
            let store = [&store, &other][number % 2].clone();
            let alert = low_balance(&made.organization, "1");
            tokio::spawn(async move { raise(&store, alert).await })
        });
        let mut raised = 0;
        for finder in finders.collect::<Vec<_>>() {
            raised += u32::from(finder.await.unwrap());
        }
        assert_eq!(raised, 1);
        let told = |to: &str| (to.to_owned(), "low_balance".to_owned());
        let owners = vec![told("ada@example.com"), told("grace@example.com")];
        assert_eq!(mails(&store).await, owners);

        assert!(raise(&store, low_balance(&made.organization, "2")).await);
        assert_eq!(mails(&store).await.len(), 4, "another cause");
    })
    .await;
}

#[tokio::test]
async fn an_alert_is_told_only_with_what_it_is_about_and_to_those_whom_it_names() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let named = vec!["billing@example.com".to_owned()];
        let alert = low_balance(&made.organization, "1").to(named.clone());
        let failing = store.write({
            let alert = alert.clone();
            move |tx| {
                assert!(alerts::raise(tx, &alert, NOW, entropy)?);
                Err::<(), _>(StoreError::Failed("what it is about".into()))
            }
        });
        assert!(failing.await.is_err());
        assert!(mails(&store).await.is_empty());

        assert!(raise(&store, alert.clone()).await, "nobody was told");
        assert!(!raise(&store, alert).await);
        assert_eq!(
            mails(&store).await,
            [(named[0].clone(), "low_balance".into())]
        );
    })
    .await;
}

/// Gives credit, or spends some of it as requests do, and looks at the balances.
async fn after(store: &Store, made: &SetUp, (given, spent): (&str, &str), turn: i64) -> usize {
    let usd = |text| Nusd::parse_usd(text).unwrap();
    let id = made.organization.clone();
    let (given, spent) = (usd(given), usd(spent));
    let now = NOW.plus(turn * 60 * SECOND_US);
    write(store, move |tx| {
        // SQL in a test: the sums of a wallet, without the transfers that make them.
        let sql = "UPDATE accounts SET credits_nusd = credits_nusd + $2,
                          debits_nusd = debits_nusd + $3, has_moved = 1 WHERE id = $1";
        let wallet = format!("wallet:{id}");
        let params = [wallet.into(), given.get().into(), spent.get().into()];
        tx.execute_one(sql, &params)?;
        low_balances::look_in_turn(tx, now, entropy)
    })
    .await
    .alerts
}

#[tokio::test]
async fn a_balance_that_falls_is_told_once_until_it_falls_again() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let nothing = "0";
        for (turn, change, told) in [
            (0, (nothing, nothing), 0),
            (1, ("0.5", nothing), 0), // It never was above.
            (2, ("4.5", nothing), 0),
            (3, (nothing, "4"), 0), // A dollar is not below a dollar.
            (4, (nothing, "0.000000001"), 1),
            (5, (nothing, "0.5"), 0),
            (6, ("0.4", nothing), 0), // Still below.
            (7, ("5", nothing), 0),
            (8, (nothing, "5"), 1),
            (9, (nothing, nothing), 0),
        ] {
            assert_eq!(after(&store, &made, change, turn).await, told, "{turn}");
        }
        assert_eq!(mails(&store).await.len(), 2);

        let id = made.organization.clone();
        let high = Nusd::parse_usd("2").unwrap();
        write(&store, move |tx| low_balances::set_threshold(tx, &id, high)).await;
        for (turn, change, told) in [(10, ("3", nothing), 0), (11, (nothing, "2"), 1)] {
            assert_eq!(after(&store, &made, change, turn).await, told, "{turn}");
        }
        let id = made.organization.clone();
        write(&store, move |tx| {
            low_balances::set_threshold(tx, &id, Nusd::ZERO)
        })
        .await;
        for (turn, change) in [(12, ("9", nothing)), (13, (nothing, "9"))] {
            assert_eq!(
                after(&store, &made, change, turn).await,
                0,
                "nobody wants to know"
            );
        }
        // Two servers that look at once look once.
        let again = write(&store, move |tx| {
            low_balances::is_due(tx, NOW.plus(13 * 60 * SECOND_US))
        });
        assert!(!again.await);
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_from_elsewhere_is_told_once_and_not_the_first() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let sign_in = async |id: &'static str, device: &'static str, network: &'static str| {
            let user = made.user.clone();
            write(&store, move |tx| {
                let sign_in = SignIn {
                    user: &user,
                    id,
                    device,
                    network,
                    ip_address: "203.0.113.7",
                };
                sign_in_places::note(tx, &sign_in, NOW, entropy)
            })
            .await;
            mails(&store).await.len()
        };
        assert_eq!(sign_in("1", "Firefox on Linux", "a").await, 0, "the first");
        assert_eq!(sign_in("2", "Firefox on Linux", "a").await, 0);
        assert_eq!(sign_in("3", "Chrome on Windows", "a").await, 1);
        assert_eq!(sign_in("4", "Firefox on Linux", "b").await, 2);
        assert_eq!(
            sign_in("5", "Chrome on Windows", "b").await,
            2,
            "both are known"
        );
        let told = ("ada@example.com".to_owned(), "new_sign_in".to_owned());
        assert_eq!(mails(&store).await, [told.clone(), told]);
    })
    .await;
}
