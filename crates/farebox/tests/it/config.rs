//! The configuration: its defaults, its layers, and how it complains.

use farebox::config::{
    Config, EXAMPLE, Endpoint, Environment, OnDisconnect, ResponsesMode, Target, effective,
    from_text,
};

const UPSTREAM: &str =
    "[[upstreams]]\nid = \"vllm\"\nkind = \"openai\"\nbase_url = \"http://h/v1\"\n";

fn read(text: &str) -> Config {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Config {
    let environment = Environment::of(variables.iter().copied());
    match from_text(Some(("farebox.toml", text)), &environment) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}\nin\n{text}"),
    }
}

fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
    let environment = Environment::of(variables.iter().copied());
    match from_text(Some(("farebox.toml", text)), &environment) {
        Ok(_) => panic!("this was taken for a configuration:\n{text}\n{variables:?}"),
        Err(error) => error.to_string(),
    }
}

/// The example with its examples: prose has a blank after the mark, lines of TOML have none, and
/// their continuations have two.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(toml) if toml.starts_with("  ") || !toml.starts_with(' ') => format!("{toml}\n"),
        Some(_) => String::new(),
        None => format!("{line}\n"),
    };
    EXAMPLE.lines().map(line).collect()
}

#[test]
fn the_defaults_are_a_configuration_without_upstreams_or_models() {
    let config = read("");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.api_base(), "http://127.0.0.1:8080/v1");
    assert_eq!(config.signup.trial_credit.to_usd(), "5.00");
    assert_eq!(config.limits.body_bytes, 32 << 20);
    assert_eq!(config.limits.ballast_bytes, 16 << 20);
    assert_eq!(config.limits.idempotent_answer_bytes, 1 << 20);
    assert_eq!(config.limits.recharge_wait_ms, 5_000);
    assert_eq!(config.request_log.refusal_days, 30);
    assert_eq!(config.request_log.refusals_per_minute, 300);
    assert_eq!(config.request_log.prompts_per_minute, 300);
    assert_eq!(config.limits.requests_per_minute, 10_000_000);
    assert_eq!(config.limits.tokens_per_minute, 100_000_000_000);
    assert!(config.upstreams.is_empty() && config.models.is_empty());
}

#[test]
fn the_examples_in_the_example_work_and_state_true_defaults() {
    let config = read(&uncommented());
    let [vllm, ollama, openai, built_in] = &config.upstreams[..] else {
        panic!("{:?}", config.upstreams);
    };
    // The first states every default, the second none.
    assert_eq!(
        (
            vllm.timeout_ms,
            vllm.connect_timeout_ms,
            vllm.on_disconnect,
            vllm.responses,
            vllm.output_limit_field
        ),
        (
            ollama.timeout_ms,
            ollama.connect_timeout_ms,
            ollama.on_disconnect,
            ollama.responses,
            ollama.output_limit_field
        )
    );
    assert_eq!(vllm.on_disconnect, OnDisconnect::Cancel);
    assert_eq!(openai.responses, ResponsesMode::Native);
    assert!(
        matches!(&built_in.target, Target::Local { name, .. } if name == "smollm2-135m-instruct")
    );

    let bare = read(&format!(
        "{UPSTREAM}[[models]]\nid = \"gpt-4o-mini\"\ndeployments = [{{ upstream = \"vllm\" }}]\n"
    ));
    let [stated, llama, qwen] = &config.models[..] else {
        panic!("{:?}", config.models)
    };
    let [bare] = &bare.models[..] else {
        panic!("{:?}", bare.models)
    };
    assert_eq!(
        (
            stated.context_tokens,
            stated.max_output_tokens,
            &stated.deployments
        ),
        (
            bare.context_tokens,
            bare.max_output_tokens,
            &bare.deployments
        )
    );
    assert_eq!(
        (&stated.endpoints, &stated.owned_by),
        (&bare.endpoints, &bare.owned_by)
    );
    assert_eq!(
        (stated.min_output_tokens, stated.bounds, stated.tokenizer),
        (bare.min_output_tokens, bare.bounds, bare.tokenizer)
    );
    assert_eq!(
        (bare.bounds.image_tokens, qwen.bounds.image_tokens),
        (None, Some(16_384))
    );
    assert_eq!(bare.endpoints.len(), 4);
    assert_eq!(
        llama.max_output_tokens, llama.context_tokens,
        "at most the context"
    );
}

