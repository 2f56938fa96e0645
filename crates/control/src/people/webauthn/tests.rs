//! Every refusal, by an authenticator that does one thing wrong; and garbage.

use domain::people::secret::{BearerDigest, BearerSecret};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::authenticator::{Algorithm, Attestation, Authenticator, base64, bytes};

use super::assertion::{Asked, Assertion, Kept, Used};
use super::problem::Problem;
use super::registration::{Registered, Registration};
use super::site::Site;

const ORIGIN: &str = "https://ai.example.com";
const USER: &str = "user-ada";
const EVERY: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

fn site() -> Site {
    Site::of(ORIGIN).unwrap()
}

fn counted(buffer: &mut [u8]) {
    for (index, byte) in (0..).zip(buffer) {
        *byte = index;
    }
}

/// A challenge, as it is given to a browser and as it is kept.
fn challenge() -> (String, BearerDigest) {
    let secret = BearerSecret::mint(counted);
    (base64(secret.expose().as_bytes()), secret.digest())
}

/// What a browser is asked to make and to sign.
fn options() -> Value {
    let (challenge, _) = challenge();
    json!({
        "challenge": challenge,
        "rp": {"id": "ai.example.com"},
        "rpId": "ai.example.com",
        "user": {"id": base64(USER.as_bytes())},
    })
}

fn good(algorithm: Algorithm) -> Authenticator {
    Authenticator::new(algorithm, ORIGIN)
}

fn register(authenticator: &mut Authenticator) -> Result<Registered, Problem> {
    let answer = authenticator.create(&options());
    let response = &answer["response"];
    let registration = Registration {
        client_data: &bytes(&response["clientDataJSON"]),
        attestation_object: &bytes(&response["attestationObject"]),
    };
    registration.verify(&challenge().1, &site())
}

/// Who is asked, and how strictly.
struct Question {
    user: Option<&'static str>,
    needs_verification: bool,
}

const NOBODY_KNOWN: Question = Question {
    user: None,
    needs_verification: true,
};
const AFTER_PASSWORD: Question = Question {
    user: Some(USER),
    needs_verification: false,
};

fn sign(
    authenticator: &mut Authenticator,
    registered: &Registered,
    question: &Question,
) -> Result<Used, Problem> {
    let answer = authenticator.get(&options());
    let response = &answer["response"];
    let handle = match &response["userHandle"] {
        Value::Null => None,
        handle => Some(bytes(handle)),
    };
    let assertion = Assertion {
        client_data: &bytes(&response["clientDataJSON"]),
        authenticator_data: &bytes(&response["authenticatorData"]),
        signature: &bytes(&response["signature"]),
        user_handle: handle.as_deref(),
    };
    let asked = Asked {
        challenge: &challenge().1,
        site: &site(),
        user: question.user,
        needs_verification: question.needs_verification,
    };
    let kept = Kept {
        user: USER,
        public_key: &registered.public_key,
        sign_count: registered.sign_count,
        is_backup_eligible: registered.is_backup_eligible,
    };
    assertion.verify(&asked, &kept)
}

type Spoil = fn(&mut Authenticator);

/// What is wrong with any answer, of whichever ceremony.
const WRONG: &[(Problem, Spoil)] = &[
    (Problem::Challenge, |it| {
        it.habits.challenge = Some(base64(&[b'x'; 43]))
    }),
    (Problem::Challenge, |it| {
        it.habits.challenge = Some(String::new())
    }),
    (Problem::Challenge, |it| {
        it.habits.challenge = Some("=".into())
    }),
    (Problem::Ceremony, |it| {
        it.habits.ceremony = Some("payment.get")
    }),
    (Problem::Origin, |it| {
        it.habits.origin = "https://evil.example".into()
    }),
    (Problem::Origin, |it| {
        it.habits.origin = "http://ai.example.com".into()
    }),
    (Problem::Origin, |it| {
        it.habits.origin = "https://ai.example.com:8443".into()
    }),
    (Problem::Origin, |it| {
        it.habits.origin = "https://x.ai.example.com".into()
    }),
    (Problem::Origin, |it| {
        it.habits.origin = "https://ai.example.com.evil.example".into()
    }),
    (Problem::CrossOrigin, |it| it.habits.cross_origin = true),
    (Problem::TokenBinding, |it| {
        it.habits.token_binding = Some("present")
    }),
    (Problem::RpId, |it| {
        it.habits.rp_id = Some("evil.example".into())
    }),
    (Problem::RpId, |it| {
        it.habits.rp_id = Some("example.com".into())
    }),
    (Problem::NotPresent, |it| it.habits.user_present = false),
    (Problem::Backup, |it| it.habits.backed_up = true),
    (Problem::AuthenticatorData, |it| {
        it.habits.appendix = vec![0]
    }),
];

