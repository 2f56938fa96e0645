//! What is believed of a signed token, and what not: a table for each way to be deceived.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::AtUs;
use serde_json::{Map, Value, json};
use testkit::issuer::Signer;

use super::id_token::{ClaimRefusal, Expected, Person, check, complete};
use super::jwk::{self, Key};
use super::jws::{JwsRefusal, verify};

const NOW_S: i64 = 1_800_000_000;
const ISSUER: &str = "https://sso.example.com/realms/acme";

fn keys(jwks: &[Value]) -> Vec<Key> {
    let set = json!({"keys": jwks});
    jwk::read(set.as_object().unwrap()).unwrap()
}

fn signers() -> [Signer; 3] {
    [Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e")]
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": "farebox", "nonce": "n-0S6",
        "exp": NOW_S + 300, "iat": NOW_S - 2, "email": "Grace@Example.com", "email_verified": true,
        "name": " Grace Hopper ",
    })
}

fn judged(claims: &Value) -> Result<Person, ClaimRefusal> {
    let expected = Expected {
        issuer: ISSUER,
        client_id: "farebox",
        nonce: "n-0S6",
        now: AtUs(NOW_S * 1_000_000),
    };
    check(claims.as_object().unwrap(), &expected)
}

/// A token in three parts, one of them changed.
fn changed(token: &str, part: usize, change: impl FnOnce(&str) -> String) -> String {
    let mut parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
    parts[part] = change(&parts[part]);
    parts.join(".")
}

