//! Messages go from the queue to where the operator wants them: once where all is well, again where
//! it is not, and never to two places at once.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::job::LEASE_US;
use domain::message::{Letter, Message, Text};
use domain::secret::Secret;
use domain::time::{AtUs, Clock, HOUR_US};
use domain::webhook::Reach;
use farebox_control::senders::{
    Encryption, Endpoints, MailRoute, Routes, SmsRoute, Smtp, SmtpSettings, Twilio, TwilioSettings,
    Webhook, WebhookSettings, Worker,
};
use http::{HeaderMap, Method, StatusCode, Uri};
use store::StoreError;
use store::jobs::{self, Channel, Count, Job, Listed};
use store::outbox::{self, Entry};
use testkit::smtp::{self, SmtpServer, Trouble};
use testkit::{eventually, on_each_database};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::{World, entropy};

const CODE: &str = "482913";

fn mail(to: &str) -> Message {
    Message::Mail {
        to: to.into(),
        letter: Letter::EmailCode {
            code: CODE.into(),
            valid_minutes: 10,
        },
    }
}

fn sms() -> Message {
    Message::Sms {
        to: "+4930123456".into(),
        text: Text::PhoneCode {
            code: CODE.into(),
            valid_minutes: 10,
        },
    }
}

/// A worker that runs, and a queue before it.
pub(crate) struct Sending {
    pub(crate) world: World,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sending {
    pub(crate) fn start(world: World, mail: MailRoute, sms: SmsRoute) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker(&world, mail, sms).run(stop.clone()));
        Sending { world, stop, task }
    }

    pub(crate) fn mail_to(world: World, settings: SmtpSettings) -> Self {
        let smtp = Smtp::new(settings).unwrap();
        Self::start(world, MailRoute::Smtp(smtp), SmsRoute::Outbox)
    }

    async fn enqueue(&self, key: &str, message: Message) {
        enqueue(&self.world, key, message).await;
    }

    async fn count(&self, channel: Channel) -> Count {
        let counts: Result<_, StoreError> = self.world.store.read(jobs::counts).await;
        counts.unwrap()[&channel]
    }

    /// Waits until nothing waits in the queue.
    pub(crate) async fn until_ended(&self, channel: Channel) {
        eventually("the queue is empty", async || {
            self.count(channel).await.waiting == 0
        })
        .await;
    }

    /// Waits until a message has failed for now, and answers why.
    async fn until_failed(&self) -> String {
        let mut reason = None;
        eventually("the message fails", async || {
            let waiting = self.waiting().await;
            let failed = waiting.into_iter().find(|it| !it.is_claimed);
            reason = failed.and_then(|it| it.reason);
            reason.is_some()
        })
        .await;
        reason.unwrap()
    }

    async fn waiting(&self) -> Vec<Listed> {
        let waiting: Result<_, StoreError> =
            self.world.store.read(|tx| jobs::waiting(tx, 10)).await;
        waiting.unwrap()
    }

    async fn dead(&self) -> Vec<Listed> {
        let dead: Result<_, StoreError> = self.world.store.read(|tx| jobs::dead(tx, 10)).await;
        dead.unwrap()
    }

    async fn outbox(&self) -> Vec<Entry> {
        let list = self.world.store.read(|tx| outbox::list(tx, None, 10));
        let list: Result<_, StoreError> = list.await;
        list.unwrap()
    }

    fn later(&self, us: i64) {
        self.world.now.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn clock(world: &World) -> Clock {
    let now = Arc::clone(&world.now);
    Arc::new(move || AtUs(now.load(Ordering::Relaxed)))
}

fn worker(world: &World, mail: MailRoute, sms: SmsRoute) -> Worker {
    let url = "https://ai.example.com";
    let routes = Routes {
        mail,
        sms,
        endpoints: Endpoints::new(Reach::Everything, None),
    };
    Worker::new(world.store.clone(), routes, url, clock(world), entropy)
}

async fn enqueue(world: &World, key: &str, message: Message) {
    let job = Job {
        key: key.into(),
        message,
        expires_at: None,
    };
    let now = clock(world)();
    let write = world
        .store
        .write(move |tx| jobs::enqueue(tx, &job, now, entropy));
    assert!(write.await.map_err(|error: StoreError| error).unwrap());
}

pub(crate) fn settings(server: &SmtpServer, encryption: Encryption) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".into(),
        port: server.port(),
        encryption,
        from: "Farebox <farebox@example.com>".into(),
        login: None,
        authorities_pem: Some(smtp::AUTHORITY.into()),
        timeout: Duration::from_secs(20),
    }
}

