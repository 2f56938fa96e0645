//! A paper as a page of HTML: one file that needs no other, reads in the dark, and prints.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::Paper;

const NAME: &str = "paper.html";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    let added = templates.add_template(NAME, include_str!("templates/paper.html"));
    added.expect("a test sets it");
    templates
});

/// The paper as a page.
///
/// # Errors
/// What the template misses, which is a bug.
pub(crate) fn html(paper: &Paper) -> Result<String, minijinja::Error> {
    TEMPLATES.get_template(NAME)?.render(paper)
}
