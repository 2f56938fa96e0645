//! The environment, read once: `FAREBOX_SECTION__KEY` overrides a key of the file.
//!
//! This is the only place that reads environment variables, so everything above it can be tested
//! with variables of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::tree::{Item, Origin, Value};
use domain::secret::Secret;

const PREFIX: &str = "FAREBOX_";

/// Variables that begin like a key of the configuration and are none.
const RESERVED: &[&str] = &[
    // Seals the secrets that the database keeps.
    "FAREBOX_SECRET_KEY",
    // Where the tests find the binary to try.
    "FAREBOX_BIN",
    // Where the built-in engine is, when not beside the binary or on the PATH.
    "FAREBOX_LOCAL_BIN",
];
/// Keys for `farebox race`, and what tests are told.
const RESERVED_PREFIXES: &[&str] = &["FAREBOX_RACE_", "FAREBOX_TEST_"];

/// The variables of this process, or of a test.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process. Those that are not UTF-8 are left out.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn of_this_process() -> Self {
        let text = |text: OsString| text.into_string().ok();
        let variables = std::env::vars_os();
        Environment(
            variables
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
        )
    }

    /// Variables made up by a test.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Environment(variables.into_iter().map(owned).collect())
    }

    /// The secret that the variable `name` holds; an empty one counts as none.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.0
            .get(name)
            .filter(|text| !text.is_empty())
            .cloned()
            .map(Secret::new)
    }

    /// The path in `FAREBOX_LOCAL_BIN`.
    #[must_use]
    pub fn local_engine(&self) -> Option<PathBuf> {
        self.0
            .get("FAREBOX_LOCAL_BIN")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    }

    /// The folders where programs are looked for.
    #[must_use]
    pub fn program_folders(&self) -> Vec<PathBuf> {
        self.0
            .get("PATH")
            .map(|path| std::env::split_paths(path).collect())
            .unwrap_or_default()
    }

    /// The same without what configures a Farebox: for one that has a configuration of its own.
    #[must_use]
    pub fn without_configuration(&self) -> Environment {
        let ours = |name: &str| name.starts_with(PREFIX) && !is_other_program(name);
        let others = self.0.iter().filter(|(name, _)| !ours(name));
        Environment(
            others
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// The overrides as a layer of configuration.
    pub(super) fn layer(&self) -> Item {
        let mut root = BTreeMap::new();
        for (name, value) in &self.0 {
            if let Some(path) = name.strip_prefix(PREFIX)
                && !is_other_program(name)
            {
                insert(&mut root, &path.to_lowercase(), name, value);
            }
        }
        let origin = Origin::Environment(format!("{PREFIX}…"));
        Item {
            value: Value::Table(root),
            origin,
        }
    }
}

fn insert(root: &mut BTreeMap<String, Item>, path: &str, name: &str, value: &str) {
    let origin = Origin::Environment(name.to_owned());
    let Some((section, key)) = path.split_once("__") else {
        // A section already begun by another variable stays: the clash is that variable's.
        root.entry(path.to_owned())
            .or_insert_with(|| text(value, origin));
        return;
    };
    let table = || Item {
        value: Value::Table(BTreeMap::new()),
        origin: origin.clone(),
    };
    let section = root.entry(section.to_owned()).or_insert_with(table);
    if let Value::Table(section) = &mut section.value {
        section.insert(key.to_owned(), text(value, origin));
    }
}

fn text(value: &str, origin: Origin) -> Item {
    Item {
        value: Value::Environment(value.to_owned()),
        origin,
    }
}

/// Whether the variable is not meant as a key of ours. Kubernetes gives every container the
/// addresses of services in its namespace: FAREBOX_SERVICE_HOST and FAREBOX_PORT_8080_TCP for one
/// called `farebox`. They must not stop the start.
fn is_other_program(name: &str) -> bool {
    let kubernetes = ["_SERVICE_HOST", "_SERVICE_PORT", "_TCP", "_UDP"];
    RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || name.ends_with("_PORT")
        || kubernetes.iter().any(|mark| name.contains(mark))
}