fn login(user: &str, password: &str) -> Option<(String, Secret)> {
    Some((user.into(), Secret::new(password.into())))
}

#[tokio::test]
async fn with_an_outbox_messages_are_kept_once_as_they_would_be_read() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let sending = Sending::start(world, MailRoute::Outbox, SmsRoute::Outbox);
        sending.enqueue("a", mail("ada@example.com")).await;
        sending.until_ended(Channel::Mail).await;
        sending.later(1);
        sending.enqueue("b", sms()).await;
        sending.until_ended(Channel::Sms).await;
        let kept = sending.outbox().await;
        assert_eq!(kept.len(), 2);
        assert_eq!(
            (kept[0].channel, &*kept[0].to),
            (Channel::Sms, "+4930123456")
        );
        assert!(kept[0].body.starts_with("482913 is your Farebox code."));
        assert_eq!(kept[0].subject, None);
        assert_eq!(
            (kept[1].channel, &*kept[1].to),
            (Channel::Mail, "ada@example.com")
        );
        assert_eq!(
            kept[1].subject.as_deref(),
            Some("482913 is your Farebox code")
        );
        assert!(kept[1].body.contains("\n\n482913\n\n"), "{}", kept[1].body);
        assert!(kept[1].body.contains("https://ai.example.com"));
        let html = kept[1].html.as_deref().unwrap();
        assert!(
            html.contains("482913") && html.contains("</html>"),
            "{html}"
        );
        assert_eq!((&kept[0].html, kept[1].attachments.len()), (&None, 0));
        sending.end().await;
    })
    .await;
}

#[tokio::test]
async fn mails_reach_a_mail_server_over_tls_and_with_a_login() {
    let cases = [
        (smtp::Encryption::None, Encryption::None),
        (smtp::Encryption::StartTls, Encryption::StartTls),
        (smtp::Encryption::Implicit, Encryption::Implicit),
    ];
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut world = Some(world);
        for (theirs, ours) in cases {
            for known in [None, Some(("mailer", "open sesame"))] {
                let server = SmtpServer::start(theirs, known).await;
                let settings = SmtpSettings {
                    login: known.and_then(|(user, password)| login(user, password)),
                    ..settings(&server, ours)
                };
                let sending = Sending::mail_to(world.take().unwrap(), settings);
                let key = format!("{ours:?} {known:?}");
                sending.enqueue(&key, mail("ada@example.com")).await;
                sending.until_ended(Channel::Mail).await;
                assert_eq!(sending.dead().await, [], "{key}");
                let received = server.received();
                assert_eq!(received.len(), 1, "{key}");
                let mail = &received[0];
                assert_eq!(mail.encrypted, ours != Encryption::None, "{key}");
                assert_eq!(mail.user.as_deref(), known.map(|(user, _)| user));
                assert_eq!(mail.from, "farebox@example.com");
                assert_eq!(mail.to, ["ada@example.com"]);
                assert_is_the_code(&mail.data);
                sending.stop.cancel();
                sending.task.await.unwrap();
                world = Some(sending.world);
            }
        }
    })
    .await;
}

fn assert_is_the_code(data: &str) {
    for line in [
        "From: Farebox <farebox@example.com>",
        "To: ada@example.com",
        "Subject: 482913 is your Farebox code",
        "Auto-Submitted: auto-generated",
        "Date: Fri, 15 Jan 2027 08:00:00 +0000",
    ] {
        assert!(data.lines().any(|it| it == line), "{line} is not in {data}");
    }
    assert!(data.contains("Message-ID: <job_"), "{data}");
    assert!(
        data.contains("Content-Type: multipart/alternative"),
        "{data}"
    );
    let plain = data.find("Content-Type: text/plain").unwrap();
    let html = data.find("Content-Type: text/html").unwrap();
    assert!(plain < html, "who reads no HTML sees the text: {data}");
    assert_eq!(data.matches("\n482913\n").count(), 1, "{data}");
}

