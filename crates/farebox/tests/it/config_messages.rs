//! `[mail]` and `[sms]` of the configuration.

use farebox::config::{
    Config, Environment, Mail, MailServer, MailTls, NamedSecret, Secret, Sms, SmsWebhook,
    TwilioAccount, effective, from_text,
};

const SMTP: &str = "[mail]\nkind = \"smtp\"\nhost = \"mail.example.com\"\n\
                    from = \"Farebox <farebox@example.com>\"\n";
const TWILIO: &str = "[sms]\nkind = \"twilio\"\naccount_sid = \"AC123\"\nfrom = \"+15550100\"\n\
                      auth_token_env = \"TWILIO_AUTH_TOKEN\"\n";
const WEBHOOK: &str = "[sms]\nkind = \"webhook\"\nurl = \"https://example.com/sms?tenant=1\"\n\
                       secret_env = \"FAREBOX_SMS_SECRET\"\n";

fn read(text: &str, variables: &[(&str, &str)]) -> (Config, Vec<String>, Vec<String>) {
    let environment = Environment::of(variables.iter().copied());
    match from_text(Some(("f.toml", text)), &environment) {
        Ok(loaded) => {
            let told = |problems: &[farebox::config::Problem]| {
                problems.iter().map(ToString::to_string).collect()
            };
            let (unset, warned) = (told(&loaded.unset_secrets), told(&loaded.warnings));
            (loaded.config, unset, warned)
        }
        Err(error) => panic!("{error}\nin\n{text}"),
    }
}

