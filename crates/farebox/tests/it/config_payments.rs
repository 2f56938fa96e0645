//! `[payments]` of the configuration.

use domain::money::Nusd;
use domain::payment::TaxRate;
use farebox::config::{
    Config, Environment, MoneyTaker, NamedSecret, Secret, StripeAccount, effective, from_text,
};

const STRIPE: &str = "[payments]\nkind = \"stripe\"\nsecret_key_env = \"STRIPE_KEY\"\n\
                      webhook_secret_env = \"FAREBOX_PAYMENTS__HOOK\"\n";

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

fn named(env: &str, value: Option<&str>) -> NamedSecret {
    NamedSecret {
        env: env.into(),
        value: value.map(|value| Secret::new(value.into())),
    }
}

#[test]
fn test_cards_are_the_usual_and_are_warned_of_where_strangers_come() {
    let (config, _, warned) = read("", &[]);
    assert_eq!(config.payments.taker, MoneyTaker::Test);
    assert_eq!(config.payments.tax_rate, TaxRate::ZERO);
    assert_eq!(config.payments.bounds.minimum, Nusd::new(5_000_000_000));
    let says = |warned: &[String]| warned.iter().any(|it| it.contains("test card"));
    assert!(!says(&warned), "{warned:?}");
    for public in [
        "public_url = \"https://ai.example.com\"\n",
        "listen = \"0.0.0.0:8080\"\n",
        "admin_listen = \"192.0.2.1:8081\"\n",
    ] {
        let (_, _, warned) = read(public, &[]);
        assert!(says(&warned), "{public}: {warned:?}");
        let (_, _, warned) = read(&format!("{public}{STRIPE}"), &[]);
        assert!(!says(&warned), "{public}: {warned:?}");
    }
}

#[test]
fn stripe_has_its_secrets_from_the_environment_and_shows_none() {
    let variables = [
        ("STRIPE_KEY", "sk_test_1"),
        ("FAREBOX_PAYMENTS__HOOK", "whsec_2"),
    ];
    let (config, unset, _) = read(STRIPE, &variables);
    assert!(unset.is_empty(), "{unset:?}");
    let account = StripeAccount {
        secret_key: named("STRIPE_KEY", Some("sk_test_1")),
        webhook_secret: Some(named("FAREBOX_PAYMENTS__HOOK", Some("whsec_2"))),
        previous_webhook_secret: None,
        base_url: "https://api.stripe.com".into(),
        timeout_ms: 30_000,
    };
    assert_eq!(config.payments.taker, MoneyTaker::Stripe(account));
    let shown = effective(&config);
    assert!(
        shown.contains("secret_key_env = \"STRIPE_KEY\" # set"),
        "{shown}"
    );
    assert!(!shown.contains("sk_test_1") && !shown.contains("whsec_2"));
    let (_, unset, _) = read(STRIPE, &[]);
    assert_eq!(unset.len(), 2, "{unset:?}");
    assert!(unset[0].contains("payments.secret_key_env"), "{unset:?}");
    // What belongs to another way may stay.
    let off = [("FAREBOX_PAYMENTS__KIND", "test")];
    assert_eq!(read(STRIPE, &off).0.payments.taker, MoneyTaker::Test);
}

#[test]
fn what_nobody_can_pay_is_refused() {
    let stripe = |more: &str| format!("{STRIPE}{more}");
    for (text, wants) in [
        (
            "[payments]\nkind = \"stripe\"\n".to_owned(),
            "name the variable that holds the secret key",
        ),
        (
            "[payments]\ntax_percent = \"19%\"\n".to_owned(),
            "is no rate",
        ),
        (
            "[payments]\ntax_percent = \"101\"\n".to_owned(),
            "is no rate",
        ),
        (
            "[payments]\nminimum_usd = \"0.10\"\n".to_owned(),
            "whole cents from 0.50",
        ),
        (
            "[payments]\nminimum_usd = \"5.001\"\n".to_owned(),
            "whole cents from 0.50",
        ),
        (
            "[payments]\nmaximum_usd = \"4\"\n".to_owned(),
            "must not be less than minimum_usd",
        ),
        ("[payments]\nkind = \"cash\"\n".to_owned(), "\"test\""),
        (
            stripe("base_url = \"http://stripe.example.com\"\n"),
            "must begin with https://",
        ),
        (stripe("base_urls = \"\"\n"), "base_url"),
        (
            STRIPE.replace("webhook_secret_env", "previous_webhook_secret_env"),
            "previous_webhook_secret_env is not",
        ),
    ] {
        let error = match from_text(Some(("f.toml", &text)), &Environment::default()) {
            Ok(_) => panic!("this was taken for a configuration:\n{text}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(wants), "{text}\n{error}");
    }
    let local = stripe("base_url = \"http://127.0.0.1:8420/\"\n");
    let MoneyTaker::Stripe(account) = read(&local, &[]).0.payments.taker else {
        panic!("it is Stripe");
    };
    assert_eq!(account.base_url, "http://127.0.0.1:8420");
}
