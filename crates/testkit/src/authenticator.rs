//! A software authenticator with its browser: it makes passkeys and signs with them as WebAuthn
//! says, and misbehaves as it is told to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

/// For tests alone: ring makes no RSA keys.
const RSA_KEY: &[u8] = include_bytes!("passkey_rs256.pk8");

/// An authenticator with one passkey, and the browser that speaks for it.
pub struct Authenticator {
    /// What it does, and does wrong.
    pub habits: Habits,
    /// The passkey's id.
    pub credential_id: Vec<u8>,
    /// Whose the passkey is.
    pub user_handle: Vec<u8>,
    /// How often it signed.
    pub count: u32,
    key: Key,
}

/// The kind of a passkey's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA; always the same key.
    Rs256,
}

/// What an authenticator and its browser do. [`Habits::good`] are those of an honest one.
#[derive(Clone, Debug)]
pub struct Habits {
    /// The page's scheme, host and port.
    pub origin: String,
    /// The site, if not the one that asks.
    pub rp_id: Option<String>,
    /// The challenge, if not the one that was given.
    pub challenge: Option<String>,
    /// What was asked for, if not what was.
    pub ceremony: Option<&'static str>,
    /// Whether the page is shown inside another one.
    pub cross_origin: bool,
    /// The status of token binding, if the browser speaks of it.
    pub token_binding: Option<&'static str>,
    /// Whether somebody is there.
    pub user_present: bool,
    /// Whether it knows who.
    pub user_verified: bool,
    /// Whether the passkey can be copied.
    pub backup_eligible: bool,
    /// Whether it was.
    pub backed_up: bool,
    /// How far each signature moves the counter, which begins at 0.
    pub counts_by: i32,
    /// Whose it says the passkey is when it signs, if not whose it is.
    pub user_handle: Option<Value>,
    /// What it shows of itself.
    pub attestation: Attestation,
    /// Whether a bit of its signatures is wrong.
    pub breaks_signatures: bool,
    /// Whether it answers extensions.
    pub has_extensions: bool,
    /// What stands after its data.
    pub appendix: Vec<u8>,
    /// The COSE key that it shows, if not its own.
    pub public_key: Option<Vec<u8>>,
}

/// What an authenticator shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attestation {
    /// Nothing.
    None,
    /// A signature by the passkey itself.
    Itself,
    /// This format, with this statement in CBOR.
    Other(String, Vec<u8>),
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Habits {
    /// Those of an honest authenticator whose browser shows a page of `origin`.
    #[must_use]
    pub fn good(origin: &str) -> Self {
        Habits {
            origin: origin.to_owned(),
            rp_id: None,
            challenge: None,
            ceremony: None,
            cross_origin: false,
            token_binding: None,
            user_present: true,
            user_verified: true,
            backup_eligible: false,
            backed_up: false,
            counts_by: 1,
            user_handle: None,
            attestation: Attestation::None,
            breaks_signatures: false,
            has_extensions: false,
            appendix: Vec::new(),
            public_key: None,
        }
    }
}

