//! Alerts: each is told once, by whoever finds it, and only if it was written down.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::alert::{Alert, AlertEvent};
use domain::id::OrganizationId;
use domain::money::Nusd;
use store::jobs::Listed;
use store::{Role, Store, StoreError, alerts, jobs};
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
