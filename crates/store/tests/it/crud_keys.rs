//! Keys: recognised, restricted, revoked, heard of.

use domain::access::Owner;
use domain::id::{KeyId, ProjectId};
use domain::key::{KeyClass, KeySecret};
use domain::restriction::{KeyPermissions, KeyScope};
use domain::time::AtUs;
use store::changes::{self, ChangeKind};
use store::keys::{self, NewKey};
use store::projects::{self, Project};
use testkit::on_each_database;

use crate::crud_world::{NOW, all_active, set_up, write};
use crate::fixture::entropy;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_carries_everything_that_decides_what_it_may_do() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let digest = made.api_key.digest();
        let key = write(&store, move |tx| {
            let id = keys::active_by_digest(tx, &digest)?.unwrap().principal.key;
            let sql = "UPDATE keys SET models = $2, scopes = $3, expires_at_us = $4 WHERE id = $1";
            let (models, scopes) = (r#"["a","b/c"]"#, r#"["api.model.read"]"#);
            let until = NOW.plus(5).0.into();
            let params = [id.as_str().into(), models.into(), scopes.into(), until];
            tx.execute_one(sql, &params)?;
            keys::active_by_id(tx, &id)
        });
        let principal = key.await.unwrap().principal;
        let restrictions = principal.restrictions;
        let models = restrictions.models.unwrap();
        let models: Vec<&str> = models.iter().map(|model| &**model).collect();
        assert_eq!(models, ["a", "b/c"]);
        let scopes = [KeyScope::ModelsRead].into_iter().collect();
        assert_eq!(restrictions.permissions, KeyPermissions::Restricted(scopes));
        assert_eq!(principal.expires_at, Some(NOW.plus(5)));
        assert!(!principal.project_archived);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_archived_project_say_so_and_servers_hear_of_it() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let secret = KeySecret::mint(KeyClass::Project, entropy);
        let digest = secret.digest();
        let project = Project {
            id: ProjectId::random(entropy),
            name: "Search".into(),
            is_default: false,
            created_at: NOW,
            archived_at: None,
        };
        let (keys, told) = write(&store, move |tx| {
            projects::create(tx, &made.organization, &project)?;
            let new = NewKey {
                id: KeyId::new("key_new"),
                organization: &made.organization,
                project: Some(&project.id),
                owner: Owner::User(made.user),
                name: "k",
                expires_at: None,
            };
            let before = changes::latest(tx)?;
            keys::create(tx, &new, &secret, NOW)?;
            projects::archive(tx, &project.id, NOW)?;
            let told = changes::after(tx, before, 10)?;
            assert_eq!(told.last().unwrap().reference, project.id.as_str());
            Ok((keys::active_of_project(tx, &project.id)?, told))
        })
        .await;
        let kinds: Vec<ChangeKind> = told.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Key, ChangeKind::Project]);
        assert_eq!(told[0].reference, "key_new");
        let [key] = &keys[..] else {
            panic!("one key: {keys:?}")
        };
        assert_eq!(key.digest, digest);
        assert!(key.principal.project_archived);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_gone_and_told_of_once() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let digest = made.api_key.digest();
        write(&store, move |tx| {
            let id = keys::active_by_digest(tx, &digest)?.unwrap().principal.key;
            let before = changes::latest(tx)?;
            assert!(keys::revoke(tx, &id, NOW)?);
            assert!(!keys::revoke(tx, &id, NOW.plus(1))?, "it stays revoked");
            let told = changes::after(tx, before, 10)?;
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].kind, ChangeKind::Key);
            assert_eq!(told[0].reference, id.as_str());
            assert!(keys::active_by_id(tx, &id)?.is_none());
            assert!(keys::active_by_digest(tx, &digest)?.is_none());
            assert!(keys::get(tx, &made.project, &id)?.is_none());
            assert!(keys::list(tx, &made.project, None, None, 10)?.is_empty());
            assert_eq!(all_active(tx)?.len(), 1, "the admin key");
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_that_is_noted_late_does_not_hide_a_later_one() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let digest = made.api_key.digest();
        let last = write(&store, move |tx| {
            let id = keys::active_by_digest(tx, &digest)?.unwrap().principal.key;
            for at in [50, 70, 60] {
                let unknown = (KeyId::new("key_gone"), AtUs(1));
                keys::touch_last_used(tx, &[unknown, (id.clone(), AtUs(at))])?;
            }
            Ok(keys::get(tx, &made.project, &id)?.unwrap().last_used_at)
        });
        assert_eq!(last.await, Some(AtUs(70)));
    })
    .await;
}
