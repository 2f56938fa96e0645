//! The real binary sends what is in its queue: into the outbox, unless it is told better.

use std::path::Path;
use std::sync::Arc;

use domain::message::{Letter, Message, Text};
use domain::time::{AtUs, Clock};
use serde_json::json;
use store::jobs::{self, Job};
use store::{DatabaseUrl, Options, Role, Store, StoreError};
use testkit::http::{Answer, Request, get};
use testkit::process::spawn_binary;
use testkit::smtp::{self, Encryption, SmtpServer, Trouble};
use testkit::{PATIENCE, Reply, Upstream, eventually, on_each_database};

use crate::place::{BINARY, Place};

fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).unwrap();
}

/// Puts a text message into the queue from outside the server.
async fn enqueue(database_url: &str, key: &str) {
    let text = Text::PhoneCode {
        code: "482913".into(),
        valid_minutes: 10,
    };
    let to = "+4930123456".to_owned();
    enqueue_message(database_url, key, Message::Sms { to, text }).await;
}

async fn enqueue_message(database_url: &str, key: &str, message: Message) {
    let clock: Clock = Arc::new(|| AtUs(0));
    let options = Options {
        url: DatabaseUrl::parse(database_url).unwrap(),
        role: Role::Command,
        ballast_bytes: 0,
        clock,
        mono: || domain::time::MonoUs(testkit::mono_us()),
    };
    let store = Store::open(options).await.unwrap();
    let job = Job {
        key: key.into(),
        message,
        expires_at: None,
    };
    let write = store.write(move |tx| jobs::enqueue(tx, &job, AtUs(0), entropy));
    assert!(write.await.map_err(|error: StoreError| error).unwrap());
    store.close().await;
}

async fn outbox(place: &Place) -> Answer {
    get(&place.url("/api/outbox"), "").await
}

#[tokio::test]
async fn messages_are_kept_in_the_outbox_and_metered() {
    on_each_database(async |database| {
        let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
        place.set_up("1");
        enqueue(&database.url, "a").await;
        let mut server = place.serve().await;
        eventually("what waited is kept", async || {
            outbox(&place).await.json()["data"][0]["to"] == "+4930123456"
        })
        .await;
        enqueue(&database.url, "b").await;
        eventually("what another process put in is kept", async || {
            outbox(&place).await.json()["data"]
                .as_array()
                .unwrap()
                .len()
                == 2
        })
        .await;
        eventually("the meters tell", async || {
            let meters = get(&place.url("/metrics"), "").await.text();
            let tried = "farebox_message_tries_total{channel=\"sms\",end=\"kept\"} 2";
            let waiting = "farebox_messages{channel=\"sms\",state=\"waiting\"} 0";
            meters.contains(tried) && meters.contains(waiting)
        })
        .await;
        server.signal("TERM");
        assert!(server.wait(PATIENCE).await.success());
        let log = server.stderr();
        for private in ["482913", "4930123456"] {
            assert!(!log.contains(private), "{log}");
        }
    })
    .await;
}

/// Reached under another name, it is not at home.
#[tokio::test]
async fn an_installation_with_a_public_name_does_not_show_its_outbox() {
    let database = testkit::databases::sqlite();
    let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
    place.set_up("1");
    let file = place.path().join("farebox.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let at_home = format!("public_url = \"http://127.0.0.1:{}\"", place.port);
    assert!(config.contains(&at_home));
    place.write(
        "farebox.toml",
        &config.replace(&at_home, "public_url = \"https://ai.example.com\""),
    );
    let _server = place.serve().await;
    let answer = outbox(&place).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
}

