//! What the lists of operators are asked for.

use crate::query::{Query, invalid};
use crate::respond::Outcome;

/// What is searched for; none if nothing is.
pub(super) fn searched(query: &Query) -> Option<String> {
    let text = query.one("search").map(str::trim);
    text.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// Which of two words a parameter says: the second is true.
pub(super) fn either(query: &Query, param: &str, words: [&str; 2]) -> Outcome<Option<bool>> {
    match query.one(param).filter(|given| !given.is_empty()) {
        None => Ok(None),
        Some(given) if given == words[0] => Ok(Some(false)),
        Some(given) if given == words[1] => Ok(Some(true)),
        Some(other) => {
            let [no, yes] = words;
            let message = format!("Invalid '{param}': '{other}'. Expected '{no}' or '{yes}'.");
            Err(invalid(param, message))
        }
    }
}
