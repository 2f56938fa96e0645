//! What is decided about keys, and the secrets they had before.

use domain::id::KeyId;
use domain::key::{KeyClass, KeySecret};
use domain::network::Network;
use domain::restriction::{KeyPermissions, KeyScope, Restrictions};
use domain::rotation::{Grace, MOST_RETIRED};
use domain::time::{AtUs, SECOND_US};
use store::changes::{self, ChangeKind};
use store::keys::rotation::{self, Retired, RotationError};
use store::keys::settings::{self, Settings};
use store::keys::{self, ActiveKey};
use store::{StoreError, Tx};
use testkit::on_each_database;

use crate::crud_world::{NOW, all_active, join, key_of, person, set_up, write};
use crate::fixture::entropy;

fn one(tx: &mut Tx<'_>, id: &KeyId) -> Result<ActiveKey, StoreError> {
    let by_id = keys::active_by_id(tx, id)?.expect("it works");
    // What a server starts with is what it comes to by changes.
    let all = all_active(tx)?;
    let among_all = all
        .iter()
        .find(|key| key.principal.key == *id)
        .expect("it is there");
    assert_eq!(among_all.principal, by_id.principal);
    assert_eq!(among_all.retired, by_id.retired);
    Ok(by_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_about_a_key_is_read_back_and_told() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let digest = made.api_key.digest();
        write(&store, move |tx| {
            let id = keys::active_by_digest(tx, &digest)?.unwrap().principal.key;
            let some = [KeyScope::ModelsRead, KeyScope::ResponsesWrite];
            for (permissions, models, networks) in [
                (KeyPermissions::ReadOnly, None, None),
                (
                    KeyPermissions::Restricted(some.into_iter().collect()),
                    Some(vec!["a".into(), "b/c\"é".into()]),
                    Some(vec!["203.0.113.0/24", "2001:db8::/32"]),
                ),
                (
                    KeyPermissions::Restricted([].into_iter().collect()),
                    Some(Vec::new()),
                    Some(Vec::new()),
                ),
                (KeyPermissions::All, None, None),
            ] {
                let parsed = |list: Vec<&str>| {
                    let networks = list.into_iter().map(Network::parse);
                    networks.collect::<Result<Vec<_>, _>>().unwrap()
                };
                let settings = Settings {
                    name: "Ci".into(),
                    restrictions: Restrictions {
                        permissions,
                        models,
                        networks: networks.map(parsed),
                    },
                    expires_at: Some(NOW.plus(7)),
                };
                let before = changes::latest(tx)?;
                settings::set(tx, &id, &settings, NOW)?;
                let told = changes::after(tx, before, 10)?;
                assert_eq!((told.len(), told[0].kind), (1, ChangeKind::Key));
                let row = keys::get(tx, &made.project, &id)?.unwrap();
                assert_eq!(Settings::from(&row), settings);
                let principal = one(tx, &id)?.principal;
                assert_eq!(principal.restrictions, settings.restrictions);
                assert_eq!(principal.expires_at, settings.expires_at);
            }
            let row = keys::get(tx, &made.project, &id)?.unwrap();
            keys::revoke(tx, &id, NOW)?;
            let refused = settings::set(tx, &id, &Settings::from(&row), NOW);
            assert!(
                matches!(refused, Err(StoreError::Conflict(_))),
                "{refused:?}"
            );
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_their_own_keys_or_everybodys() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            let (organization, project) = (&made.organization, &made.project);
            let bob = person(tx, organization, "bob", "reader")?;
            join(tx, organization, project, &bob, "member")?;
            let mine = [
                key_of(tx, organization, project, &bob)?,
                key_of(tx, organization, project, &bob)?,
            ];
            let ids = |rows: Vec<keys::KeyRow>| -> Vec<KeyId> {
                rows.into_iter().map(|row| row.id).collect()
            };
            let all = settings::list_of_people(tx, project, None, None, 10)?;
            assert_eq!(all.len(), 3);
            let of_bob = ids(settings::list_of_people(tx, project, Some(&bob), None, 10)?);
            assert!(mine.iter().all(|id| of_bob.contains(id)) && of_bob.len() == 2);
            let first = settings::list_of_people(tx, project, Some(&bob), None, 1)?;
            let after = keys::cursor(tx, project, &first[0].id)?;
            let rest = settings::list_of_people(tx, project, Some(&bob), after.as_ref(), 10)?;
            assert_eq!(ids(rest), of_bob[1..]);
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_its_earlier_secrets_end() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let mut digests = vec![made.api_key.digest()];
        let later = |seconds: i64| NOW.plus(seconds * SECOND_US);
        write(&store, move |tx| {
            let id = keys::active_by_digest(tx, &digests[0])?
                .unwrap()
                .principal
                .key;
            // When it is rotated, with which grace, and until when each earlier secret works then,
            // the oldest first: all in seconds.
            let steps: [(i64, i64, &[i64]); 5] = [
                (0, 100, &[100]),
                (1, 100, &[100, 101]),
                (2, 10, &[12, 12, 12]),
                (50, 60, &[110]),
                (51, 0, &[51, 51]),
            ];
            for (at_s, grace_s, ends) in steps {
                let secret = KeySecret::mint(KeyClass::Project, entropy);
                digests.push(secret.digest());
                let before = changes::latest(tx)?;
                let grace = Grace::of_seconds(grace_s).unwrap();
                let end = rotation::rotate(tx, &id, &secret, grace, later(at_s)).unwrap();
                assert_eq!(end, later(at_s + grace_s));
                assert_eq!(changes::after(tx, before, 10)?.len(), 1);
                let key = one(tx, &id)?;
                assert_eq!(key.digest, *digests.last().unwrap());
                let replaced = &digests[digests.len() - 1 - ends.len()..digests.len() - 1];
                let wanted = |(digest, end_s): (_, &i64)| (digest, later(*end_s));
                let mut wanted: Vec<_> = replaced.iter().zip(ends).map(wanted).collect();
                let mut got: Vec<_> = key
                    .retired
                    .iter()
                    .map(|it| (&it.digest, it.ends_at))
                    .collect();
                let by_digest = |(digest, _): &(&domain::key::KeyDigest, AtUs)| digest.to_hex();
                wanted.sort_by_key(by_digest);
                got.sort_by_key(by_digest);
                assert_eq!(got, wanted, "{at_s}");
                let row = keys::get(tx, &made.project, &id)?.unwrap();
                assert_eq!(row.redacted_value, secret.redacted());
                assert_eq!(row.retired_until, ends.iter().map(|end| later(*end)).max());
                let earlier = rotation::earlier(tx, replaced.last().unwrap())?.unwrap();
                assert_eq!((&earlier.key, earlier.ends_at), (&id, end));
            }
            let secret = KeySecret::mint(KeyClass::Project, entropy);
            let grace = Grace::of_seconds(1).unwrap();
            keys::revoke(tx, &id, NOW)?;
            let refused = rotation::rotate(tx, &id, &secret, grace, NOW);
            let conflict = matches!(refused, Err(RotationError::Store(StoreError::Conflict(_))));
            assert!(conflict, "{refused:?}");
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_earlier_secrets_work_at_once() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let digest = made.api_key.digest();
        write(&store, move |tx| {
            let id = keys::active_by_digest(tx, &digest)?.unwrap().principal.key;
            let mut rotate = |grace_s: i64| {
                let secret = KeySecret::mint(KeyClass::Project, entropy);
                let grace = Grace::of_seconds(grace_s).unwrap();
                let rotated = rotation::rotate(tx, &id, &secret, grace, NOW);
                rotated.map(|_| one(tx, &id).unwrap().retired)
            };
            for count in 1..=MOST_RETIRED {
                assert_eq!(rotate(60).unwrap().len(), count);
            }
            let refused = rotate(60);
            assert!(
                matches!(refused, Err(RotationError::TooMany)),
                "{refused:?}"
            );
            // Whoever ends them all is never refused.
            let ended = rotate(0).unwrap();
            assert!(ended.iter().all(|Retired { ends_at, .. }| *ends_at == NOW));
            assert_eq!(rotate(60).unwrap().len(), 1, "what is over is forgotten");
            Ok(())
        })
        .await;
    })
    .await;
}