#[test]
fn the_provider_in_the_example_states_true_defaults() {
    let least = "[[oidc]]\nid = \"a\"\nissuer = \"https://a\"\nclient_id = \"a\"\n";
    let (example, least) = (read(&uncommented()), read(least));
    let ([stated], [bare]) = (&example.oidc[..], &least.oidc[..]) else {
        panic!("{:?}", example.oidc);
    };
    assert_eq!(stated.scopes, bare.scopes);
    assert_eq!(stated.allowed_domains, bare.allowed_domains);
    assert_eq!(stated.trusted_domains, bare.trusted_domains);
    assert_eq!(
        (&stated.ca_file, stated.timeout_ms),
        (&bare.ca_file, bare.timeout_ms)
    );
}

#[test]
fn every_key_is_in_the_example() {
    let strange = "strange_strange_strange = 1\n";
    let price = "price = { strange_strange_strange = 1, input = \"1\", output = \"1\" }\n";
    let deployment = "deployments = [{ upstream = \"vllm\", strange_strange_strange = 1 }]\n";
    let model = format!("{UPSTREAM}[[models]]\nid = \"m\"\n");
    let mut known = 0;
    for text in [
        strange.to_owned(),
        format!("[signup]\n{strange}"),
        format!("[mail]\n{strange}"),
        format!("[sms]\n{strange}"),
        format!("[log]\n{strange}"),
        format!("[limits]\n{strange}"),
        format!("[[oidc]]\nid = \"a\"\nissuer = \"https://a\"\nclient_id = \"a\"\n{strange}"),
        format!("{UPSTREAM}{strange}"),
        format!("{model}deployments = [{{ upstream = \"vllm\" }}]\n{strange}"),
        format!("{model}{deployment}"),
        format!("{model}deployments = [{{ upstream = \"vllm\" }}]\n{price}"),
        format!(
            "{model}deployments = [{{ upstream = \"vllm\" }}]\nbounds = {{ {} }}",
            strange.trim()
        ),
    ] {
        let said = complaint(&text, &[]);
        let (_, keys) = said.split_once("Known here: ").expect(&said);
        for key in keys.trim().split(", ") {
            assert!(
                EXAMPLE.contains(key),
                "{key} is not in farebox.example.toml"
            );
            known += 1;
        }
    }
    assert!(known > 50, "the keys were not listed: {known}");
}

#[test]
fn variables_override_the_file_and_the_file_overrides_the_defaults() {
    let file = "listen = \"127.0.0.1:1\"\n[signup]\nmode = \"invite\"\ntrial_credit_days = 5\n";
    let config = read_with(
        file,
        &[
            ("FAREBOX_LISTEN", "0.0.0.0:2"),
            ("FAREBOX_SIGNUP__TRIAL_CREDIT_USD", "7.50"),
            ("FAREBOX_LIMITS__BODY_BYTES", "1024"),
            ("FAREBOX_LOG__LEVEL", "debug"),
        ],
    );
    assert_eq!(config.listen.to_string(), "0.0.0.0:2");
    assert_eq!(
        config.public_url, "http://127.0.0.1:2",
        "it follows the address"
    );
    assert_eq!(config.signup.trial_credit.to_usd(), "7.50");
    assert_eq!(config.signup.trial_credit_days, 5);
    assert_eq!(
        (config.limits.body_bytes, config.log.level.as_str()),
        (1024, "debug")
    );
}

