//! `[[oidc]]` of the configuration.

use farebox::config::{
    Config, Environment, JoinRole, NamedSecret, OidcJoin, OidcProvider, Secret, effective,
    from_text,
};

const LEAST: &str = "[[oidc]]\nid = \"acme\"\nissuer = \"https://sso.example.com/realms/acme\"\n\
                     client_id = \"farebox\"\n";

fn read(text: &str, variables: &[(&str, &str)]) -> (Config, Vec<String>) {
    let environment = Environment::of(variables.iter().copied());
    match from_text(Some(("f.toml", text)), &environment) {
        Ok(loaded) => {
            let unset = loaded.unset_secrets.iter().map(ToString::to_string);
            (loaded.config, unset.collect())
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

fn least() -> OidcProvider {
    OidcProvider {
        id: "acme".into(),
        name: "acme".into(),
        issuer: "https://sso.example.com/realms/acme".into(),
        client_id: "farebox".into(),
        client_secret: None,
        scopes: ["openid", "email", "profile"].map(Into::into).to_vec(),
        allowed_domains: Vec::new(),
        trusted_domains: Vec::new(),
        join: Vec::new(),
        ca_file: None,
        timeout_ms: 10_000,
    }
}

#[test]
fn a_provider_needs_little_and_may_say_much() {
    assert_eq!(read("", &[]).0.oidc, []);
    assert_eq!(read(LEAST, &[]).0.oidc, [least()]);
    let text = format!(
        "{LEAST}name = \"Acme\"\nclient_secret_env = \"FAREBOX_ACME\"\nscopes = [\"openid\"]\n\
         allowed_domains = [\"Example.COM\"]\ntrusted_domains = [\"example.org\"]\n\
         join = [{{ domain = \"example.org\", organization = \"org-1\", role = \"owner\" }},\n\
                 {{ domain = \"EXAMPLE.com\", organization = \"org-2\" }}]\nca_file = \"ca.pem\"\ntimeout_ms = 5\n"
    );
    let join = |domain: &str, organization: &str, role| OidcJoin {
        domain: domain.into(),
        organization: organization.into(),
        role,
    };
    let whole = OidcProvider {
        name: "Acme".into(),
        client_secret: Some(NamedSecret {
            env: "FAREBOX_ACME".into(),
            value: Some(Secret::new("open sesame".into())),
        }),
        scopes: vec!["openid".into()],
        allowed_domains: vec!["example.com".into()],
        trusted_domains: vec!["example.org".into()],
        join: vec![
            join("example.org", "org-1", JoinRole::Owner),
            join("example.com", "org-2", JoinRole::Reader),
        ],
        ca_file: Some("ca.pem".into()),
        timeout_ms: 5,
        ..least()
    };
    let (config, unset) = read(&text, &[("FAREBOX_ACME", "open sesame")]);
    assert_eq!((&config.oidc[..], &unset[..]), (&[whole][..], &[][..]));

    // What is shown is a configuration that says the same, and no secret.
    let shown = effective(&config);
    assert!(!shown.contains("sesame") && shown.contains("\"FAREBOX_ACME\" # set"));
    let again = read(&shown, &[("FAREBOX_ACME", "open sesame")]).0;
    assert_eq!(again.oidc, config.oidc);

    let (_, unset) = read(&text, &[]);
    let told = "f.toml:6: `oidc[0].client_secret_env` names FAREBOX_ACME, which is not set. \
                Set it to the secret of \"acme\"";
    assert_eq!(unset, [told]);
}

#[test]
fn an_issuer_is_taken_to_the_letter_and_needs_tls() {
    for issuer in [
        "https://tenant.example.com/",
        "https://accounts.google.com",
        "http://127.0.0.1:9400",
        "http://localhost:9400",
        "http://[::1]:9400/a",
    ] {
        let text = LEAST.replace("https://sso.example.com/realms/acme", issuer);
        assert_eq!(read(&text, &[]).0.oidc[0].issuer, issuer);
    }
}

const ACME: &str = "https://sso.example.com/realms/acme";

/// What is wrong with a provider: what of the least is replaced, with what, and what is said.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "acme\"\nissuer",
        "a/b\"\nissuer",
        "`oidc[0].id` must be 1 to 64 letters",
    ),
    ("id = \"acme\"\n", "", "`oidc[0].id` is missing"),
    (ACME, "", "`oidc[0].issuer`"),
    (ACME, "sso.example.com", "must be an https:// address"),
    (
        ACME,
        "https://sso.example.com/?a=1",
        "must be an https:// address",
    ),
    (
        ACME,
        "https://a:b@sso.example.com",
        "must be an https:// address",
    ),
    (
        ACME,
        "http://sso.example.com",
        "who is between could sign in as anybody",
    ),
    (
        "\"farebox\"",
        "\"\"",
        "`oidc[0].client_id` must be what the provider knows",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\nclient_secret_env = \"not-a-variable\"",
        "must be the name of an environment variable",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\nclient_secret = \"s3cret\"",
        "Did you mean `client_secret_env`?",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\nscopes = [\"email\"]",
        "`oidc[0].scopes` must hold \"openid\"",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\nscopes = [\"openid\", \"two words\"]",
        "`oidc[0].scopes` holds \"two words\", which is no scope",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\nallowed_domains = [\"@example.com\"]",
        "holds \"@example.com\", which is no domain",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\njoin = [{ domain = \"example.com\", organization = \"Acme\" }]",
        "`oidc[0].join[0].organization` must be the id of an organization",
    ),
    (
        "client_id = \"farebox\"",
        "client_id = \"f\"\njoin = [{ domain = \"a.b\", organization = \"org-1\", role = \"member\" }]",
        "it is \"owner\" or \"reader\"",
    ),
];

#[test]
fn mistakes_in_providers_are_explained() {
    for (from, to, expected) in WRONG {
        let text = LEAST.replacen(from, to, 1);
        assert_ne!(text, LEAST, "{from}");
        let said = complaint(&text);
        assert!(said.contains(expected), "{to} was explained as\n{said}");
        assert!(!said.contains("s3cret"), "a secret was repeated: {said}");
    }
    let twice = complaint(&LEAST.repeat(2));
    assert!(twice.contains("`oidc[1].id` \"acme\" is taken"), "{twice}");
    let other = LEAST.replacen("\"acme\"", "\"other\"", 1);
    let same = complaint(&format!("{LEAST}{other}"));
    assert!(
        same.contains("`oidc[1].issuer` is that of another provider"),
        "{same}"
    );
}
