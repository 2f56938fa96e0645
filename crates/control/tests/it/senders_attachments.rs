//! Receipts and statements go with the mails that tell of them, as people download them themselves.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::alert::{Alert, AlertEvent};
use domain::document::Line;
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::AtUs;
use farebox_control::senders::{Encryption, MailRoute, SmsRoute};
use http::Method;
use serde_json::{Value, json};
use store::jobs::Channel;
use store::receipts::{self, Sale};
use store::{StoreError, alerts};
use testkit::http::{Answer, Request};
use testkit::on_each_database;
use testkit::smtp::{self, SmtpServer};

use crate::senders::{Sending, settings};
use crate::world::{World, entropy, refused};

const RECEIPT: &str = "2027-000001";
const MONTH: &str = "2027-01";

/// Tells of a receipt that is there, of a statement, and of a receipt that is another's.
async fn tell(world: &World) {
    let organization = world.made.organization.clone();
    let now = AtUs(world.now.load(Ordering::Relaxed));
    let write = world.store.write(move |tx| -> Result<(), StoreError> {
        // SQL in a test: another organization, with nobody in it.
        let sql = "INSERT INTO organizations (id, name, created_at_us) VALUES ('org-b', 'B', 1)";
        tx.execute_one(sql, &[])?;
        for of in [&organization, &OrganizationId::new("org-b")] {
            let purchase = format!("payment:{of}");
            let sale = Sale {
                purchase: &purchase,
                organization: of,
                lines: vec![Line {
                    description: "Prepaid credit".into(),
                    amount: Nusd::new(25_000_000_000),
                }],
                tax: Nusd::ZERO,
                tax_percent: "0",
                paid_with: None,
            };
            receipts::issue(tx, &sale, now)?;
        }
        let of_receipt = |number: &str| AlertEvent::Receipt {
            number: number.into(),
            payment: "pay_1".into(),
            amount: Nusd::new(25_000_000_000),
            tax: Nusd::ZERO,
        };
        let ready = AlertEvent::StatementReady {
            statement: MONTH.into(),
            month: MONTH.into(),
            closing: Nusd::ZERO,
        };
        for (cause, event) in [
            ("1", of_receipt(RECEIPT)),
            ("2", ready),
            ("3", of_receipt("2027-000002")),
        ] {
            let alert = Alert::new(&organization, cause, event);
            assert!(alerts::raise(tx, &alert, now, entropy)?);
        }
        Ok(())
    });
    write.await.expect("it is told");
}

/// Asks as a browser of who is at home does.
async fn ask(world: &World, path: &str) -> Answer {
    let request = Request::new(Method::GET, &world.url(path));
    request.send().await.unwrap()
}

/// The papers as their owner downloads them, by the names that they have as files.
async fn papers(world: &World) -> [(String, Answer); 2] {
    let receipt = format!("/api/billing/receipts/{RECEIPT}.pdf");
    let statement = format!("/api/billing/statements/{MONTH}.pdf");
    [
        (format!("{RECEIPT}.pdf"), world.get(&receipt).await),
        (
            format!("statement-{MONTH}.pdf"),
            world.get(&statement).await,
        ),
    ]
}

#[tokio::test]
async fn what_is_attached_is_listed_in_the_outbox_and_can_be_downloaded() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        tell(&world).await;
        let sending = Sending::start(world, MailRoute::Outbox, SmsRoute::Outbox);
        sending.until_ended(Channel::Mail).await;
        let world = &sending.world;
        let outbox = ask(world, "/api/outbox").await.json();
        let messages = outbox["data"].as_array().unwrap();
        assert_eq!(messages.len(), 3);
        let mut found = 0;
        for (name, paper) in papers(world).await {
            assert!(paper.body.starts_with(b"%PDF"), "{}", paper.text());
            let with = messages
                .iter()
                .find(|it| it["attachments"][0]["name"] == *name);
            let message = with.unwrap_or_else(|| panic!("{name} in {outbox}"));
            let file = &message["attachments"][0];
            assert_eq!(file["media_type"], "application/pdf");
            assert_eq!(file["size_bytes"], json!(paper.body.len()));
            let download = ask(world, file["url"].as_str().unwrap()).await;
            assert_eq!(download.status, 200);
            assert_eq!(download.body, paper.body, "the same as who signs in gets");
            assert_eq!(download.header("content-type"), Some("application/pdf"));
            let disposition = format!("attachment; filename=\"{name}\"");
            assert_eq!(download.header("content-disposition"), Some(&*disposition));
            let page = message["html"].as_str().unwrap();
            assert!(page.contains("</html>") && page.contains("Acme"), "{page}");
            found += 1;
            let id = message["id"].as_str().unwrap();
            let none = ask(world, &format!("/api/outbox/{id}/attachments/other.pdf")).await;
            refused(&none, 404, Value::Null, "not_found");
        }
        assert_eq!(found, 2);
        // Nobody is sent another's paper, whatever a message says.
        let bare = messages.iter().filter(|it| it["attachments"] == json!([]));
        assert_eq!(bare.count(), 1);
        sending.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_file_goes_with_a_mail_beside_its_words() {
    on_each_database(async |database| {
        let server = SmtpServer::start(smtp::Encryption::None, None).await;
        let world = World::start(database).await;
        tell(&world).await;
        let sending = Sending::mail_to(world, settings(&server, Encryption::None));
        sending.until_ended(Channel::Mail).await;
        let received = server.received();
        assert_eq!(received.len(), 3);
        for (name, paper) in papers(&sending.world).await {
            let filename = format!("filename=\"{name}\"");
            let mail = received.iter().find(|it| it.data.contains(&filename));
            let data = mail.expect("it is there").data.replace("\r\n", "\n");
            assert!(data.contains("Content-Type: multipart/mixed"), "{data}");
            let words = data.find("Content-Type: multipart/alternative").unwrap();
            let file = data.find("Content-Type: application/pdf").unwrap();
            assert!(words < file, "{data}");
            let (_, content) = data[file..].split_once("\n\n").unwrap();
            let (content, _) = content.split_once("\n--").unwrap();
            let decoded = STANDARD.decode(content.replace('\n', "")).unwrap();
            assert_eq!(decoded, paper.body, "{name}");
        }
        let bare = received
            .iter()
            .filter(|it| !it.data.contains("multipart/mixed"));
        assert_eq!(bare.count(), 1, "a mail without a file is words alone");
        sending.end().await;
    })
    .await;
}
