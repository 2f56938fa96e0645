//! Webhooks: queued with their alerts, tried until they are taken or given up, each try written
//! down; and endpoints that take nothing are switched off.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use domain::alert::{Alert, AlertEvent, AlertKind, MailTo};
use domain::id::{OrganizationId, WebhookDeliveryId, WebhookEndpointId};
use domain::money::Nusd;
use domain::time::{AtUs, SECOND_US};
use domain::webhook::{FAILING_US, Form, KEPT_US, Off};
use store::alerts::{self, settings};
use store::jobs::{self, Claimed};
use store::page::Page;
use store::webhooks::{self, Attempt, End, Endpoint, State};
use store::{Store, StoreError};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{entropy, rows};

fn endpoint(id: &str, form: Form, kinds: Option<Vec<AlertKind>>) -> Endpoint {
    Endpoint {
        id: WebhookEndpointId::new(id),
        form,
        url: "https://example.com/hook".into(),
        kinds,
        description: String::new(),
        secret: Bytes::from_static(b"sealed"),
        earlier: None,
        off: None,
        failing_since: None,
        created_at: NOW,
    }
}

async fn make(store: &Store, organization: &OrganizationId, endpoint: Endpoint) {
    let organization = organization.clone();
    write(store, move |tx| {
        webhooks::create(tx, &organization, &endpoint)
    })
    .await;
}

async fn raise(store: &Store, organization: &OrganizationId, cause: &str) {
    let usd = |text| Nusd::parse_usd(text).unwrap();
    let event = AlertEvent::LowBalance {
        available: usd("0.75"),
        threshold: usd("1"),
    };
    let alert = Alert::new(organization, cause, event);
    write(store, move |tx| alerts::raise(tx, &alert, NOW, entropy)).await;
}

async fn claim(store: &Store, now: AtUs) -> Vec<(Claimed, WebhookDeliveryId)> {
    let claimed = write(store, move |tx| jobs::claim_webhooks(tx, 10, now, entropy)).await;
    let named = |job: Claimed| {
        let id = WebhookDeliveryId::new(&job.facts["delivery"]);
        (job, id)
    };
    claimed.into_iter().map(named).collect()
}

fn attempt(status: u16) -> Attempt {
    Attempt {
        at: NOW,
        took_ms: 12,
        status: Some(status),
        answer: Some("fine".into()),
        failure: None,
    }
}

async fn record(
    store: &Store,
    job: &(Claimed, WebhookDeliveryId),
    (status, end): (u16, End),
    now: AtUs,
) -> bool {
    let (job, id) = job.clone();
    write(store, move |tx| {
        webhooks::record(tx, (&job, &id), (&attempt(status), end), now, entropy)
    })
    .await
}

async fn found(store: &Store, organization: &OrganizationId, id: &str) -> Endpoint {
    let (organization, id) = (organization.clone(), WebhookEndpointId::new(id));
    let read = store.read(move |tx| webhooks::get(tx, &organization, &id));
    let found: Result<_, StoreError> = read.await;
    found.unwrap().unwrap()
}

#[tokio::test]
async fn an_alert_is_queued_for_each_endpoint_that_wants_to_know() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = &made.organization;
        let only = |kind| Some(vec![kind, AlertKind::Receipt]);
        make(&store, id, endpoint("webhook_all", Form::Standard, None)).await;
        make(
            &store,
            id,
            endpoint("webhook_chat", Form::Slack, only(AlertKind::LowBalance)),
        )
        .await;
        make(
            &store,
            id,
            endpoint("webhook_no", Form::Standard, only(AlertKind::KeyLeaked)),
        )
        .await;
        let off = Endpoint {
            off: Some((Off::ByHand, NOW)),
            ..endpoint("webhook_off", Form::Standard, None)
        };
        make(&store, id, off.clone()).await;
        write(&store, move |tx| webhooks::change(tx, &off)).await;
        raise(&store, id, "1").await;

        let jobs = claim(&store, NOW).await;
        let mut orders = Vec::new();
        for (_, delivery) in jobs.clone() {
            let order = write(&store, move |tx| webhooks::order(tx, &delivery, NOW)).await;
            orders.push(order.unwrap());
        }
        orders.sort_by_key(|order| order.endpoint.to_string());
        let names: Vec<&str> = orders.iter().map(|it| it.endpoint.as_str()).collect();
        assert_eq!(names, ["webhook_all", "webhook_chat"]);
        assert_eq!(orders[0].event, orders[1].event, "one event");
        let event: serde_json::Value = serde_json::from_str(&orders[0].payload).unwrap();
        assert_eq!(event["type"], "low_balance");
        assert_eq!(event["id"], *orders[0].event);
        assert_eq!(event["organization_id"], *id.as_str());
        assert_eq!(event["data"]["available_usd"], "0.75");
        assert!(orders[0].facts.is_empty());
        assert_eq!(orders[1].facts["available_usd"], "$0.75");

        for job in &jobs {
            assert!(record(&store, job, (204, End::Delivered), NOW).await);
            assert!(
                !record(&store, job, (204, End::Delivered), NOW).await,
                "once"
            );
        }
        let kept = rows(&store, "SELECT COUNT(*) FROM webhook_attempts").await;
        assert_eq!(kept[0].int(0).unwrap(), 2);
        assert!(claim(&store, NOW).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_for_days_is_switched_off_and_its_owners_told_once() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = &made.organization;
        make(&store, id, endpoint("webhook_1", Form::Standard, None)).await;
        raise(&store, id, "1").await;
        let job = claim(&store, NOW).await.remove(0);
        let soon = NOW.plus(SECOND_US);
        assert!(record(&store, &job, (500, End::Again(soon)), NOW).await);
        assert_eq!(
            found(&store, id, "webhook_1").await.failing_since,
            Some(NOW)
        );

        // What is taken ends the series.
        let job = claim(&store, soon).await.remove(0);
        assert!(record(&store, &job, (200, End::Delivered), soon).await);
        assert_eq!(found(&store, id, "webhook_1").await.failing_since, None);

        for (cause, at) in [("2", soon), ("3", soon.plus(FAILING_US - 1))] {
            raise(&store, id, cause).await;
            let job = claim(&store, at).await.remove(0);
            assert!(record(&store, &job, (500, End::GivenUp), at).await);
            assert_eq!(found(&store, id, "webhook_1").await.off, None);
        }
        raise(&store, id, "4").await;
        raise(&store, id, "5").await;
        let last = soon.plus(FAILING_US);
        for job in claim(&store, last).await {
            assert!(record(&store, &job, (500, End::GivenUp), last).await);
        }
        assert_eq!(
            found(&store, id, "webhook_1").await.off,
            Some((Off::Failing, last))
        );
        let sql = "SELECT recipient FROM jobs WHERE template = 'webhook_disabled'";
        let told = rows(&store, sql).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].text(0).unwrap(), "ada@example.com");

        raise(&store, id, "6").await;
        assert!(claim(&store, last).await.is_empty(), "nothing goes there");
    })
    .await;
}