/// The mail server takes a mail and its answer is lost: the mail goes out again, as the same one.
#[tokio::test]
async fn a_mail_whose_acknowledgement_was_lost_goes_out_again_as_the_same_one() {
    on_each_database(async |database| {
        let server = SmtpServer::start(smtp::Encryption::None, None).await;
        let world = World::start(database).await;
        let sending = Sending::mail_to(world, settings(&server, Encryption::None));
        server.set_trouble(Some(Trouble::HangUp(".")));
        sending.enqueue("a", mail("ada@example.com")).await;
        sending.until_failed().await;
        assert_eq!(server.received().len(), 1);
        server.set_trouble(None);
        sending.later(HOUR_US);
        sending.until_ended(Channel::Mail).await;
        let received = server.received();
        assert_eq!(received.len(), 2);
        let id = |data: &str| {
            let line = data.lines().find(|line| line.starts_with("Message-ID: "));
            line.unwrap().to_owned()
        };
        assert_eq!(id(&received[0].data), id(&received[1].data));
        sending.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_was_taken_is_not_sent_again_whatever_happens_then() {
    let database = testkit::databases::sqlite();
    let server = SmtpServer::start(smtp::Encryption::None, None).await;
    server.set_trouble(Some(Trouble::Silence("QUIT")));
    let world = World::start(database).await;
    let sending = Sending::mail_to(world, settings(&server, Encryption::None));
    sending.enqueue("a", mail("ada@example.com")).await;
    sending.until_ended(Channel::Mail).await;
    assert_eq!(sending.dead().await, []);
    assert_eq!(server.received().len(), 1);
    sending.end().await;
}

#[tokio::test]
async fn what_a_mail_server_refuses_for_good_is_given_up_and_what_passes_is_tried_again() {
    on_each_database(async |database| {
        let server = SmtpServer::start(smtp::Encryption::None, None).await;
        let world = World::start(database).await;
        let sending = Sending::mail_to(world, settings(&server, Encryption::None));
        let no_such = "550 5.1.1 nobody of that name lives here";
        server.set_trouble(Some(Trouble::Reply("RCPT", no_such)));
        sending.enqueue("a", mail("nobody@example.com")).await;
        sending.until_ended(Channel::Mail).await;
        let dead = sending.dead().await;
        assert_eq!((dead.len(), dead[0].tries), (1, 1));
        assert!(
            dead[0].reason.as_deref().unwrap().contains("550"),
            "{dead:?}"
        );

        server.set_trouble(Some(Trouble::Reply(".", "451 4.3.0 come back later")));
        sending.enqueue("b", mail("ada@example.com")).await;
        let reason = sending.until_failed().await;
        assert!(reason.contains("451"), "{reason}");
        assert_eq!(server.received(), []);
        server.set_trouble(None);
        sending.later(HOUR_US);
        sending.until_ended(Channel::Mail).await;
        assert_eq!(server.received().len(), 1);

        sending.enqueue("c", mail("not an address")).await;
        sending.until_ended(Channel::Mail).await;
        assert_eq!(sending.dead().await.len(), 2);
        sending.end().await;
    })
    .await;
}

/// What the operator must mend costs no mail: the mails wait. Nothing goes out in the clear.
#[tokio::test]
async fn a_server_that_cannot_be_trusted_or_does_not_let_us_in_gets_no_mail_and_loses_none() {
    let plain = SmtpServer::start(smtp::Encryption::None, None).await;
    let tls = SmtpServer::start(smtp::Encryption::Implicit, None).await;
    let strict = SmtpServer::start(smtp::Encryption::StartTls, Some(("mailer", "right"))).await;
    let silent = SmtpServer::start(smtp::Encryption::None, None).await;
    silent.set_trouble(Some(Trouble::Silence("RCPT")));
    let public_authorities = SmtpSettings {
        authorities_pem: None,
        ..settings(&tls, Encryption::Implicit)
    };
    let other_name = SmtpSettings {
        host: "127.0.0.1".into(),
        ..settings(&tls, Encryption::Implicit)
    };
    let wrong_password = SmtpSettings {
        login: login("mailer", "guess"),
        ..settings(&strict, Encryption::StartTls)
    };
    let impatient = SmtpSettings {
        timeout: Duration::from_millis(200),
        ..settings(&silent, Encryption::None)
    };
    let nobody = SmtpSettings {
        port: testkit::free_port(),
        ..settings(&plain, Encryption::None)
    };
    for (settings, said) in [
        (
            settings(&plain, Encryption::StartTls),
            "does not offer STARTTLS",
        ),
        (public_authorities, "certificate"),
        (other_name, "certificate"),
        (wrong_password, "535"),
        (settings(&strict, Encryption::StartTls), "530"),
        (impatient, "in time"),
        (nobody, "localhost"),
    ] {
        let world = World::start(testkit::databases::sqlite()).await;
        let sending = Sending::mail_to(world, settings.clone());
        sending.enqueue("a", mail("ada@example.com")).await;
        let reason = sending.until_failed().await;
        assert!(reason.contains(said), "{reason} for {settings:?}");
        for secret in ["guess", CODE] {
            assert!(!reason.contains(secret), "{reason}");
        }
        assert_eq!(sending.dead().await, [], "{reason}");
        sending.end().await;
    }
    for server in [plain, tls, strict, silent] {
        assert_eq!(server.received(), []);
    }
}

/// A service on the web, which answers what it is told to.
#[derive(Clone)]
struct Service {
    url: String,
    answer: Arc<Mutex<(StatusCode, &'static str, &'static str)>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request, and its body.
type Asked = (Method, Uri, HeaderMap, String);

impl Service {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Service {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answer: Arc::new(Mutex::new((StatusCode::CREATED, "", "{}"))),
            asked: Arc::default(),
        };
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        service
    }

    fn answers(&self, status: StatusCode, retry_after: &'static str, body: &'static str) {
        *self.answer.lock().unwrap() = (status, retry_after, body);
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    service
        .asked
        .lock()
        .unwrap()
        .push((method, uri, headers, body));
    let (status, retry_after, body) = *service.answer.lock().unwrap();
    match retry_after {
        "" => (status, body).into_response(),
        seconds => (status, [("retry-after", seconds)], body).into_response(),
    }
}

fn twilio(service: &Service, from: &str) -> SmsRoute {
    SmsRoute::Twilio(Twilio::new(&TwilioSettings {
        base_url: service.url.clone(),
        account_sid: "AC123".into(),
        auth_token: Secret::new("secret".into()),
        from: from.into(),
        timeout: Duration::from_secs(20),
    }))
}

#[tokio::test]
async fn text_messages_leave_through_twilio() {
    on_each_database(async |database| {
        let service = Service::start().await;
        let world = World::start(database).await;
        let route = twilio(&service, "+15550100");
        let sending = Sending::start(world, MailRoute::Outbox, route);
        sending.enqueue("a", sms()).await;
        sending.until_ended(Channel::Sms).await;
        assert_eq!(sending.dead().await, []);
        let (method, uri, headers, body) = service.asked().remove(0);
        assert_eq!(method, Method::POST);
        assert_eq!(uri.path(), "/2010-04-01/Accounts/AC123/Messages.json");
        assert_eq!(headers["authorization"], "Basic QUMxMjM6c2VjcmV0");
        assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(
            body,
            "To=%2B4930123456&From=%2B15550100&Body=482913%20is%20your%20Farebox%20code.%20It%20\
             works%20for%2010%20minutes.%20Never%20tell%20it%20to%20anybody."
        );

        let unroutable = "{\"code\": 21211, \"message\": \"Invalid 'To' Phone Number\"}";
        service.answers(StatusCode::BAD_REQUEST, "", unroutable);
        sending.enqueue("b", sms()).await;
        sending.until_ended(Channel::Sms).await;
        let reason = sending.dead().await.remove(0).reason.unwrap();
        assert_eq!(
            reason,
            "Twilio answered 400, error 21211: Invalid 'To' Phone Number"
        );

        for (key, status) in [("c", 429), ("d", 503), ("e", 401), ("f", 404)] {
            let status = StatusCode::from_u16(status).unwrap();
            service.answers(status, "", "busy");
            sending.enqueue(key, sms()).await;
            let reason = sending.until_failed().await;
            assert_eq!(reason, format!("Twilio answered {}", status.as_u16()));
            service.answers(StatusCode::CREATED, "", "{}");
            sending.later(HOUR_US);
            sending.until_ended(Channel::Sms).await;
        }
        assert_eq!(sending.dead().await.len(), 1);
        sending.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_messaging_service_of_twilios_chooses_the_number_itself() {
    let service = Service::start().await;
    let world = World::start(testkit::databases::sqlite()).await;
    let sending = Sending::start(world, MailRoute::Outbox, twilio(&service, "MG1"));
    sending.enqueue("a", sms()).await;
    sending.until_ended(Channel::Sms).await;
    let (_, _, _, body) = service.asked().remove(0);
    assert!(body.contains("&MessagingServiceSid=MG1&"), "{body}");
    sending.end().await;
}

#[tokio::test]
async fn text_messages_leave_through_a_webhook_that_can_tell_repetitions() {
    on_each_database(async |database| {
        let service = Service::start().await;
        let world = World::start(database).await;
        let webhook = Webhook::new(WebhookSettings {
            url: format!("{}/sms?tenant=1", service.url),
            secret: Secret::new("open sesame".into()),
            timeout: Duration::from_secs(20),
        });
        let sending = Sending::start(world, MailRoute::Outbox, SmsRoute::Webhook(webhook));
        service.answers(StatusCode::SERVICE_UNAVAILABLE, "3600", "");
        sending.enqueue("a", sms()).await;
        assert_eq!(sending.until_failed().await, "the webhook answered 503");
        service.answers(StatusCode::NO_CONTENT, "", "");
        // It asked to be left alone for an hour.
        sending.later(HOUR_US - 60_000_000);
        sending.enqueue("b", sms()).await;
        eventually("b is sent", async || service.asked().len() == 2).await;
        eventually("a still waits", async || {
            sending.count(Channel::Sms).await.waiting == 1
        })
        .await;
        sending.later(HOUR_US);
        sending.until_ended(Channel::Sms).await;

        let asked = service.asked();
        assert_eq!(asked.len(), 3);
        let id = |index: usize| asked[index].2["webhook-id"].to_str().unwrap().to_owned();
        assert_eq!(id(0), id(2), "the same message again");
        assert_ne!(id(0), id(1));
        assert!(id(0).starts_with("job_"));
        let (method, uri, headers, body) = &asked[0];
        assert_eq!(
            (method, &*uri.to_string()),
            (&Method::POST, "/sms?tenant=1")
        );
        assert_eq!(headers["webhook-timestamp"], "1800000000");
        let signature = headers["webhook-signature"].to_str().unwrap();
        assert!(signature.starts_with("v1,") && signature.len() == 3 + 44);
        assert_eq!(
            body,
            "{\"type\":\"sms.send\",\"timestamp\":\"2027-01-15T08:00:00Z\",\"data\":{\"to\":\
             \"+4930123456\",\"text\":\"482913 is your Farebox code. It works for 10 minutes. \
             Never tell it to anybody.\"}}"
        );
        sending.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_stop_ends_what_was_begun_and_begins_nothing_more() {
    let server = SmtpServer::start(smtp::Encryption::None, None).await;
    server.set_trouble(Some(Trouble::Silence("RCPT")));
    let world = World::start(testkit::databases::sqlite()).await;
    let brief = SmtpSettings {
        timeout: Duration::from_millis(500),
        ..settings(&server, Encryption::None)
    };
    let sending = Sending::mail_to(world, brief);
    sending.enqueue("a", mail("ada@example.com")).await;
    eventually("it is claimed", async || {
        sending.waiting().await.iter().any(|it| it.is_claimed)
    })
    .await;
    sending.stop.cancel();
    sending.enqueue("b", mail("ada@example.com")).await;
    eventually("the worker ends", async || sending.task.is_finished()).await;
    let mut waiting = sending.waiting().await;
    waiting.sort_by_key(|it| it.tries);
    let tries: Vec<_> = waiting.iter().map(|it| it.tries).collect();
    assert_eq!(tries, [0, 1]);
    assert!(waiting.iter().all(|it| !it.is_claimed));
    let reason = waiting[1].reason.as_deref().unwrap();
    assert!(reason.contains("in time"), "{reason}");
    sending.end().await;
}

/// Two nodes, and one dies with a message in its hands: the other sends it when the claim ends.
#[tokio::test]
async fn what_a_dead_worker_had_claimed_is_sent_by_another_when_the_claim_ends() {
    on_each_database(async |database| {
        let server = SmtpServer::start(smtp::Encryption::None, None).await;
        server.set_trouble(Some(Trouble::Silence(".")));
        let world = World::start(database).await;
        let smtp = || MailRoute::Smtp(Smtp::new(settings(&server, Encryption::None)).unwrap());
        let dying = worker(&world, smtp(), SmsRoute::Outbox);
        let dying = tokio::spawn(dying.run(CancellationToken::new()));
        enqueue(&world, "a", mail("ada@example.com")).await;
        eventually("it is out", async || server.received().len() == 1).await;
        dying.abort();
        assert!(dying.await.unwrap_err().is_cancelled());

        server.set_trouble(None);
        let sending = Sending::start(world, smtp(), SmsRoute::Outbox);
        // Only messages that nobody has are taken.
        sending.enqueue("b", mail("grace@example.com")).await;
        eventually("b is out", async || server.received().len() == 2).await;
        assert_eq!(server.received()[1].to, ["grace@example.com"]);
        sending.later(LEASE_US);
        sending.until_ended(Channel::Mail).await;
        let received = server.received();
        assert_eq!(received.len(), 3);
        assert_eq!(received[2].to, ["ada@example.com"]);
        sending.end().await;
    })
    .await;
}