impl Authenticator {
    /// An authenticator with a new key, and good habits.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn new(algorithm: Algorithm, origin: &str) -> Self {
        let random = SystemRandom::new();
        let key = match algorithm {
            Algorithm::Es256 => {
                let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let made = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
                Key::Es256(EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).expect("it"))
            }
            Algorithm::EdDsa => {
                let made = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                Key::EdDsa(Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("it"))
            }
            Algorithm::Rs256 => {
                Key::Rs256(Box::new(RsaKeyPair::from_pkcs8(RSA_KEY).expect("a key")))
            }
        };
        let mut credential_id = vec![0_u8; 32];
        random.fill(&mut credential_id).expect("randomness");
        Authenticator {
            habits: Habits::good(origin),
            credential_id,
            user_handle: Vec::new(),
            count: 0,
            key,
        }
    }

    /// What the browser answers to `navigator.credentials.create`, as JSON.
    ///
    /// # Panics
    /// If `options` are not those of a new passkey.
    pub fn create(&mut self, options: &Value) -> Value {
        self.user_handle = bytes(&options["user"]["id"]);
        let client_data = self.client_data("webauthn.create", options);
        let mut data = self.authenticator_data(&options["rp"]["id"], true);
        data.extend(&self.habits.appendix);
        let hash = digest(&SHA256, &client_data);
        let (format, statement) = match &self.habits.attestation {
            Attestation::None => ("none".to_owned(), Cbor::Map(Vec::new())),
            Attestation::Itself => {
                let signature = self.signature(&[&*data, hash.as_ref()].concat());
                let statement = [
                    (text("alg"), Cbor::from(self.algorithm())),
                    (text("sig"), Cbor::Bytes(signature)),
                ];
                ("packed".to_owned(), Cbor::Map(statement.into()))
            }
            Attestation::Other(format, statement) => {
                let statement = ciborium::from_reader(&**statement).expect("CBOR");
                (format.clone(), statement)
            }
        };
        let object = Cbor::Map(vec![
            (text("fmt"), Cbor::Text(format)),
            (text("attStmt"), statement),
            (text("authData"), Cbor::Bytes(data)),
        ]);
        self.credential(&json!({
            "clientDataJSON": base64(&client_data),
            "attestationObject": base64(&written(&object)),
            "transports": ["internal", "hybrid"],
        }))
    }

    /// What the browser answers to `navigator.credentials.get`, as JSON.
    ///
    /// # Panics
    /// If `options` are not those of a signature.
    pub fn get(&mut self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        self.count = self.count.wrapping_add_signed(self.habits.counts_by);
        let mut data = self.authenticator_data(&options["rpId"], false);
        data.extend(&self.habits.appendix);
        let hash = digest(&SHA256, &client_data);
        let signature = self.signature(&[&*data, hash.as_ref()].concat());
        let handle = match &self.habits.user_handle {
            Some(handle) => handle.clone(),
            None => base64(&self.user_handle).into(),
        };
        self.credential(&json!({
            "clientDataJSON": base64(&client_data),
            "authenticatorData": base64(&data),
            "signature": base64(&signature),
            "userHandle": handle,
        }))
    }

    fn credential(&self, response: &Value) -> Value {
        let id = base64(&self.credential_id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "clientExtensionResults": {},
        })
    }

    fn client_data(&self, ceremony: &str, options: &Value) -> Vec<u8> {
        let habits = &self.habits;
        let given = options["challenge"].as_str().expect("a challenge");
        let mut members = json!({
            "type": habits.ceremony.unwrap_or(ceremony),
            "challenge": habits.challenge.as_deref().unwrap_or(given),
            "origin": habits.origin,
            "crossOrigin": habits.cross_origin,
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
        });
        if let Some(status) = habits.token_binding {
            members["tokenBinding"] = json!({"status": status, "id": "x"});
        }
        members.to_string().into_bytes()
    }

    fn authenticator_data(&self, rp_id: &Value, is_new: bool) -> Vec<u8> {
        let habits = &self.habits;
        let given = rp_id.as_str().expect("a site");
        let site = habits.rp_id.as_deref().unwrap_or(given);
        let mut data = digest(&SHA256, site.as_bytes()).as_ref().to_vec();
        let flags = [
            (habits.user_present, 0),
            (habits.user_verified, 2),
            (habits.backup_eligible, 3),
            (habits.backed_up, 4),
            (is_new, 6),
            (habits.has_extensions, 7),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        data.push(set.fold(0, |flags, (_, bit)| flags | 1 << bit));
        data.extend(self.count.to_be_bytes());
        if is_new {
            data.extend([0_u8; 16]);
            let length = u16::try_from(self.credential_id.len()).expect("a short id");
            data.extend(length.to_be_bytes());
            data.extend(&self.credential_id);
            data.extend(habits.public_key.clone().unwrap_or_else(|| self.cose()));
        }
        if habits.has_extensions {
            data.extend(written(&Cbor::Map(vec![(text("credProtect"), 2.into())])));
        }
        data
    }

    fn algorithm(&self) -> i64 {
        match self.key {
            Key::Es256(_) => -7,
            Key::EdDsa(_) => -8,
            Key::Rs256(_) => -257,
        }
    }

    /// The COSE key.
    #[must_use]
    pub fn cose(&self) -> Vec<u8> {
        let members: Vec<(i64, Cbor)> = match &self.key {
            Key::Es256(key) => {
                // An uncompressed point: 4, x, y.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (Cbor::Bytes(x.into()), Cbor::Bytes(y.into()));
                vec![
                    (1, 2.into()),
                    (3, (-7).into()),
                    (-1, 1.into()),
                    (-2, x),
                    (-3, y),
                ]
            }
            Key::EdDsa(key) => {
                let x = Cbor::Bytes(key.public_key().as_ref().into());
                vec![(1, 1.into()), (3, (-8).into()), (-1, 6.into()), (-2, x)]
            }
            Key::Rs256(key) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = key.public().into();
                let (n, e) = (Cbor::Bytes(n), Cbor::Bytes(e));
                vec![(1, 3.into()), (3, (-257).into()), (-1, n), (-2, e)]
            }
        };
        let members = members.into_iter();
        let members = members.map(|(label, value)| (Cbor::from(label), value));
        written(&Cbor::Map(members.collect()))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let mut signature = match &self.key {
            Key::Es256(key) => key
                .sign(&random, message)
                .expect("signed")
                .as_ref()
                .to_vec(),
            Key::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.expect("signed");
                signature
            }
        };
        if self.habits.breaks_signatures {
            let last = signature.len() - 1;
            signature[last] ^= 1;
        }
        signature
    }
}

/// The base64url of bytes, as WebAuthn writes them.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes in a member of an answer.
///
/// # Panics
/// If it is no base64url.
#[must_use]
pub fn bytes(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("a text");
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

fn text(text: &str) -> Cbor {
    Cbor::Text(text.to_owned())
}

fn written(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("memory");
    bytes
}
