//! Pages of lists that are sorted by when a thing was made, then by its id.

use domain::time::AtUs;

use crate::Value;

/// Where a thing stands in its list. The place outlives the thing: a list can be walked while what
/// it shows is deleted.
pub type Place = (AtUs, String);

/// What to read of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// What comes after this; from the beginning if none.
    pub after: Option<Place>,
    /// Latest first.
    pub is_descending: bool,
    /// At most this many.
    pub limit: i64,
}

/// The pattern of a `LIKE` that finds texts in small letters which hold `part`, in whatever letters
/// that is written. Its escape is a backslash.
pub(crate) fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for letter in part.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl Page {
    /// The end of a query: a condition on the columns of the place, the order and the limit.
    pub(crate) fn tail(&self, at: &str, id: &str, params: &mut Vec<Value>) -> String {
        let (order, comparison) = match self.is_descending {
            true => (" DESC", "<"),
            false => ("", ">"),
        };
        let mut tail = String::new();
        if let Some((since, last)) = &self.after {
            params.extend([since.0.into(), last.as_str().into()]);
            let (first, second) = (params.len() - 1, params.len());
            tail = format!(" AND ({at}, {id}) {comparison} (${first}, ${second})");
        }
        params.push(self.limit.into());
        format!(
            "{tail} ORDER BY {at}{order}, {id}{order} LIMIT ${}",
            params.len()
        )
    }

    /// The page of a list that is short enough to be read whole.
    pub fn of<T>(&self, mut all: Vec<T>, place: impl Fn(&T) -> Place) -> Vec<T> {
        all.sort_by_key(|row| place(row));
        if self.is_descending {
            all.reverse();
        }
        if let Some(after) = &self.after {
            all.retain(|row| match self.is_descending {
                true => place(row) < *after,
                false => place(row) > *after,
            });
        }
        all.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        all
    }
}