#[test]
fn a_passkey_of_each_kind_is_made_and_used() {
    for algorithm in EVERY {
        for attestation in [Attestation::None, Attestation::Itself] {
            let mut authenticator = good(algorithm);
            authenticator.habits.attestation = attestation;
            let made = register(&mut authenticator).unwrap();
            assert_eq!(made.credential_id, authenticator.credential_id);
            assert_eq!(made.public_key, authenticator.cose());
            assert!(made.is_user_verified && !made.is_backup_eligible && !made.is_backed_up);
            for question in [NOBODY_KNOWN, AFTER_PASSWORD] {
                let used = sign(&mut authenticator, &made, &question).unwrap();
                assert_eq!(used.sign_count, authenticator.count);
                assert!(used.is_user_verified && !used.is_backed_up);
            }
        }
    }
}

#[test]
fn what_may_be_otherwise_is_taken() {
    let may: [Spoil; 6] = [
        |it| it.habits.token_binding = Some("supported"),
        |it| it.habits.has_extensions = true,
        |it| it.habits.user_verified = false,
        |it| it.habits.counts_by = 0,
        |it| it.habits.user_handle = Some(Value::Null),
        |it| {
            it.habits.backup_eligible = true;
            it.habits.backed_up = true;
        },
    ];
    for (number, otherwise) in may.iter().enumerate() {
        let mut authenticator = good(Algorithm::Es256);
        otherwise(&mut authenticator);
        let made = register(&mut authenticator).unwrap();
        let used = sign(&mut authenticator, &made, &AFTER_PASSWORD).unwrap();
        assert_eq!(used.is_user_verified, made.is_user_verified, "{number}");
        assert_eq!(used.is_backed_up, made.is_backed_up, "{number}");
    }
}

#[test]
fn every_wrong_answer_to_being_asked_for_a_passkey_is_refused() {
    let more: &[(Problem, Spoil)] = &[
        (Problem::Ceremony, |it| {
            it.habits.ceremony = Some("webauthn.get")
        }),
        (Problem::AuthenticatorData, |it| it.credential_id.clear()),
        (Problem::AuthenticatorData, |it| {
            it.credential_id = vec![7; 1024]
        }),
        (Problem::AuthenticatorData, |it| {
            it.habits.public_key = Some(Vec::new())
        }),
        (Problem::Key, |it| it.habits.public_key = Some(vec![0xa0])),
        (Problem::Key, |it| it.habits.public_key = Some(vec![0x80])),
        (Problem::Attestation, |it| {
            attested(it, "none", &[0xa1, 0x61, b'x', 0])
        }),
        (Problem::Attestation, |it| attested(it, "none", &[0x80])),
        (Problem::Attestation, |it| attested(it, "packed", &[0xa0])),
        (Problem::Attestation, |it| attested(it, "fido-u2f", &[0xa0])),
        (Problem::Attestation, |it| {
            it.habits.attestation = Attestation::Itself;
            it.habits.breaks_signatures = true;
        }),
    ];
    for (number, (problem, spoil)) in WRONG.iter().chain(more).enumerate() {
        for algorithm in EVERY {
            let mut authenticator = good(algorithm);
            spoil(&mut authenticator);
            let refused = register(&mut authenticator);
            assert_eq!(refused, Err(*problem), "{number} {algorithm:?}");
        }
    }
}

fn attested(authenticator: &mut Authenticator, format: &str, statement: &[u8]) {
    let (format, statement) = (format.to_owned(), statement.to_vec());
    authenticator.habits.attestation = Attestation::Other(format, statement);
}

