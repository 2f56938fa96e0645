//! Hashes passwords with argon2id: slow and large on purpose, so never on the threads that serve
//! requests, and only a few at once.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use domain::Entropy;
use domain::people::password::{Password, PasswordHash, PasswordProblem};
use tokio::sync::Semaphore;

/// How many are hashed at once: each takes a core, and 19 MiB.
const AT_ONCE: usize = 2;
/// Whoever has to wait longer for their turn is refused.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Hashes passwords. Cheap to clone; all clones share the same few turns.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    turns: Arc<Semaphore>,
    entropy: Entropy,
    /// Verified where there is no hash, so that this takes as long.
    nobodys: PasswordHash,
}

/// There are too many passwords to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being hashed")]
pub struct Busy;

impl Hasher {
    /// A hasher that salts from `entropy`. Takes as long as a hash.
    #[must_use]
    pub fn new(entropy: Entropy) -> Self {
        Hasher(Arc::new(Inner {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            entropy,
            nobodys: salted("nobody's password", entropy),
        }))
    }

    /// Hashes a password, with a salt of its own.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        let entropy = self.0.entropy;
        self.run(move || salted(password.expose(), entropy)).await
    }

    /// Judges a new password, which takes its time too, and hashes it. `about` is what an attacker
    /// knows of its owner.
    ///
    /// # Errors
    /// [`Busy`]; and inside, what is wrong with the password.
    pub(crate) async fn choose(
        &self,
        text: String,
        about: Vec<String>,
    ) -> Result<Result<PasswordHash, PasswordProblem>, Busy> {
        let entropy = self.0.entropy;
        let work = move || {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            let password = Password::choose(&text, &about)?;
            Ok(salted(password.expose(), entropy))
        };
        self.run(work).await
    }

    /// Whether a password is the one that was hashed. Without a hash it is not, and that takes as
    /// long to find out.
    ///
    /// # Errors
    /// [`Busy`].
    pub(crate) async fn verify(
        &self,
        password: Option<Password>,
        hash: Option<PasswordHash>,
    ) -> Result<bool, Busy> {
        let nobodys = self.0.nobodys.clone();
        let work = move || {
            let is_somebodys = password.is_some() && hash.is_some();
            let typed = password.as_ref().map_or("", Password::expose);
            let kept = hash.as_ref().unwrap_or(&nobodys).expose();
            let matches = Argon2::default().verify_password(typed.as_bytes(), kept);
            matches.is_ok() && is_somebodys
        };
        self.run(work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let turn = Arc::clone(&self.0.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(LONGEST_WAIT, turn).await else {
            return Err(Busy);
        };
        let work = move || {
            // Held until the work is done, even if nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

fn salted(password: &str, entropy: Entropy) -> PasswordHash {
    let mut salt = [0_u8; 16];
    entropy(&mut salt);
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    let hash = hash.expect("the default parameters take any password and a salt of 16 bytes");
    PasswordHash::new(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(buffer: &mut [u8]) {
        for (index, byte) in (0..).zip(buffer) {
            *byte = index;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_password_is_told_from_others_by_its_hash() {
        let hasher = Hasher::new(counted);
        let typed = |text: &str| Password::typed(text);
        let password = typed("correct horse battery staple").unwrap();
        let hash = hasher.hash(password.clone()).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let other = PasswordHash::new("not a hash".into());
        for (password, hash, is_it) in [
            (Some(password.clone()), Some(hash.clone()), true),
            (
                typed("correct horse battery stapl"),
                Some(hash.clone()),
                false,
            ),
            (typed(""), Some(hash.clone()), false),
            (None, Some(hash), false),
            (Some(password.clone()), None, false),
            (typed("nobody's password"), None, false),
            (Some(password), Some(other), false),
        ] {
            assert_eq!(hasher.verify(password, hash).await, Ok(is_it));
        }
    }
}
