//! Keys that were found in files: asked about, and revoked.

use domain::key::KeyDigest;
use store::audit::Actor;
use store::leaks::{self, FoundKey, Leak};
use store::{DatabaseUrl, OpenError, Role, Store, StoreError};

use crate::cli::Failure;
use crate::config::Config;
use crate::{clock, entropy, wiring};

/// What the audit log calls the place that a scan found a key in.
const SOURCE: &str = "farebox keys scan";

/// The installation that knows its keys.
pub struct Registry(Store);

/// A key that was found in a file.
pub struct Leaked {
    /// Which.
    pub key: FoundKey,
    /// The file.
    pub place: Option<String>,
}

impl Registry {
    /// Opens the installation, to revoke or only to ask. None, and a word on standard error, if
    /// there is none to be asked.
    ///
    /// # Errors
    /// [`Failure`] if keys are to be revoked, and nobody can be asked to.
    pub async fn open(config: &Config, revokes: bool) -> Result<Option<Self>, Failure> {
        let role = match revokes {
            true => Role::Command,
            false => Role::Reader,
        };
        let is_there = match &config.database_url {
            DatabaseUrl::Sqlite(file) => file.exists(),
            DatabaseUrl::Postgres(_) => true,
        };
        // A command would make the file that is not there.
        let opened = match is_there {
            true => Store::open(wiring::options(config, role)).await,
            false => Err(OpenError::NotSetUp),
        };
        match opened {
            Ok(store) => Ok(Some(Registry(store))),
            Err(error) if revokes => Err(Failure::new(error.to_string())),
            Err(error) => {
                eprintln!("farebox: keys are only told by their form: {error}");
                Ok(None)
            }
        }
    }

    /// What is known of each of these keys.
    ///
    /// # Errors
    /// [`Failure`] if the database cannot be read.
    pub async fn find(&self, digests: Vec<KeyDigest>) -> Result<Vec<Option<FoundKey>>, Failure> {
        let read = self.0.read(move |tx| -> Result<Vec<_>, StoreError> {
            digests
                .iter()
                .map(|digest| leaks::find(tx, digest))
                .collect()
        });
        let failed = |error| Failure::new(format!("the keys cannot be looked up: {error}."));
        read.await.map_err(failed)
    }

    /// Revokes a key, and tells its owner; false if it did not work any more. A running server
    /// hears of it.
    ///
    /// # Errors
    /// [`Failure`] if the database cannot be written.
    pub async fn revoke(&self, leaked: Leaked) -> Result<bool, Failure> {
        let leak = Leak {
            key: leaked.key,
            place: leaked.place.unwrap_or_else(|| "a file".into()),
            source: Some(SOURCE.into()),
        };
        let id = leak.key.id.clone();
        let write = self.0.write(move |tx| {
            leaks::revoke(tx, &leak, &Actor::operator(), clock::now(), entropy::system)
        });
        let failed = |error: StoreError| Failure::new(format!("{id} was not revoked: {error}."));
        write.await.map_err(failed)
    }

    /// Lets go of the installation.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