#[tokio::test]
async fn a_delivery_can_be_sent_again_and_is_forgotten_with_time() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = &made.organization;
        make(&store, id, endpoint("webhook_1", Form::Standard, None)).await;
        raise(&store, id, "1").await;
        let job = claim(&store, NOW).await.remove(0);
        let replay = async || {
            let (of, id) = (WebhookEndpointId::new("webhook_1"), job.1.clone());
            write(&store, move |tx| {
                webhooks::replay(tx, &of, &id, NOW, entropy)
            })
            .await
        };
        assert!(!replay().await, "it waits");
        assert!(record(&store, &job, (410, End::Gone), NOW).await);
        assert_eq!(
            found(&store, id, "webhook_1").await.off,
            Some((Off::Gone, NOW))
        );
        assert!(replay().await);
        let again = claim(&store, NOW).await.remove(0);
        assert_eq!(again.1, job.1);
        assert!(record(&store, &again, (200, End::Delivered), NOW).await);

        let all = |tx: &mut store::Tx<'_>| {
            let page = Page {
                after: None,
                is_descending: true,
                limit: 10,
            };
            webhooks::deliveries(tx, &WebhookEndpointId::new("webhook_1"), &page)
        };
        let delivery = write(&store, all).await.remove(0);
        assert_eq!((delivery.state, delivery.attempts), (State::Delivered, 2));
        assert_eq!(delivery.last_status, Some(200));
        let tries = write(&store, move |tx| webhooks::attempts(tx, &delivery.id)).await;
        let statuses: Vec<_> = tries.iter().map(|it| it.status).collect();
        assert_eq!(statuses, [Some(410), Some(200)]);

        let late = NOW.plus(KEPT_US + 1);
        let forgotten = write(&store, move |tx| webhooks::forget(tx, 10, late)).await;
        assert_eq!(forgotten, 1);
        write(&store, |tx| {
            webhooks::delete(tx, &WebhookEndpointId::new("webhook_1"))
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_an_operator_drops_from_the_queue_does_not_wait_for_ever() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        make(
            &store,
            &made.organization,
            endpoint("webhook_1", Form::Standard, None),
        )
        .await;
        raise(&store, &made.organization, "1").await;
        let forget = async || write(&store, |tx| webhooks::forget(tx, 10, NOW)).await;
        let states = async || {
            let found = rows(&store, "SELECT state FROM webhook_deliveries").await;
            found[0].text(0).unwrap().to_owned()
        };
        forget().await;
        assert_eq!(states().await, "waiting");
        // SQL in a test: as `jobs::remove` does.
        write(&store, |tx| {
            tx.execute("DELETE FROM jobs WHERE kind = 'webhook'", &[])
        })
        .await;
        forget().await;
        assert_eq!(states().await, "failed");
    })
    .await;
}

#[tokio::test]
async fn mails_go_where_the_organization_says() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let told = async |cause: &str| {
            raise(&store, &made.organization, cause).await;
            let mails = write(&store, |tx| jobs::claim(tx, 10, NOW, entropy)).await;
            let mut to: Vec<String> = mails.into_iter().map(|it| it.to).collect();
            to.sort();
            to
        };
        let decide = async |mail_to| {
            let id = made.organization.clone();
            write(&store, move |tx| {
                settings::set_mail(tx, &id, AlertKind::LowBalance, mail_to)
            })
            .await;
        };
        let owner = "ada@example.com";
        assert_eq!(told("1").await, [owner], "there is no billing address");
        let id = made.organization.clone();
        let profile = domain::document::Party {
            name: "Acme".into(),
            email: "money@example.com".into(),
            ..Default::default()
        };
        write(&store, move |tx| {
            store::billing_profiles::set(tx, &id, &profile, NOW)
        })
        .await;
        assert_eq!(told("2").await, [owner, "money@example.com"]);
        for (mail_to, to) in [
            (MailTo::Nobody, vec![]),
            (MailTo::Billing, vec!["money@example.com"]),
            (MailTo::Owners, vec![owner]),
        ] {
            decide(mail_to).await;
            assert_eq!(told(mail_to.as_str()).await, to, "{mail_to:?}");
        }
        let id = made.organization.clone();
        let mails = write(&store, move |tx| settings::mails(tx, &id)).await;
        assert_eq!(mails[&AlertKind::LowBalance], MailTo::Owners);
        assert_eq!(mails[&AlertKind::Receipt], MailTo::Billing);
    })
    .await;
}