fn complaint(text: &str) -> String {
    match from_text(Some(("f.toml", text)), &Environment::default()) {
        Ok(_) => panic!("this was taken for a configuration:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn named(env: &str, value: &str) -> NamedSecret {
    NamedSecret {
        env: env.into(),
        value: Some(Secret::new(value.into())),
    }
}

#[test]
fn messages_are_kept_unless_a_way_is_stated() {
    let (config, ..) = read("", &[]);
    assert_eq!((config.mail, config.sms), (Mail::Outbox, Sms::Outbox));
    // What belongs to another way may stay.
    let kept = SMTP.replace("\"smtp\"", "\"outbox\"");
    assert_eq!(read(&kept, &[]).0.mail, Mail::Outbox);
    let off = [("FAREBOX_MAIL__KIND", "outbox")];
    assert_eq!(read(SMTP, &off).0.mail, Mail::Outbox);
}

#[test]
fn a_mail_server_has_the_usual_port_and_a_login_if_it_is_stated() {
    let plain = MailServer {
        from: "Farebox <farebox@example.com>".into(),
        host: "mail.example.com".into(),
        port: 587,
        tls: MailTls::StartTls,
        user: String::new(),
        password: None,
        ca_file: None,
        timeout_ms: 30_000,
    };
    assert_eq!(read(SMTP, &[]).0.mail, Mail::Smtp(plain.clone()));
    for (tls, word, port) in [
        (MailTls::StartTls, "starttls", 587),
        (MailTls::Implicit, "implicit", 465),
        (MailTls::None, "none", 25),
    ] {
        let text = format!("{SMTP}tls = \"{word}\"\n");
        let server = MailServer {
            tls,
            port,
            ..plain.clone()
        };
        assert_eq!(read(&text, &[]).0.mail, Mail::Smtp(server));
    }
    let text = format!(
        "{SMTP}port = 2525\nuser = \"mailer\"\npassword_env = \"MAIL_PASSWORD\"\n\
         ca_file = \"ca.pem\"\ntimeout_ms = 5\n"
    );
    let (config, unset, _) = read(&text, &[("MAIL_PASSWORD", "open sesame")]);
    let server = MailServer {
        port: 2525,
        user: "mailer".into(),
        password: Some(named("MAIL_PASSWORD", "open sesame")),
        ca_file: Some("ca.pem".into()),
        timeout_ms: 5,
        ..plain
    };
    assert_eq!(config.mail, Mail::Smtp(server));
    assert!(unset.is_empty());
    let unset = read(&text, &[]).1;
    assert_eq!(
        unset,
        ["f.toml:7: `mail.password_env` names MAIL_PASSWORD, which is not set. Set it"]
    );
}

#[test]
fn twilio_and_webhooks_take_their_secrets_from_the_environment() {
    let (config, unset, _) = read(TWILIO, &[("TWILIO_AUTH_TOKEN", "open sesame")]);
    let account = TwilioAccount {
        base_url: "https://api.twilio.com".into(),
        account_sid: "AC123".into(),
        auth_token: named("TWILIO_AUTH_TOKEN", "open sesame"),
        from: "+15550100".into(),
        timeout_ms: 10_000,
    };
    assert_eq!((config.sms, unset.len()), (Sms::Twilio(account), 0));
    // A variable that is named is no override, whatever it is called.
    let (config, unset, warned) = read(WEBHOOK, &[("FAREBOX_SMS_SECRET", "open sesame")]);
    let webhook = SmsWebhook {
        url: "https://example.com/sms?tenant=1".into(),
        secret: named("FAREBOX_SMS_SECRET", "open sesame"),
        timeout_ms: 10_000,
    };
    assert_eq!((config.sms, unset.len()), (Sms::Webhook(webhook), 0));
    assert!(!warned.iter().any(|it| it.contains("sms")), "{warned:?}");
    for text in [TWILIO, WEBHOOK] {
        let unset = read(text, &[]).1;
        assert_eq!(unset.len(), 1);
        assert!(unset[0].contains("_env` names "), "{unset:?}");
    }
}

#[test]
fn what_is_shown_can_be_read_again_and_holds_no_secret() {
    let variables = [
        ("MAIL_PASSWORD", "open sesame"),
        ("TWILIO_AUTH_TOKEN", "open sesame"),
        ("SMS_SECRET", "open sesame"),
    ];
    let mail =
        format!("{SMTP}user = \"m\"\npassword_env = \"MAIL_PASSWORD\"\nca_file = \"a.pem\"\n");
    let webhook = WEBHOOK.replace("FAREBOX_", "");
    for text in [SMTP, TWILIO, &webhook, &mail] {
        let (config, ..) = read(text, &variables);
        let shown = effective(&config);
        assert!(!shown.contains("sesame") && !format!("{config:?}").contains("sesame"));
        assert_eq!(read(&shown, &variables).0, config, "{shown}");
    }
    let shown = effective(&read(&mail, &[]).0);
    assert!(
        shown.contains("password_env = \"MAIL_PASSWORD\" # not set"),
        "{shown}"
    );
}

#[test]
fn mistakes_with_mail_servers_are_told_with_what_to_do() {
    let smtp = "[mail]\nkind = \"smtp\"\n";
    let login = "user = \"m\"\npassword_env = \"P\"\n";
    for (text, said) in [
        (
            "[mail]\nkind = \"smpt\"\n".to_owned(),
            "Did you mean \"smtp\"?",
        ),
        (
            "[sms]\nkind = \"twillio\"\n".to_owned(),
            "Did you mean \"twilio\"?",
        ),
        (
            "[mail]\npassword = \"x\"\n".to_owned(),
            "Did you mean `password_env`?",
        ),
        (smtp.to_owned(), "`mail.from` is missing"),
        (
            format!("{smtp}from = \"farebox\"\n"),
            "\"farebox\" is no mailbox",
        ),
        (
            format!("{smtp}from = \"f@b.example\"\n"),
            "`mail.host` is missing",
        ),
        (
            format!("{SMTP}user = \"m\"\n"),
            "`mail.password_env` is missing",
        ),
        (
            format!("{SMTP}password_env = \"P\"\n"),
            "`mail.user` is missing",
        ),
        (
            format!("{SMTP}{login}tls = \"none\"\n"),
            "everybody on the way could read",
        ),
        (format!("{SMTP}tls = \"ssl\"\n"), "or \"implicit\""),
        (format!("{SMTP}port = 65536\n"), "from 0 to 65535"),
        (format!("{SMTP}timeout_ms = 60001\n"), "from 1 to 60000"),
        (
            format!("{SMTP}user = \"m\"\npassword_env = \"o s\"\n"),
            "not the secret",
        ),
    ] {
        assert_complains(&text, said);
    }
    let local = format!("{SMTP}{login}tls = \"none\"\n").replace("mail.example.com", "127.0.0.1");
    assert!(matches!(read(&local, &[]).0.mail, Mail::Smtp(_)));
}

#[test]
fn mistakes_with_text_messages_are_told_with_what_to_do() {
    for (text, said) in [
        (TWILIO.replace("AC123", "SK123"), "AC and 32 digits"),
        (TWILIO.replace("AC123", ""), "`sms.account_sid` is missing"),
        (TWILIO.replace("+15550100", ""), "`sms.from` is missing"),
        (
            TWILIO.replace("TWILIO_AUTH_TOKEN", ""),
            "`sms.auth_token_env` is missing",
        ),
        (
            WEBHOOK.replace("https://example.com/sms?tenant=1", ""),
            "`sms.url` is missing",
        ),
        (
            WEBHOOK.replace("https:", "ftp:"),
            "must begin with http:// or https://",
        ),
        (
            WEBHOOK.replace("//example", "//a:b@example"),
            "must not hold a password",
        ),
        (
            WEBHOOK.replace("FAREBOX_SMS_SECRET", ""),
            "`sms.secret_env` is missing",
        ),
    ] {
        assert_complains(&text, said);
    }
}

fn assert_complains(text: &str, said: &str) {
    let complaint = complaint(text);
    assert!(
        complaint.contains(said),
        "{complaint}\ndoes not say {said}\nof\n{text}"
    );
}

#[test]
fn messages_that_reach_nobody_or_everybody_are_warned_of() {
    let public = "public_url = \"https://ai.example.com\"\n";
    let (.., warned) = read(public, &[]);
    for path in ["`mail.kind` is \"outbox\"", "`sms.kind` is \"outbox\""] {
        assert!(warned.iter().any(|it| it.contains(path)), "{warned:?}");
    }
    let (.., warned) = read("", &[]);
    assert!(!warned.iter().any(|it| it.contains("kind")), "{warned:?}");
    let clear = WEBHOOK.replace("https:", "http:");
    let (.., warned) = read(&clear, &[]);
    assert!(
        warned.iter().any(|it| it.contains("can read the codes")),
        "{warned:?}"
    );
}