#[test]
fn every_wrong_answer_to_being_asked_for_a_signature_is_refused() {
    let more: &[(Problem, Spoil)] = &[
        (Problem::Ceremony, |it| {
            it.habits.ceremony = Some("webauthn.create")
        }),
        (Problem::NotVerified, |it| it.habits.user_verified = false),
        (Problem::Unknown, |it| {
            it.habits.user_handle = Some(Value::Null)
        }),
        (Problem::Unknown, |it| {
            it.habits.user_handle = Some(base64(b"user-eve").into())
        }),
        (Problem::Backup, |it| it.habits.backup_eligible = true),
        (Problem::Signature, |it| it.habits.breaks_signatures = true),
        (Problem::Counter, |it| it.habits.counts_by = 0),
        (Problem::Counter, |it| it.habits.counts_by = -1),
    ];
    for (number, (problem, spoil)) in WRONG.iter().chain(more).enumerate() {
        for algorithm in EVERY {
            let mut authenticator = good(algorithm);
            authenticator.count = 7;
            let made = register(&mut authenticator).unwrap();
            spoil(&mut authenticator);
            let refused = sign(&mut authenticator, &made, &NOBODY_KNOWN);
            assert_eq!(refused, Err(*problem), "{number} {algorithm:?}");
        }
    }
}

#[test]
fn a_passkey_of_somebody_else_does_not_do() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let (mut ada, mut eve) = (good(algorithm), good(algorithm));
        let made = register(&mut ada).unwrap();
        register(&mut eve).unwrap();
        let signed = sign(&mut eve, &made, &NOBODY_KNOWN);
        assert_eq!(signed, Err(Problem::Signature), "another key");
        let of_eve = Question {
            user: Some("user-eve"),
            needs_verification: false,
        };
        assert_eq!(sign(&mut ada, &made, &of_eve), Err(Problem::Unknown));
        ada.habits.user_handle = Some(base64(b"user-eve").into());
        assert_eq!(
            sign(&mut ada, &made, &AFTER_PASSWORD),
            Err(Problem::Unknown)
        );
    }
}

