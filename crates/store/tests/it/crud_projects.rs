//! Projects: listed, kept apart, archived.

use domain::id::{OrganizationId, ProjectId};
use store::StoreError;
use store::projects::{self, Page, Project};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::entropy;

fn project(name: &str) -> Project {
    Project {
        id: ProjectId::random(entropy),
        name: name.into(),
        is_default: false,
        created_at: NOW,
        archived_at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_each_project_once_also_those_of_one_instant() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        write(&store, move |tx| {
            for number in 0..44 {
                let project = project(&format!("p{number}"));
                projects::create(tx, &made.organization, &project)?;
                if number % 4 == 0 {
                    projects::archive(tx, &project.id, NOW)?;
                }
            }
            for (include_archived, count) in [(true, 45), (false, 34)] {
                let mut seen: Vec<Project> = Vec::new();
                loop {
                    let page = Page {
                        after: seen.last().cloned(),
                        limit: 20,
                        include_archived,
                        seen_by: None,
                    };
                    let rows = projects::list(tx, &made.organization, &page)?;
                    if rows.is_empty() {
                        break;
                    }
                    seen.extend(rows);
                }
                assert_eq!(seen.len(), count);
                let mut ids: Vec<&str> = seen.iter().map(|it| it.id.as_str()).collect();
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), count, "none twice");
            }
            Ok(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_archived_once_and_the_default_one_never() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let default = made.project.clone();
        let archive = store.write(move |tx| projects::archive(tx, &default, NOW));
        assert!(matches!(archive.await, Err(StoreError::Conflict(_))));

        let id = write(&store, move |tx| {
            let made_here = project("Search");
            projects::create(tx, &made.organization, &made_here)?;
            projects::rename(tx, &made_here.id, "Find", NOW)?;
            projects::archive(tx, &made_here.id, NOW)?;
            let found = projects::get(tx, &made.organization, &made_here.id)?.unwrap();
            assert_eq!((&*found.name, found.archived_at), ("Find", Some(NOW)));
            let elsewhere = OrganizationId::new("org-other");
            assert_eq!(projects::get(tx, &elsewhere, &made_here.id)?, None);
            Ok(found.id)
        })
        .await;
        let again = store.write(move |tx| projects::archive(tx, &id, NOW));
        assert!(matches!(again.await, Err(StoreError::Conflict(_))));
    })
    .await;
}
