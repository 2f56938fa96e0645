//! The caller's own key of a call that moves money: made again with the same one, it moves no more.

use crate::body::Fields;
use crate::respond::Outcome;

const MOST_CHARS: usize = 100;

/// The member `key`: visible ASCII.
pub(super) fn call_key(fields: &Fields) -> Outcome<String> {
    let key = fields.required("key", fields.id("key")?)?;
    if key.len() > MOST_CHARS {
        return Err(fields.invalid("key", "at most 100 characters are allowed"));
    }
    Ok(key.to_owned())
}
