//! What a key is restricted to: less than its owner may do, never more.

use std::net::IpAddr;
use std::sync::Arc;

use crate::network::Network;
use crate::permission::Permission;

/// What the data plane is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Which models there are.
    Models,
    /// A chat completion.
    Chat,
    /// A completion.
    Completions,
    /// A response.
    Responses,
    /// Embeddings.
    Embeddings,
}

impl Call {
    /// Everything that can be asked for.
    pub const ALL: [Call; 5] = [
        Call::Models,
        Call::Chat,
        Call::Completions,
        Call::Responses,
        Call::Embeddings,
    ];

    /// What the roles of the key's owner must allow.
    #[must_use]
    pub fn permission(self) -> Permission {
        match self {
            Call::Models => Permission::ModelRead,
            _ => Permission::ModelRequest,
        }
    }

    /// What a restricted key must have, and nothing wider.
    #[must_use]
    pub fn scope(self) -> KeyScope {
        match self {
            Call::Models => KeyScope::ModelsRead,
            Call::Chat => KeyScope::ChatCompletionsRequest,
            Call::Completions => KeyScope::CompletionsRequest,
            Call::Responses => KeyScope::ResponsesWrite,
            Call::Embeddings => KeyScope::EmbeddingsRequest,
        }
    }
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident $text:literal $resource:literal $access:literal,)*) => {
        /// One thing that a restricted key may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum KeyScope {
            $($(#[$doc])* $name,)*
        }

        impl KeyScope {
            /// Every scope.
            pub const ALL: &'static [KeyScope] = &[$(KeyScope::$name,)*];

            /// Its name, in OpenAI's form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(KeyScope::$name => $text,)*
                }
            }

            /// The resource that it gives access to.
            #[must_use]
            pub fn resource(self) -> &'static str {
                match self {
                    $(KeyScope::$name => $resource,)*
                }
            }

            /// Which access it gives: `read`, `write` or `request`.
            #[must_use]
            pub fn access(self) -> &'static str {
                match self {
                    $(KeyScope::$name => $access,)*
                }
            }
        }
    };
}

scopes! {
    /// List models.
    ModelsRead "api.model.read" "models" "read",
    /// Run models: every endpoint that costs money, and those that come.
    CapabilitiesRequest "api.model.request" "model_capabilities" "request",
    /// `/v1/chat/completions`.
    ChatCompletionsRequest "api.model.chat_completions.request" "chat_completions" "request",
    /// `/v1/completions`.
    CompletionsRequest "api.model.completions.request" "completions" "request",
    /// `/v1/embeddings`.
    EmbeddingsRequest "api.model.embeddings.request" "embeddings" "request",
    /// `/v1/responses`.
    ResponsesWrite "api.responses.write" "responses" "write",
}

impl KeyScope {
    /// The scope of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|scope| scope.as_str() == name)
    }

    /// Its name where a refusal says that it is missing: OpenAI shortens one of them.
    #[must_use]
    pub fn in_refusals(self) -> &'static str {
        match self {
            KeyScope::CapabilitiesRequest => Permission::ModelRequest.in_refusals(),
            other => other.as_str(),
        }
    }
}

/// Some scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyScopes(u8);

