//! What Stripe's API takes: forms with names such as `line_items[0][quantity]`.

use std::fmt::Display;

use crate::outbound::encoded;

/// The fields of a request, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Without fields.
    pub(super) fn new() -> Self {
        Form::default()
    }

    /// And this field.
    pub(super) fn field(mut self, name: &str, value: impl Display) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// And this field, if there is a value.
    pub(super) fn some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// As a form is sent, or a query written.
    pub(super) fn encoded(&self) -> String {
        let field =
            |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        self.0.iter().map(field).collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_encoded() {
        let form = Form::new()
            .field("metadata[a b]", "c&d")
            .some("off", None::<&str>)
            .some("amount", Some(500));
        assert_eq!(form.encoded(), "metadata%5Ba%20b%5D=c%26d&amount=500");
    }
}
