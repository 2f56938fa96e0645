//! Signing in with an account elsewhere, by OpenID Connect: the authorization code flow with PKCE.
//!
//! 1. [`signing_in::start`] sends the browser to the provider, and keeps an attempt; [`binding`]
//!    ties it to that browser.
//! 2. The provider sends the browser back to [`signing_in::callback`]. [`provider`] redeems the
//!    code for an ID token, which [`jws`] and [`id_token`] believe or not.
//! 3. [`arrival`] decides who that is here.
//!
//! The steps are those of OpenID Connect Core 1.0, the traps those of RFC 9700 and RFC 8725.
//! docs/accounts.md describes it for operators.

mod arrival;
mod binding;
mod discovery;
mod id_token;
pub(crate) mod identities;
mod json;
mod jwk;
mod jws;
mod provider;
pub(crate) mod signing_in;
#[cfg(test)]
mod tests;
mod trouble;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::secret::Secret;
use parking_lot::RwLock;

use provider::Provider;

/// A provider, as the operator describes it. Domains are in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Names it in addresses of this installation.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it calls itself: the address of its discovery document, without the end.
    pub issuer: String,
    /// What it knows this installation by.
    pub client_id: String,
    /// What this installation proves itself with; a client may have no secret.
    pub client_secret: Option<Secret>,
    /// What is asked for; `openid` among it.
    pub scopes: Vec<String>,
    /// Only addresses of these domains may come; all, if there are none.
    pub allowed_domains: Vec<String>,
    /// Who has which address in these domains is the provider's to decide.
    pub trusted_domains: Vec<String>,
    /// What people join by their address.
    pub joins: Vec<Join>,
    /// Certificates of authorities to be trusted instead of the public ones, as PEM.
    pub authorities_pem: Option<Vec<u8>>,
    /// The longest that it may take to answer.
    pub timeout: Duration,
}

/// Everybody with an address of a domain joins an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which addresses.
    pub domain: String,
    /// Which organization.
    pub organization: String,
    /// As what: `owner` or `reader`.
    pub role: String,
}

/// The providers that people can sign in with, in the order of the configuration. Cheap to clone;
/// all clones share what the providers said, and are replaced together.
#[derive(Clone, Default)]
pub struct Providers(Arc<RwLock<Arc<[Arc<Provider>]>>>);

/// The certificates of the authorities to be trusted for a provider cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificates for the provider \"{provider}\" cannot be read: {reason}")]
pub struct UnreadableAuthorities {
    provider: String,
    reason: String,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter()).finish()
    }
}

impl Providers {
    /// Prepares for providers; none is called yet.
    ///
    /// # Errors
    /// [`UnreadableAuthorities`].
    pub fn new(settings: Vec<ProviderSettings>) -> Result<Self, UnreadableAuthorities> {
        let providers = Providers::default();
        providers.replace(settings)?;
        Ok(providers)
    }

    /// Puts these in place of those there are, from the next sign-in on. One that stays as it is
    /// keeps what it said.
    ///
    /// # Errors
    /// [`UnreadableAuthorities`]; nothing was replaced.
    pub fn replace(&self, settings: Vec<ProviderSettings>) -> Result<(), UnreadableAuthorities> {
        let before = self.all();
        let prepared = |settings: ProviderSettings| {
            let same = before.iter().find(|it| it.settings == settings);
            match same {
                Some(same) => Ok(Arc::clone(same)),
                None => Provider::new(settings).map(Arc::new),
            }
        };
        let providers: Result<_, _> = settings.into_iter().map(prepared).collect();
        *self.0.write() = providers?;
        Ok(())
    }

    fn all(&self) -> Arc<[Arc<Provider>]> {
        Arc::clone(&self.0.read())
    }

    fn find(&self, id: &str) -> Option<Arc<Provider>> {
        self.that(|provider| provider.settings.id == id)
    }

    /// The provider that calls itself `issuer`.
    fn of_issuer(&self, issuer: &str) -> Option<Arc<Provider>> {
        self.that(|provider| provider.settings.issuer == issuer)
    }

    fn that(&self, is_it: impl Fn(&Provider) -> bool) -> Option<Arc<Provider>> {
        self.0.read().iter().find(|it| is_it(it)).cloned()
    }

    /// What the providers call themselves.
    pub(super) fn issuers(&self) -> Vec<String> {
        let all = self.all();
        all.iter().map(|it| it.settings.issuer.clone()).collect()
    }
}
