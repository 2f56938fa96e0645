//! Setting up, once.

use domain::access::Owner;
use domain::key::KeyClass;
use store::installation::{self, SetUpError};
use store::{Role, projects, wallets};
use testkit::on_each_database;

use crate::crud_world::{NOW, all_active, first, set_up, write};
use crate::fixture::{entropy, open};

#[tokio::test(flavor = "multi_thread")]
async fn setting_up_makes_all_that_a_first_request_needs() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let (organization, project) = (made.organization.clone(), made.project.clone());
        let (wallet, project, mut active) = write(&store, move |tx| {
            let wallet = wallets::get(tx, &organization)?.unwrap();
            let project = projects::get(tx, &organization, &project)?.unwrap();
            Ok((wallet, project, all_active(tx)?))
        })
        .await;
        assert_eq!(wallet.balance().get(), 0);
        assert!(project.is_default && project.archived_at.is_none());

        active.sort_by_key(|key| key.principal.class.as_str());
        let [admin, data] = &active[..] else {
            panic!("two keys: {active:?}")
        };
        assert_eq!(admin.digest, made.admin_key.digest());
        assert_eq!(data.digest, made.api_key.digest());
        assert_eq!(admin.principal.class, KeyClass::Admin);
        assert_eq!(admin.principal.project, None);
        assert_eq!(data.principal.project, Some(made.project));
        for key in &active {
            assert_eq!(key.principal.owner, Owner::User(made.user.clone()));
            assert_eq!(key.principal.organization, made.organization);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_set_up_once_however_many_try() {
    on_each_database(async |database| {
        let mut stores = Vec::new();
        for _ in 0..2 {
            stores.push(open(&database.url, Role::Command).await.unwrap());
        }
        let attempt = |number: usize| {
            let store = stores[number % 2].clone();
            let new = first(&format!("person{number}@example.com"));
            tokio::spawn(async move {
                let write = store.write(move |tx| installation::set_up(tx, &new, NOW, entropy));
                write.await
            })
        };
        let attempts: Vec<_> = (0..8).map(attempt).collect();
        let mut made = 0;
        for outcome in attempts {
            match outcome.await.unwrap() {
                Ok(_) => made += 1,
                Err(SetUpError::AlreadySetUp) => {}
                Err(SetUpError::Store(error)) => panic!("{error}"),
            }
        }
        assert_eq!(made, 1);
    })
    .await;
}
