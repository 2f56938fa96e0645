//! Which models a project may use: those on a list, or all but those.

use std::collections::BTreeSet;

/// What a list of models means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// These and no others.
    AllowList,
    /// All but these.
    DenyList,
}

impl Mode {
    /// Each.
    pub const ALL: [Mode; 2] = [Mode::AllowList, Mode::DenyList];

    /// Its word on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::AllowList => "allow_list",
            Mode::DenyList => "deny_list",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Mode::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What a project may use. One that has none may use every model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPermissions {
    /// What the list means.
    pub mode: Mode,
    /// Models by public name, whether they exist or not.
    pub models: BTreeSet<String>,
}

impl ModelPermissions {
    /// Whether the project may use a model.
    #[must_use]
    pub fn allow(&self, model: &str) -> bool {
        match self.mode {
            Mode::AllowList => self.models.contains(model),
            Mode::DenyList => !self.models.contains(model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_or_denies() {
        let of = |mode, models: &[&str]| ModelPermissions {
            mode,
            models: models.iter().map(|model| (*model).to_owned()).collect(),
        };
        for (permissions, model, allowed) in [
            (of(Mode::AllowList, &["a", "b/c"]), "b/c", true),
            (of(Mode::AllowList, &["a", "b/c"]), "b", false),
            (of(Mode::AllowList, &[]), "a", false),
            (of(Mode::DenyList, &["a"]), "a", false),
            (of(Mode::DenyList, &["a"]), "b", true),
            (of(Mode::DenyList, &[]), "a", true),
        ] {
            assert_eq!(permissions.allow(model), allowed, "{permissions:?} {model}");
        }
        for mode in Mode::ALL {
            assert_eq!(Mode::from_word(mode.as_str()), Some(mode));
        }
        assert_eq!(Mode::from_word("list"), None);
    }
}