#[test]
fn lists_can_be_variables_in_toml_or_json() {
    let toml = r#"[{ id = "u", kind = "openai", base_url = "http://h/v1/" }]"#;
    let json = r#"[{"id": "u", "kind": "openai", "base_url": "http://h/v1/"}]"#;
    for list in [toml, json] {
        let config = read_with(UPSTREAM, &[("FAREBOX_UPSTREAMS", list)]);
        let [upstream] = &config.upstreams[..] else {
            panic!("{:?}", config.upstreams)
        };
        assert_eq!(upstream.id, "u");
        let Target::OpenAi { base_url, .. } = &upstream.target else {
            panic!("{upstream:?}")
        };
        assert_eq!(base_url, "http://h/v1", "without the slash at the end");
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    let file = format!("{UPSTREAM}api_key_env = \"FAREBOX_VLLM\"\n");
    let config = read_with(
        &file,
        &[
            ("FAREBOX_SECRET_KEY", "x"),
            ("FAREBOX_TEST_ANYTHING", "x"),
            ("FAREBOX_BIN", "x"),
            ("FAREBOX_LOCAL_BIN", "x"),
            // What Kubernetes tells every container beside a service called farebox.
            ("FAREBOX_SERVICE_HOST", "10.0.0.1"),
            ("FAREBOX_SERVICE_PORT", "80"),
            ("FAREBOX_SERVICE_PORT_HTTP", "80"),
            ("FAREBOX_PORT", "tcp://10.0.0.1:80"),
            ("FAREBOX_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("FAREBOX_VLLM", "sk-upstream-secret"),
        ],
    );
    let Target::OpenAi {
        api_key: Some(key), ..
    } = &config.upstreams[0].target
    else {
        panic!("the upstream's key was not taken");
    };
    assert_eq!(key.expose(), "sk-upstream-secret");
}

#[test]
fn what_is_shown_can_be_read_again_and_holds_no_secret() {
    let text = format!(
        "database_url = \"postgres://me:hunter2@db/farebox\"\n{}",
        uncommented().replacen("database_url", "#", 1)
    );
    let environment = Environment::of([("VLLM_API_KEY", "sk-upstream-secret")]);
    let config = from_text(Some(("farebox.toml", &text)), &environment)
        .expect("valid")
        .config;
    let shown = effective(&config);
    for secret in ["hunter2", "sk-upstream-secret"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!format!("{config:?}").contains(secret), "{config:?}");
    }
    assert!(
        shown.contains("api_key_env = \"VLLM_API_KEY\" # set"),
        "{shown}"
    );
    assert!(
        shown.contains("api_key_env = \"OPENAI_API_KEY\" # not set"),
        "{shown}"
    );

    let mut again = from_text(Some(("shown", &shown)), &environment)
        .expect("valid")
        .config;
    again.database_url = config.database_url.clone();
    assert_eq!(again, config);
}

#[test]
fn a_price_is_what_it_says() {
    let price = |text: &str| {
        let model = format!(
            "{UPSTREAM}[[models]]\nid = \"m\"\ndeployments = [{{ upstream = \"vllm\" }}]\n{text}\n"
        );
        read(&model).models.remove(0).price
    };
    assert_eq!(price(""), None);
    let stated =
        price("price = { input = \"0.000000001\", output = \"15\", cached_input = \"0\" }")
            .expect("a price");
    assert_eq!(
        (stated.input.get(), stated.output.get()),
        (1, 15_000_000_000)
    );
    assert_eq!(stated.cached_input.map(|price| price.get()), Some(0));
    assert_eq!(stated.reasoning, None);
    let embeddings = price("endpoints = [\"embeddings\"]\nprice = { input = \"0.02\" }");
    assert_eq!(embeddings.expect("a price").output.get(), 0);
    let endpoints = read(&format!(
        "{UPSTREAM}[[models]]\nid = \"m\"\ndeployments = [{{ upstream = \"vllm\" }}]\n\
         endpoints = [\"chat\", \"chat\"]\n"
    ));
    assert_eq!(endpoints.models[0].endpoints, [Endpoint::Chat]);
}

#[test]
fn warnings_name_what_is_probably_not_meant() {
    let text = format!(
        "{UPSTREAM}api_key_env = \"NOT_SET\"\n\
         [[upstreams]]\nid = \"idle\"\nkind = \"local\"\nmodel_path = \"/nowhere/m.gguf\"\n\
         [[models]]\nid = \"m\"\ndeployments = [{{ upstream = \"vllm\" }}]\n"
    );
    let text = format!("public_url = \"http://localhost:9999\"\n{text}");
    let loaded = from_text(Some(("f.toml", &text)), &Environment::default()).expect("valid");
    let unset: Vec<String> = loaded
        .unset_secrets
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        unset,
        [
            "f.toml:6: `upstreams[0].api_key_env` names NOT_SET, which is not set. \
          Set it to the key of \"vllm\""
        ]
    );
    let warned: String = loaded
        .warnings
        .iter()
        .map(|warning| format!("{warning}\n"))
        .collect();
    for part in [
        "`models[0].price` is missing",
        "\"idle\" serves no model",
        "/nowhere/m.gguf, which is not there",
        "has port 9999, but Farebox listens on 127.0.0.1:8080",
    ] {
        assert!(warned.contains(part), "{part:?} is not in\n{warned}");
    }
}