impl KeyScopes {
    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(self, scope: KeyScope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Each of them, in the order of [`KeyScope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = KeyScope> {
        let all = KeyScope::ALL.iter().copied();
        all.filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<T: IntoIterator<Item = KeyScope>>(list: T) -> Self {
        let bits = list.into_iter().map(|scope| 1 << scope as u8);
        KeyScopes(bits.fold(0, |all, bit: u8| all | bit))
    }
}

/// How much of what its owner may do a key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPermissions {
    /// All of it.
    #[default]
    All,
    /// Only what reads: now, and of what comes.
    ReadOnly,
    /// Only this.
    Restricted(KeyScopes),
}

impl KeyPermissions {
    /// The name of the one scope of [`KeyPermissions::ReadOnly`].
    pub const READ_ONLY: &str = "api.all.read";

    /// What it is kept and told as; none is all.
    #[must_use]
    pub fn names(self) -> Option<Vec<&'static str>> {
        match self {
            KeyPermissions::All => None,
            KeyPermissions::ReadOnly => Some(vec![Self::READ_ONLY]),
            KeyPermissions::Restricted(scopes) => {
                Some(scopes.iter().map(KeyScope::as_str).collect())
            }
        }
    }

    /// What [`KeyPermissions::names`] wrote. A name that is not known gives nothing: it is that of
    /// a newer program. All that reads, beside other names, is what reads now.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match names[..] {
            [Self::READ_ONLY] => KeyPermissions::ReadOnly,
            _ => {
                let is_named = |scope: &KeyScope| {
                    let reads = scope.access() == "read" && names.contains(&Self::READ_ONLY);
                    reads || names.contains(&scope.as_str())
                };
                let named = KeyScope::ALL.iter().copied().filter(is_named);
                KeyPermissions::Restricted(named.collect())
            }
        }
    }

    /// Whether a key may make a call that its owner may make.
    ///
    /// # Errors
    /// What it lacks: of a key that runs no models at all, OpenAI's word for all of them.
    pub fn allow(self, call: Call) -> Result<(), KeyScope> {
        let runs_models = call.permission() == Permission::ModelRequest;
        let wide = KeyScope::CapabilitiesRequest;
        let is_run = |scope: KeyScope| scope != KeyScope::ModelsRead;
        let (is_allowed, runs_others) = match self {
            KeyPermissions::All => (true, true),
            KeyPermissions::ReadOnly => (!runs_models, false),
            KeyPermissions::Restricted(scopes) => {
                let by_wide = runs_models && scopes.contains(wide);
                let is_allowed = by_wide || scopes.contains(call.scope());
                (is_allowed, scopes.iter().any(is_run))
            }
        };
        match call {
            _ if is_allowed => Ok(()),
            Call::Chat | Call::Completions | Call::Embeddings if !runs_others => Err(wide),
            _ => Err(call.scope()),
        }
    }
}

/// Everything that a key is restricted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// What it may do.
    pub permissions: KeyPermissions,
    /// Models that it may use; none means all.
    pub models: Option<Vec<Arc<str>>>,
    /// Networks that it may be used from; none means all.
    pub networks: Option<Vec<Network>>,
}

impl Restrictions {
    /// Whether the key may use a model, by its public name.
    #[must_use]
    pub fn allow_model(&self, name: &str) -> bool {
        let models = self.models.as_ref();
        models.is_none_or(|models| models.iter().any(|allowed| &**allowed == name))
    }

    /// Whether the key may be used from an address; from an unknown one only if from any.
    #[must_use]
    pub fn allow_address(&self, address: Option<IpAddr>) -> bool {
        let networks = self.networks.as_ref();
        networks.is_none_or(|networks| {
            address.is_some_and(|it| networks.iter().any(|network| network.contains(it)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Call::*;
    use KeyPermissions::{All, ReadOnly, Restricted};
    use KeyScope::*;

    fn restricted(scopes: &[KeyScope]) -> KeyPermissions {
        Restricted(scopes.iter().copied().collect())
    }

    #[test]
    fn names_are_unique_and_read_back() {
        for (index, scope) in KeyScope::ALL.iter().enumerate() {
            assert_eq!(KeyScope::from_name(scope.as_str()), Some(*scope));
            let others = &KeyScope::ALL[index + 1..];
            let same = |other: &&KeyScope| {
                (other.resource(), other.access()) == (scope.resource(), scope.access())
            };
            assert_eq!(others.iter().find(same), None);
        }
        assert_eq!(KeyScope::from_name("api.model"), None);
        assert_eq!(CapabilitiesRequest.in_refusals(), "model.request");
        assert_eq!(ResponsesWrite.in_refusals(), "api.responses.write");
        let some = restricted(&[ModelsRead, ResponsesWrite]);
        for permissions in [ReadOnly, some, restricted(&[]), restricted(KeyScope::ALL)] {
            let names = permissions.names().unwrap();
            assert_eq!(KeyPermissions::from_names(names), permissions);
        }
        assert_eq!(All.names(), None);
        let newer = KeyPermissions::from_names(["api.files.read", "api.model.read"]);
        assert_eq!(newer, restricted(&[ModelsRead]));
        let mixed = KeyPermissions::from_names(["api.responses.write", "api.all.read"]);
        assert_eq!(mixed, restricted(&[ModelsRead, ResponsesWrite]));
    }

    /// Permissions, and of each call what it lacks.
    #[test]
    fn keys_may_do_this() {
        let table = [
            (All, [None; 5]),
            (
                ReadOnly,
                [
                    None,
                    Some(CapabilitiesRequest),
                    Some(CapabilitiesRequest),
                    Some(ResponsesWrite),
                    Some(CapabilitiesRequest),
                ],
            ),
            (
                restricted(&[]),
                [
                    Some(ModelsRead),
                    Some(CapabilitiesRequest),
                    Some(CapabilitiesRequest),
                    Some(ResponsesWrite),
                    Some(CapabilitiesRequest),
                ],
            ),
            (
                restricted(&[CapabilitiesRequest]),
                [Some(ModelsRead), None, None, None, None],
            ),
            (
                restricted(&[ModelsRead, ChatCompletionsRequest]),
                [
                    None,
                    None,
                    Some(CompletionsRequest),
                    Some(ResponsesWrite),
                    Some(EmbeddingsRequest),
                ],
            ),
            (
                restricted(&[ResponsesWrite, EmbeddingsRequest, CompletionsRequest]),
                [
                    Some(ModelsRead),
                    Some(ChatCompletionsRequest),
                    None,
                    None,
                    None,
                ],
            ),
        ];
        for (permissions, lacks) in table {
            for (call, lacks) in Call::ALL.into_iter().zip(lacks) {
                let got = permissions.allow(call).err();
                assert_eq!(got, lacks, "{permissions:?} {call:?}");
            }
        }
    }

    #[test]
    fn each_call_has_a_scope_of_its_own_and_an_owners_permission() {
        for call in Call::ALL {
            assert_eq!(restricted(&[call.scope()]).allow(call), Ok(()));
            let others = Call::ALL.into_iter().filter(|other| *other != call);
            let others = others.map(Call::scope).collect();
            assert!(Restricted(others).allow(call).is_err(), "{call:?}");
        }
        assert_eq!(Models.permission(), Permission::ModelRead);
        assert_eq!(Embeddings.permission(), Permission::ModelRequest);
        assert_eq!(
            [Chat, Completions, Responses].map(Call::permission).len(),
            3
        );
    }

    #[test]
    fn models_and_networks_are_allowed_by_name_and_by_address() {
        let free = Restrictions::default();
        assert!(free.allow_model("b") && free.allow_address(None));
        let bound = Restrictions {
            models: Some(vec!["a".into()]),
            networks: Some(vec![Network::parse("203.0.113.0/24").unwrap()]),
            ..Restrictions::default()
        };
        assert!(bound.allow_model("a") && !bound.allow_model("b"));
        let from = |text: &str| bound.allow_address(Some(text.parse().unwrap()));
        assert!(from("203.0.113.9") && !from("203.0.114.9"));
        assert!(
            !bound.allow_address(None),
            "nobody knows where it comes from"
        );
        let nowhere = Restrictions {
            networks: Some(Vec::new()),
            ..Restrictions::default()
        };
        assert!(!nowhere.allow_address(Some("203.0.113.9".parse().unwrap())));
    }
}