#[test]
fn a_token_of_each_algorithm_is_verified_with_its_key_among_others() {
    let signers = signers();
    let all: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    for signer in &signers {
        let token = signer.token(&claims());
        assert_eq!(verify(&token, &keys(&all)).map(Value::Object), Ok(claims()));
        // Without its name it is found if it is the only one that fits.
        let header = json!({"alg": signer.algorithm()}).to_string();
        let nameless = signer.signed(&header, "{}");
        assert_eq!(verify(&nameless, &keys(&all)), Ok(Map::new()));
    }
    let pss = signers[0].signed(r#"{"alg":"PS256","kid":"r"}"#, "{}");
    assert_eq!(verify(&pss, &keys(&all)), Ok(Map::new()));
}

#[test]
fn a_token_that_was_touched_is_refused() {
    for signer in &signers() {
        let known = keys(&[signer.jwk()]);
        let token = signer.token(&claims());
        let payload = |_: &str| URL_SAFE_NO_PAD.encode(claims().to_string().replace("248", "249"));
        let header = |_: &str| {
            let header = json!({"alg": signer.algorithm(), "typ": "other"});
            URL_SAFE_NO_PAD.encode(header.to_string())
        };
        let flipped = |part: &str| {
            let mut bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
            bytes[9] ^= 1;
            URL_SAFE_NO_PAD.encode(bytes)
        };
        for token in [
            changed(&token, 1, payload),
            changed(&token, 0, header),
            changed(&token, 2, flipped),
            changed(&token, 2, |_| String::new()),
            changed(&token, 2, |part| URL_SAFE_NO_PAD.encode(part)),
        ] {
            assert_eq!(
                verify(&token, &known),
                Err(JwsRefusal::Signature),
                "{token}"
            );
        }
        let another = match signer.algorithm() {
            "ES256" => Signer::p256("p"),
            "EdDSA" => Signer::ed25519("e"),
            _ => continue,
        };
        let forged = another.token(&claims());
        assert_eq!(verify(&forged, &known), Err(JwsRefusal::Signature));
    }
}

#[test]
fn the_algorithm_is_one_of_the_list_and_the_keys_own() {
    let signers = signers();
    let all: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    let known = keys(&all);
    let [rsa, p256, _] = &signers;
    for (header, refusal) in [
        (r#"{"alg":"none"}"#, JwsRefusal::Algorithm),
        (r#"{"alg":"None","kid":"r"}"#, JwsRefusal::Algorithm),
        (r#"{"alg":"HS256","kid":"r"}"#, JwsRefusal::Algorithm),
        (r#"{"alg":"RS384","kid":"r"}"#, JwsRefusal::Algorithm),
        (r#"{"alg":"rs256","kid":"r"}"#, JwsRefusal::Algorithm),
        (r#"{"alg":["RS256"],"kid":"r"}"#, JwsRefusal::Algorithm),
        (r#"{"kid":"r"}"#, JwsRefusal::Algorithm),
        (r#"{"alg":"ES256","kid":"r"}"#, JwsRefusal::OtherKind),
        (r#"{"alg":"EdDSA","kid":"r"}"#, JwsRefusal::OtherKind),
        (r#"{"alg":"RS256","kid":"p"}"#, JwsRefusal::OtherKind),
        // The key says PKCS #1, or nothing; what was signed is not PSS.
        (r#"{"alg":"RS256","kid":"x"}"#, JwsRefusal::UnknownKey),
        (r#"{"alg":"RS256","kid":7}"#, JwsRefusal::Header),
        (
            r#"{"alg":"RS256","kid":"r","crit":["b64"],"b64":false}"#,
            JwsRefusal::Critical,
        ),
        (
            r#"{"alg":"RS256","alg":"RS256","kid":"r"}"#,
            JwsRefusal::Header,
        ),
        (r#"["RS256"]"#, JwsRefusal::Header),
        ("", JwsRefusal::Header),
    ] {
        assert_eq!(
            verify(&rsa.signed(header, "{}"), &known),
            Err(refusal),
            "{header}"
        );
    }
    // A key in the header is not looked at.
    let own = json!({"alg": "ES256", "kid": "p", "jwk": Signer::p256("p").jwk()}).to_string();
    let forged = Signer::p256("p").signed(&own, "{}");
    assert_eq!(verify(&forged, &known), Err(JwsRefusal::Signature));
    // The provider may say what its key is for.
    let mut only = rsa.jwk();
    only["alg"] = json!("PS256");
    let token = rsa.token(&claims());
    assert_eq!(verify(&token, &keys(&[only])), Err(JwsRefusal::OtherKind));
    // Of two that fit, a token must name one.
    let two = keys(&[p256.jwk(), Signer::p256("q").jwk()]);
    let nameless = p256.signed(r#"{"alg":"ES256"}"#, "{}");
    assert_eq!(verify(&nameless, &two), Err(JwsRefusal::UnknownKey));
    assert_eq!(verify(&nameless, &[]), Err(JwsRefusal::UnknownKey));
}

#[test]
fn what_is_no_token_is_refused_unread() {
    let signer = Signer::p256("p");
    let known = keys(&[signer.jwk()]);
    let token = signer.token(&claims());
    let large = json!({"a": "x".repeat(64 * 1024)});
    for (token, refusal) in [
        (String::new(), JwsRefusal::NotSigned),
        ("a.b".into(), JwsRefusal::NotSigned),
        ("..".into(), JwsRefusal::Header),
        (format!("{token}.x"), JwsRefusal::NotSigned),
        (format!("{token}="), JwsRefusal::NotSigned),
        (format!(" {token}"), JwsRefusal::NotSigned),
        (signer.token(&large), JwsRefusal::TooLong),
        (
            signer.signed(r#"{"alg":"ES256"}"#, "[]"),
            JwsRefusal::Payload,
        ),
        (
            signer.signed(r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#),
            JwsRefusal::Payload,
        ),
    ] {
        assert_eq!(verify(&token, &known), Err(refusal));
    }
}

#[test]
fn a_token_says_who_it_is_and_some_of_it_may_be_missing() {
    let whole = judged(&claims()).unwrap();
    assert_eq!(whole.subject, "248289761001");
    assert_eq!(whole.email.unwrap().as_str(), "grace@example.com");
    assert_eq!(whole.is_email_verified, Some(true));
    assert_eq!(whole.name.as_deref(), Some("Grace Hopper"));
    for (name, value, is_email_verified) in [
        ("email_verified", json!("true"), Some(true)),
        ("email_verified", json!("false"), Some(false)),
        ("email_verified", json!(false), Some(false)),
        ("email_verified", json!(1), Some(false)),
        ("email_verified", Value::Null, None),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert_eq!(
            judged(&claims).unwrap().is_email_verified,
            is_email_verified
        );
    }
    for (name, value) in [
        ("email", json!("nobody")),
        ("email", json!(["grace@example.com"])),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert_eq!(judged(&claims).unwrap().email, None);
    }
    for name in [json!("a\nb"), json!(" "), json!("x".repeat(257)), json!(7)] {
        let mut claims = claims();
        claims["name"] = name;
        assert_eq!(judged(&claims).unwrap().name, None);
    }
}

#[test]
fn a_token_of_others_for_others_or_of_another_time_is_refused() {
    use ClaimRefusal as Why;
    for (name, value, refusal) in [
        ("iss", json!("https://evil.example"), Why::Issuer),
        ("iss", json!(format!("{ISSUER}/")), Why::Issuer),
        ("iss", json!([ISSUER]), Why::Issuer),
        ("iss", Value::Null, Why::Issuer),
        ("aud", json!("another"), Why::Audience),
        ("aud", json!([]), Why::Audience),
        ("aud", json!(["another"]), Why::Audience),
        // One for several says who asked for it.
        ("aud", json!(["farebox", "another"]), Why::Audience),
        ("aud", Value::Null, Why::Audience),
        ("azp", json!("another"), Why::Audience),
        ("azp", json!(7), Why::Audience),
        ("exp", json!(NOW_S - 60), Why::Expired),
        ("exp", json!("never"), Why::Expired),
        ("exp", Value::Null, Why::Expired),
        ("iat", json!(NOW_S + 61), Why::Issued),
        ("iat", json!(NOW_S - 661), Why::Issued),
        ("iat", json!(i64::MIN), Why::Issued),
        ("iat", Value::Null, Why::Issued),
        ("nbf", json!(NOW_S + 61), Why::Issued),
        ("nbf", json!("later"), Why::Issued),
        ("nonce", json!("n-0S7"), Why::Nonce),
        ("nonce", json!(""), Why::Nonce),
        ("nonce", Value::Null, Why::Nonce),
        ("sub", Value::Null, Why::Subject),
        ("sub", json!(""), Why::Subject),
        ("sub", json!(248), Why::Subject),
        ("sub", json!("x".repeat(256)), Why::Subject),
        ("sub", json!("a\0b"), Why::Subject),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        assert_eq!(judged(&claims), Err(refusal), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["farebox"])),
        ("azp", json!("farebox")),
        ("exp", json!(NOW_S - 59)),
        ("iat", json!(NOW_S + 60)),
        ("iat", json!(NOW_S - 660)),
        ("nbf", json!(NOW_S - 5)),
        ("sub", json!("x".repeat(255))),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        assert!(judged(&claims).is_ok(), "{name}: {value}");
    }
    let mut several = claims();
    several["aud"] = json!(["another", "farebox"]);
    several["azp"] = json!("farebox");
    assert!(judged(&several).is_ok());
}

#[test]
fn what_is_told_beside_a_token_is_about_the_same_person() {
    let mut short = claims();
    for name in ["email", "email_verified", "name"] {
        short.as_object_mut().unwrap().remove(name);
    }
    let person = judged(&short).unwrap();
    let beside = json!({"sub": "248289761001", "email": "grace@example.com", "name": "G"});
    let told = complete(person.clone(), beside.as_object().unwrap()).unwrap();
    assert_eq!(told.email.unwrap().as_str(), "grace@example.com");
    assert_eq!(
        (told.is_email_verified, told.name.as_deref()),
        (None, Some("G"))
    );
    for beside in [json!({"sub": "1", "email": "a@example.com"}), json!({})] {
        let refused = complete(person.clone(), beside.as_object().unwrap());
        assert_eq!(refused, Err(ClaimRefusal::Subject));
    }
}