/// From a request that spends to the owner's mailbox: STARTTLS, a login, an authority of one's own.
#[tokio::test]
async fn owners_get_a_mail_when_a_budget_reaches_a_threshold() {
    on_each_database(async |database| {
        let login = ("mailer", "open sesame");
        let mailbox = SmtpServer::start(Encryption::StartTls, Some(login)).await;
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 1, 4_000)).await;
        let place = Place::new(&database.url, &upstream.base_url());
        let made = place.set_up("1000");
        let config = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
        let mail = format!(
            "[mail]\nkind = \"smtp\"\nfrom = \"Farebox <farebox@example.com>\"\n\
             host = \"localhost\"\nport = {}\nuser = \"mailer\"\n\
             password_env = \"FAREBOX_MAIL_PASSWORD\"\nca_file = \"authority.pem\"\n",
            mailbox.port()
        );
        place.write("farebox.toml", &format!("{config}\n{mail}"));
        place.write("authority.pem", smtp::AUTHORITY);

        let unset = place.run(&["serve"]);
        let said = String::from_utf8_lossy(&unset.stderr).into_owned();
        assert!(
            !unset.status.success() && said.contains("FAREBOX_MAIL_PASSWORD"),
            "{said}"
        );

        let password = [("FAREBOX_MAIL_PASSWORD", login.1)];
        let mut server = spawn_binary(Path::new(BINARY), &["serve"], place.path(), &password);
        server.wait_for_http(&place.url("/readyz"), PATIENCE).await;
        let budget = json!({
            "scope": {"type": "organization"}, "window": "month",
            "limit_usd": "0.01", "force": "soft", "thresholds": [50],
        });
        let admin_key = made["admin_key"].as_str().unwrap();
        let budgets = Request::post(&place.url("/api/budgets")).bearer(admin_key);
        let answer = budgets.json(&budget).send().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        for _ in 0..2 {
            let chat = Request::post(&place.url("/v1/chat/completions"));
            let chat = chat.bearer(made["api_key"].as_str().unwrap());
            let messages = json!([{"role": "user", "content": "Hi"}]);
            let answer = chat.json(&json!({"model": "m", "messages": messages}));
            assert_eq!(answer.send().await.unwrap().status, 200);
        }
        eventually("the mail arrives", async || !mailbox.received().is_empty()).await;
        let mail = mailbox.received().remove(0);
        assert_eq!(
            (mail.encrypted, mail.user.as_deref()),
            (true, Some("mailer"))
        );
        assert_eq!(mail.to, ["ada@example.com"]);
        let subject = "Subject: Acme: a monthly budget has reached 50 %";
        assert!(mail.data.contains(subject), "{}", mail.data);
        assert_eq!(
            outbox(&place).await.status,
            200,
            "text messages are still kept"
        );
        server.signal("TERM");
        assert!(server.wait(PATIENCE).await.success());
        assert_eq!(mailbox.received().len(), 1, "one for the threshold");
        for private in [login.1, "ada@example.com", "monthly budget"] {
            assert!(!server.stderr().contains(private), "{}", server.stderr());
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_tried_again_by_command() {
    on_each_database(async |database| {
        let mailbox = SmtpServer::start(Encryption::None, None).await;
        mailbox.set_trouble(Some(Trouble::Reply("RCPT", "550 5.1.1 nobody here")));
        let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
        place.set_up("1");
        let config = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
        let mail = format!(
            "[mail]\nkind = \"smtp\"\nfrom = \"farebox@example.com\"\nhost = \"127.0.0.1\"\n\
             tls = \"none\"\nport = {}\n",
            mailbox.port()
        );
        place.write("farebox.toml", &format!("{config}\n{mail}"));
        let _server = place.serve().await;
        let letter = Letter::EmailCode {
            code: "482913".into(),
            valid_minutes: 10,
        };
        let to = "ada@example.com".to_owned();
        enqueue_message(&database.url, "a", Message::Mail { to, letter }).await;
        let list = || place.json(&["messages", "list", "--json"]);
        eventually("it is given up", async || list()["given_up_count"] == 1).await;
        let given_up = &list()["given_up"][0];
        assert_eq!(given_up["template"], "email_code");
        assert_eq!(given_up["tries"], 1);
        assert!(given_up["reason"].as_str().unwrap().contains("550"));
        let shown = place.run(&["messages", "list"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(
            shown.contains("1 given up") && !shown.contains("482913"),
            "{shown}"
        );

        let wrong = place.run(&["messages", "retry", "job_none"]);
        let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert_eq!(wrong.status.code(), Some(1));
        assert!(said.contains("job_none was not given up"), "{said}");
        assert_eq!(place.run(&["messages", "retry"]).status.code(), Some(2));

        mailbox.set_trouble(None);
        let id = given_up["id"].as_str().unwrap();
        let retried = place.run(&["messages", "retry", id]);
        assert_eq!(
            String::from_utf8_lossy(&retried.stdout),
            "1 message is tried again.\n"
        );
        eventually("it arrives", async || mailbox.received().len() == 1).await;
        eventually("nothing is left", async || {
            let list = list();
            list["waiting_count"] == 0 && list["given_up_count"] == 0
        })
        .await;
    })
    .await;
}