/// What is wrong in the file, and what must be said about it.
const WRONG_FILES: &[(&str, &str)] = &[
    (
        "lisen = \"127.0.0.1:1\"",
        "farebox.toml:1: `lisen` is not a key of Farebox. Did you mean `listen`?",
    ),
    (
        "\n\n[sginup]\nmode = \"open\"",
        "farebox.toml:3: `sginup` is not a key of Farebox. Did you mean `signup`?",
    ),
    (
        "[signup]\nmod = \"open\"",
        "farebox.toml:2: `signup.mod` is not a key of Farebox. Did you mean `mode`?",
    ),
    (
        "[signup]\nmode = \"opne\"",
        "farebox.toml:2: `signup.mode` cannot be \"opne\". Did you mean \"open\"?",
    ),
    (
        "signup = 3",
        "`signup` must be a section, [signup], not a whole number",
    ),
    (
        "listen = \"localhost:80\"",
        "`listen` must be IP:PORT, such as \"127.0.0.1:80\"",
    ),
    ("listen = \":80\"", "such as \"0.0.0.0:80\""),
    (
        "listen = 80",
        "`listen` is a number here: write it as a string",
    ),
    (
        "public_url = \"example.com\"",
        "`public_url` must begin with http:// or https://",
    ),
    (
        "public_url = \"http://a b\"",
        "`public_url` is not an address",
    ),
    (
        "database_url = \"mysql://h\"",
        "`database_url` must begin with sqlite:// or postgres://",
    ),
    (
        "database_url = \"sqlite://\"",
        "`database_url` needs a file after sqlite://",
    ),
    (
        "hold_durability = \"never\"",
        "it is \"before_first_byte\" or \"before_forward\"",
    ),
    (
        "[signup]\ntrial_credit_usd = \"-1\"",
        "`signup.trial_credit_usd` cannot be negative",
    ),
    (
        "[payments]\nkind = \"stripe\"",
        "`payments.secret_key_env` is missing: name the variable that holds the secret key",
    ),
    (
        "[log]\nlevel = \"infos\"",
        "`log.level` must be error, warn, info, debug, trace or off",
    ),
    (
        "[limits]\nbody_bytes = 0",
        "`limits.body_bytes` must be a whole number from 1 to",
    ),
    (
        "[limits]\nbody_bytes = 1.5",
        "`limits.body_bytes` must be a whole number, not a number with a fraction",
    ),
    (
        "[limits]\nbody_bytes = \"1\"",
        "`limits.body_bytes` must be a whole number, not a text",
    ),
    (
        "upstreams = 3",
        "`upstreams` must be a list, not a whole number",
    ),
    ("listen = ", "farebox.toml:1: "),
];