#[test]
fn keys_of_other_kinds_and_shapes_are_refused() {
    use ciborium::Value as Cbor;
    let written = |members: &[(i64, Cbor)]| {
        let pair = |(label, value): &(i64, Cbor)| (Cbor::from(*label), value.clone());
        let mut bytes = Vec::new();
        let map = Cbor::Map(members.iter().map(pair).collect());
        ciborium::into_writer(&map, &mut bytes).unwrap();
        bytes
    };
    let (long, short) = (|| Cbor::Bytes(vec![1; 32]), || Cbor::Bytes(vec![1; 31]));
    let ec2 = |alg: i64, crv: i64, x: Cbor, y: Cbor| {
        written(&[
            (1, 2.into()),
            (3, alg.into()),
            (-1, crv.into()),
            (-2, x),
            (-3, y),
        ])
    };
    let okp =
        |crv: i64, x: Cbor| written(&[(1, 1.into()), (3, (-8).into()), (-1, crv.into()), (-2, x)]);
    let rsa = |bytes: usize, e: Cbor| {
        let n = Cbor::Bytes(vec![0xff; bytes]);
        written(&[(1, 3.into()), (3, (-257).into()), (-1, n), (-2, e)])
    };
    let e = || Cbor::Bytes(vec![1, 0, 1]);
    for (number, (key, problem)) in [
        (ec2(-7, 1, long(), long()), None),
        (ec2(-35, 1, long(), long()), Some(Problem::Algorithm)),
        (ec2(-8, 1, long(), long()), Some(Problem::Key)),
        (ec2(-7, 2, long(), long()), Some(Problem::Key)),
        (ec2(-7, 1, short(), long()), Some(Problem::Key)),
        (ec2(-7, 1, long(), short()), Some(Problem::Key)),
        (ec2(-7, 1, long(), Cbor::Bool(true)), Some(Problem::Key)),
        (okp(6, long()), None),
        (okp(4, long()), Some(Problem::Key)),
        (okp(6, short()), Some(Problem::Key)),
        (rsa(256, e()), None),
        (rsa(128, e()), Some(Problem::Key)),
        (rsa(1025, e()), Some(Problem::Key)),
        (rsa(256, Cbor::Bytes(Vec::new())), Some(Problem::Key)),
        (rsa(256, Cbor::Bytes(vec![1; 9])), Some(Problem::Key)),
        // Something beside the key, and something twice.
        (
            written(&[
                (1, 1.into()),
                (3, (-8).into()),
                (-1, 6.into()),
                (-2, long()),
                (4, 1.into()),
            ]),
            Some(Problem::Key),
        ),
        (
            written(&[
                (1, 1.into()),
                (3, (-8).into()),
                (-1, 6.into()),
                (-2, long()),
                (-2, long()),
            ]),
            Some(Problem::Key),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut authenticator = good(Algorithm::Es256);
        authenticator.habits.public_key = Some(key);
        let made = register(&mut authenticator);
        assert_eq!(made.err(), problem, "{number}");
    }
}

#[test]
fn parts_that_are_no_json_or_too_long_are_refused() {
    let twice = br#"{"type":"webauthn.get","type":"webauthn.get","challenge":"","origin":""}"#;
    let long = [&b"\""[..], &[b'x'; 20_000], b"\""].concat();
    for client_data in [&b""[..], b"{}", b"[]", b"\xff", twice, &long] {
        let registration = Registration {
            client_data,
            attestation_object: &[],
        };
        let refused = registration.verify(&challenge().1, &site());
        assert_eq!(refused, Err(Problem::ClientData));
    }
}

/// An answer of a good authenticator in its parts: client data, authenticator data (or attestation
/// object), signature.
fn parts(is_new: bool) -> [Vec<u8>; 3] {
    let mut authenticator = good(Algorithm::EdDsa);
    let created = authenticator.create(&options());
    let answer = match is_new {
        true => created,
        false => authenticator.get(&options()),
    };
    let response = &answer["response"];
    let data = match is_new {
        true => "attestationObject",
        false => "authenticatorData",
    };
    let signature = match is_new {
        true => Vec::new(),
        false => bytes(&response["signature"]),
    };
    [
        bytes(&response["clientDataJSON"]),
        bytes(&response[data]),
        signature,
    ]
}

fn judged(is_new: bool, [client_data, data, signature]: &[Vec<u8>; 3]) -> bool {
    if is_new {
        let registration = Registration {
            client_data,
            attestation_object: data,
        };
        return registration.verify(&challenge().1, &site()).is_ok();
    }
    let assertion = Assertion {
        client_data,
        authenticator_data: data,
        signature,
        user_handle: None,
    };
    let key = good(Algorithm::EdDsa).cose();
    let asked = Asked {
        challenge: &challenge().1,
        site: &site(),
        user: Some(USER),
        needs_verification: false,
    };
    let kept = Kept {
        user: USER,
        public_key: &key,
        sign_count: 0,
        is_backup_eligible: false,
    };
    assertion.verify(&asked, &kept).is_ok()
}

proptest! {
    #[test]
    fn garbage_is_refused_and_breaks_nothing(
        is_new in any::<bool>(),
        client_data in proptest::collection::vec(any::<u8>(), 0..300),
        data in proptest::collection::vec(any::<u8>(), 0..300),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        prop_assert!(!judged(is_new, &[client_data, data.clone(), signature.clone()]));
        let [right, _, _] = parts(is_new);
        prop_assert!(!judged(is_new, &[right, data, signature]));
    }

    #[test]
    fn an_answer_that_is_cut_or_bent_breaks_nothing(
        is_new in any::<bool>(),
        part in 0_usize..3,
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        bits in 1_u8..=255,
    ) {
        let mut parts = parts(is_new);
        if parts[part].is_empty() {
            return Ok(());
        }
        let at = at.index(parts[part].len());
        match cut {
            true => parts[part].truncate(at),
            false => parts[part][at] ^= bits,
        }
        // Some bits of a new passkey are for its maker to choose: its id, key and counter.
        let _ = judged(is_new, &parts);
        if cut && !(part == 2 && is_new) {
            prop_assert!(!judged(is_new, &parts));
        }
    }

    #[test]
    fn cbor_of_any_shape_is_read_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut rest = &*bytes;
        let taken = super::cbor::take(&mut rest).is_some();
        prop_assert!(!taken || rest.len() < bytes.len());
        let _ = super::cose::PublicKey::parse(&bytes);
        let _ = super::authenticator_data::AuthenticatorData::parse(&bytes);
        let _ = super::attestation::Attestation::parse(&bytes);
    }
}
