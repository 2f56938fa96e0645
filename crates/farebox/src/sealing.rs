//! The key that secrets in the database are sealed with: from the environment, or from a file that
//! the first start makes. Losing it loses those secrets, and nothing else.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use domain::sealed::SealingKey;
use store::{DatabaseUrl, Store, StoreError, settings};

use crate::cli::Failure;
use crate::config::{Config, Environment};
use crate::{clock, entropy};

const VARIABLE: &str = "FAREBOX_SECRET_KEY";
/// The setting that remembers which key an installation has: its name, not the key.
const SETTING: &str = "sealing_key";

/// The key of this installation; none if it has one, and this server was not given it.
///
/// # Errors
/// [`Failure`] if what is there is no key, or none can be made.
pub(crate) async fn key(
    config: &Config,
    environment: &Environment,
    store: &Store,
) -> Result<Option<SealingKey>, Failure> {
    let failed = |error: StoreError| Failure::new(error.to_string());
    let known = store.read(|tx| settings::get(tx, SETTING)).await;
    let known = known.map_err(failed)?.map(|setting| setting.value);
    let file = file(config);
    let key = match given(environment, &file)? {
        Some(key) => key,
        None if known.is_some() => {
            tracing::error!(
                "this installation's secret key is not here: put its file at {}, or set {VARIABLE} \
                 as on the other servers; until then this one can sign no webhook, and check no code \
                 of an authenticator app. If it is lost, set a new one (`openssl rand -hex 32`) and \
                 rotate the webhooks' secrets; people add their apps anew",
                file.display()
            );
            return Ok(None);
        }
        None => made(&file)?,
    };
    let name = key.name();
    if known.as_ref() == Some(&name) {
        return Ok(Some(key));
    }
    if known.is_some() {
        tracing::warn!(
            "the secret key is another one than before: webhooks whose secrets were made with the \
             other one cannot be signed until these are rotated, and authenticator apps that were \
             added with it let nobody in until they are added anew"
        );
    }
    let now = clock::system()();
    let write = store.write(move |tx| settings::set(tx, SETTING, &name, now));
    write.await.map_err(failed)?;
    Ok(Some(key))
}

/// Where the key is if the environment has none: beside the database's file, unless the
/// configuration says otherwise.
fn file(config: &Config) -> PathBuf {
    match (&config.secret_key_file, &config.database_url) {
        (Some(file), _) => file.clone(),
        (None, DatabaseUrl::Sqlite(database)) => database.with_extension("key"),
        (None, DatabaseUrl::Postgres(_)) => PathBuf::from("farebox.key"),
    }
}

/// The key that is there, if one is.
fn given(environment: &Environment, file: &Path) -> Result<Option<SealingKey>, Failure> {
    let wanted = "64 hexadecimal digits, such as `openssl rand -hex 32` prints";
    if let Some(secret) = environment.secret(VARIABLE) {
        let key = SealingKey::from_hex(secret.expose().trim());
        let wrong = || Failure::new(format!("{VARIABLE} is no key: it is {wanted}."));
        return key.ok_or_else(wrong).map(Some);
    }
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let file = file.display();
            return Err(Failure::new(format!(
                "the secret key in {file} cannot be read: {error}."
            )));
        }
    };
    let wrong = || {
        let file = file.display();
        Failure::new(format!("{file} holds no key: that is {wanted}."))
    };
    SealingKey::from_hex(text.trim())
        .ok_or_else(wrong)
        .map(Some)
}

/// A new key, in a file that only this user reads.
fn made(file: &Path) -> Result<SealingKey, Failure> {
    let mut bytes = [0; 32];
    entropy::system(&mut bytes);
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = opened.and_then(|mut opened| {
        opened.write_all(format!("{digits}\n").as_bytes())?;
        opened.sync_all()
    });
    match written {
        Ok(()) => {
            tracing::info!("made the secret key {}: keep a copy of it", file.display());
            Ok(SealingKey::new(&bytes))
        }
        Err(error) => Err(Failure::new(format!(
            "the secret key cannot be written to {}: {error}. Name another file as \
             `secret_key_file`, or set {VARIABLE}.",
            file.display()
        ))),
    }
}