#[test]
fn mistakes_in_the_file_are_explained_with_their_line() {
    for (text, expected) in WRONG_FILES {
        let said = complaint(text, &[]);
        assert!(
            said.contains(expected),
            "{text:?} was explained as\n{said}\nnot\n{expected}"
        );
    }
}

/// What is wrong with an upstream: keys after `id = "vllm"`.
const WRONG_UPSTREAMS: &[(&str, &str)] = &[
    (
        "kind = \"openai\"",
        "`upstreams[0].base_url` is missing: say where the server is",
    ),
    (
        "kind = \"openai\"\nbase_url = \"h:80\"",
        "farebox.toml:4: `upstreams[0].base_url` must begin with http://",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://u:p@h/v1\"",
        "must not hold a password",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h/v1?x=1\"",
        "must end with its path",
    ),
    (
        "base_url = \"http://h/v1\"",
        "`upstreams[0].kind` is missing",
    ),
    (
        "kind = \"anthropic\"\nbase_url = \"https://h/v1\"",
        "\"anthropic\" is not supported yet",
    ),
    (
        "kind = \"opena\"\nbase_url = \"https://h/v1\"",
        "Did you mean \"openai\"?",
    ),
    (
        "kind = \"local\"",
        "`upstreams[0].model_path` is missing: name the weights",
    ),
    (
        "kind = \"local\"\nmodel_path = \"m\"\nbase_url = \"http://h/v1\"",
        "`upstreams[0].base_url` is not for kind = \"local\"",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h\"\nmodel_path = \"m\"",
        "`upstreams[0].model_path` is for kind = \"local\"",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h\"\ntimeout_ms = 0",
        "`upstreams[0].timeout_ms` must be a whole number from 1 to",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h\"\non_disconnect = \"stop\"",
        "it is \"cancel\" or \"drain\"",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h\"\noutput_limit_field = \"max_token\"",
        "Did you mean \"max_tokens\"?",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h\"\napi_key = \"sk-x\"",
        "Did you mean `api_key_env`?",
    ),
    (
        "kind = \"openai\"\nbase_url = \"http://h\"\napi_key_env = \"sk-x\"",
        "must be the name of an environment variable",
    ),
];

#[test]
fn mistakes_in_upstreams_are_explained() {
    for (keys, expected) in WRONG_UPSTREAMS {
        let said = complaint(&format!("[[upstreams]]\nid = \"vllm\"\n{keys}\n"), &[]);
        assert!(
            said.contains(expected),
            "{keys:?} was explained as\n{said}\nnot\n{expected}"
        );
        assert!(!said.contains("sk-x"), "a secret was repeated: {said}");
    }
    let twice = complaint(&UPSTREAM.repeat(2), &[]);
    assert!(
        twice.contains("farebox.toml:6: `upstreams[1].id` \"vllm\" is taken"),
        "{twice}"
    );
}

