//! Service accounts: their keys go with them.

use domain::access::Owner;
use domain::id::{KeyId, ServiceAccountId};
use domain::key::{KeyClass, KeySecret};
use store::keys::{self, NewKey};
use store::service_accounts::{self, ServiceAccount};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::entropy;

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_account_revokes_all_its_keys_and_no_others() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let account = ServiceAccount {
                id: ServiceAccountId::random(entropy),
                name: "bot".into(),
                role: "member".into(),
                created_at: NOW,
            };
            service_accounts::create(tx, &made.organization, &made.project, &account)?;
            for _ in 0..3 {
                let new = NewKey {
                    id: KeyId::random(entropy),
                    organization: &made.organization,
                    project: Some(&made.project),
                    owner: Owner::ServiceAccount(account.id.clone()),
                    name: "k",
                    expires_at: None,
                };
                let secret = KeySecret::mint(KeyClass::ServiceAccount, entropy);
                keys::create(tx, &new, &secret, NOW)?;
            }
            assert_eq!(keys::active_of_project(tx, &made.project)?.len(), 4);
            service_accounts::delete(tx, &account.id, NOW)?;
            let left = keys::active_of_project(tx, &made.project)?;
            assert_eq!(left.len(), 1);
            assert_eq!(left[0].principal.owner, Owner::User(made.user));
            let found = service_accounts::get(tx, &made.project, &account.id)?;
            assert_eq!(found, None);
            let cursor = service_accounts::cursor(tx, &made.project, &account.id)?;
            assert_eq!(cursor, Some((NOW, account.id)), "a list can go on after it");
            Ok(())
        })
        .await;
    })
    .await;
}
