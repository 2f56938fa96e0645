//! The audit log in the database: bound to its change, and found by index.

use domain::access::Owner;
use domain::id::{AuditLogId, KeyId, ServiceAccountId};
use domain::time::AtUs;
use serde_json::{Value, json};
use store::StoreError;
use store::audit::{self, Act, Actor, Event, Filter, Kind, Page, Who};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::entropy;

fn everything() -> (Filter, Page) {
    let filter = Filter {
        from: AtUs(i64::MIN),
        until: AtUs(i64::MAX),
        projects: Vec::new(),
        kinds: Vec::new(),
        actors: Vec::new(),
        emails: Vec::new(),
        resources: Vec::new(),
    };
    let page = Page {
        after: None,
        before: None,
        limit: 100,
    };
    (filter, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_action_stay_in_order_and_say_who_acted() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let account = ServiceAccountId::new("svc_acct_a");
        let actors = [
            Who::Key(KeyId::new("key_a"), Owner::User(made.user.clone())),
            Who::Key(KeyId::new("key_b"), Owner::ServiceAccount(account)),
            Who::Session(made.user.clone()),
            Who::Operator,
        ];
        let (organization, wanted) = (made.organization.clone(), actors.clone());
        let entries = write(&store, move |tx| {
            for (who, at_us) in actors.into_iter().zip((NOW.0..).step_by(10)) {
                let actor = Actor {
                    who,
                    ip_address: Some("203.0.113.7".into()),
                    user_agent: Some("curl/8".into()),
                };
                let act = Act {
                    actor: &actor,
                    organization: &organization,
                    at: AtUs(at_us),
                    entropy,
                };
                let made = Event::new(Kind::ServiceAccountCreated, "a");
                let key = Event::new(Kind::ApiKeyCreated, "b").data(json!({"a": null, "b": 1}));
                audit::record(tx, &act, &[made, key])?;
            }
            let (filter, page) = everything();
            audit::list(tx, &organization, &filter, &page)
        });
        let mut entries = entries.await;
        entries.reverse();
        for (pair, who) in entries.chunks(2).zip(&wanted) {
            assert_eq!(pair[0].kind, "service_account.created");
            assert_eq!(pair[1].kind, "api_key.created");
            let detail: Value = serde_json::from_str(&pair[1].detail).unwrap();
            assert_eq!(detail, json!({"id": "b", "data": {"b": 1}}));
            assert_eq!(&pair[0].actor.who, who);
            assert_eq!(pair[0].actor.ip_address.as_deref(), Some("203.0.113.7"));
            let person = matches!(who, Who::Session(_) | Who::Key(_, Owner::User(_)));
            assert_eq!(
                pair[0].email.as_deref(),
                person.then_some("ada@example.com")
            );
            let by_key = matches!(who, Who::Key(..)).then_some(&made.project);
            assert_eq!(pair[0].project.as_ref().map(|(id, _)| id), by_key);
        }
        assert_eq!(entries.len(), 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_leaves_no_entry() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let organization = made.organization.clone();
        let failed = store.write(move |tx| -> Result<(), StoreError> {
            let act = Act {
                actor: &Actor::operator(),
                organization: &organization,
                at: NOW,
                entropy,
            };
            audit::record(tx, &act, &[Event::new(Kind::ProjectCreated, "a")])?;
            Err(StoreError::Conflict("on purpose".into()))
        });
        failed.await.unwrap_err();
        let entries = write(&store, move |tx| {
            let (filter, page) = everything();
            let nowhere = AuditLogId::new("audit_log-a");
            assert_eq!(audit::place(tx, &made.organization, &nowhere)?, None);
            audit::list(tx, &made.organization, &filter, &page)
        });
        assert_eq!(entries.await, []);
    })
    .await;
}

/// Every filter is answered from an index in the order of the list: no row is sorted.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_from_an_index() {
    let database = testkit::databases::sqlite();
    let (store, _) = set_up(&database).await;
    for condition in [
        "1 = 1",
        "kind = 'a'",
        "resource_id = 'a'",
        "project_id = 'a'",
        "user_id = 'a'",
    ] {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM audit_log
             WHERE organization_id = 'a' AND {condition} AND at_us >= 5
             ORDER BY at_us DESC, id DESC LIMIT 20"
        );
        let plan = store.read(move |tx| tx.query(&sql, &[])).await;
        let plan = plan.map_err(|error: StoreError| error).unwrap();
        assert_eq!(plan.len(), 1, "{condition}: {plan:?}");
        let step = plan[0].text(3).unwrap();
        assert!(
            step.starts_with("SEARCH") && step.contains("INDEX audit_log_by"),
            "{step}"
        );
    }
}