/// What is wrong with a model at upstream `vllm`: keys after `id = "m"`, and maybe a deployment.
const WRONG_MODELS: &[(&str, &str)] = &[
    (
        "",
        "`models[0].deployments` is empty: name at least one upstream",
    ),
    (
        "deployments = [{ upstream = \"vlm\" }]",
        "\"vlm\" is not an upstream. Did you mean \"vllm\"?",
    ),
    (
        "deployments = [{ upstream = \"other\" }]",
        "\"other\" is not an upstream: add [[upstreams]]",
    ),
    (
        "deployments = [{ model = \"x\" }]",
        "`models[0].deployments[0].upstream` is missing",
    ),
    (
        "deployments = [{ upstream = \"vllm\", weight = 0 }]",
        "`models[0].deployments[0].weight` must be a whole number from 1",
    ),
    (
        "context_tokens = 10\nmax_output_tokens = 11\n@",
        "`models[0].max_output_tokens` is 11, more than context_tokens, which is 10",
    ),
    (
        "max_output_tokens = 10\nmin_output_tokens = 11\n@",
        "`models[0].min_output_tokens` must be a whole number from 1 to 10",
    ),
    (
        "@\nbounds = { image_token = 1 }",
        "`models[0].bounds.image_token` is not a key of Farebox. Did you mean `image_tokens`?",
    ),
    (
        "@\ntokenizer = \"o200k\"",
        "`models[0].tokenizer` cannot be \"o200k\". Did you mean \"o200k_base\"?",
    ),
    (
        "@\nbounds = { bytes_factor = 0 }",
        "`models[0].bounds.bytes_factor` must be a whole number from 1 to 100",
    ),
    (
        "@\nbounds = { audio_tokens = \"1\" }",
        "`models[0].bounds.audio_tokens` must be a whole number, not a text",
    ),
    (
        "@\nprice = { input = 0.15, output = \"1\" }",
        "`models[0].price.input` is a number here: write it as a string",
    ),
    (
        "@\nprice = { input = \"0,15\", output = \"1\" }",
        "`models[0].price.input` \"0,15\" is no amount",
    ),
    (
        "@\nprice = { input = \"0.0000000001\", output = \"1\" }",
        "at most 9 digits after the point",
    ),
    (
        "@\nprice = { input = \"-1\", output = \"1\" }",
        "`models[0].price.input` cannot be negative",
    ),
    (
        "@\nprice = { input = \"1\" }",
        "`models[0].price.output` is missing: state it, and write \"0\" if output is free",
    ),
    (
        "@\nprice = { input = \"1\", output = \"1\", cache_input = \"1\" }",
        "Did you mean `cached_input`?",
    ),
    (
        "@\nendpoints = [\"images\"]",
        "cannot hold \"images\": there are chat, responses, completions, embeddings",
    ),
    ("@\nendpoints = []", "`models[0].endpoints` is empty"),
];

#[test]
fn mistakes_in_models_are_explained() {
    for (keys, expected) in WRONG_MODELS {
        let keys = keys.replace('@', "deployments = [{ upstream = \"vllm\" }]");
        let said = complaint(&format!("{UPSTREAM}[[models]]\nid = \"m\"\n{keys}\n"), &[]);
        assert!(
            said.contains(expected),
            "{keys:?} was explained as\n{said}\nnot\n{expected}"
        );
    }
}

#[test]
fn mistakes_in_variables_are_explained_by_the_variable() {
    for ((name, value), expected) in [
        (
            ("FAREBOX_LISEN", "127.0.0.1:1"),
            "FAREBOX_LISEN: `lisen` is not a key of Farebox. Did you mean FAREBOX_LISTEN?",
        ),
        (
            ("FAREBOX_SIGNPU__MODE", "open"),
            "Did you mean FAREBOX_SIGNUP__MODE?",
        ),
        (
            ("FAREBOX_SIGNUP__MDOE", "open"),
            "Did you mean FAREBOX_SIGNUP__MODE?",
        ),
        (
            ("FAREBOX_LOG", "debug"),
            "FAREBOX_LOG: `log` is a section: set one of its keys, as FAREBOX_LOG__KEY",
        ),
        (
            ("FAREBOX_LIMITS__BODY_BYTES", "lots"),
            "FAREBOX_LIMITS__BODY_BYTES: `limits.body_bytes` must be a whole number",
        ),
        (
            ("FAREBOX_MODELS", "gpt"),
            "FAREBOX_MODELS: `models` must be a list",
        ),
    ] {
        let said = complaint("", &[(name, value)]);
        assert!(
            said.contains(expected),
            "{name}={value} was explained as\n{said}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let said = complaint("listen = \"x\"\nlimts = 1\n[signup]\nmode = \"x\"\n", &[]);
    assert!(said.contains("has 3 problems"), "{said}");
    for part in [
        "farebox.toml:1: `listen`",
        "farebox.toml:2: `limts`",
        "farebox.toml:4: `signup.mode`",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn a_broken_file_is_told_without_its_text() {
    let said = complaint(
        "listen = \"127.0.0.1:1\"\ndatabase_url = \"postgres://u:hunter2@h\n",
        &[],
    );
    assert!(said.contains("farebox.toml:2"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
