//! Reads what people type: addresses, numbers, passwords, codes.

use domain::people::email::Email;
use domain::people::password::Password;
use domain::people::phone::Phone;
use domain::people::secret::BearerSecret;

use crate::body::Fields;
use crate::respond::Outcome;

/// Longer than any code, also one with spaces.
const CODE_CHARS: usize = 32;

impl Fields {
    /// An e-mail address, which must be there.
    pub(super) fn address(&self, param: &str) -> Outcome<Email> {
        self.required(param, self.email(param)?)
    }

    /// A phone number, which must be there.
    pub(super) fn phone(&self, param: &str) -> Outcome<Phone> {
        let text = self.required(param, self.text(param)?)?;
        Phone::parse(text).map_err(|problem| self.invalid(param, &problem.to_string()))
    }

    /// A password to be held against a hash; none if it is longer than any password.
    pub(super) fn typed_password(&self, param: &str) -> Outcome<Option<Password>> {
        let text = self.required(param, self.text(param)?)?;
        Ok(Password::typed(text))
    }

    /// A code that somebody typed, which must be there.
    pub(super) fn code(&self, param: &str) -> Outcome<String> {
        let text = self.required(param, self.text(param)?)?;
        Ok(text.chars().take(CODE_CHARS).collect())
    }

    /// A secret that this installation made, which must be there; none if it is none.
    pub(super) fn bearer(&self, param: &str) -> Outcome<Option<BearerSecret>> {
        let text = self.required(param, self.text(param)?)?;
        Ok(BearerSecret::parse(text))
    }
}
