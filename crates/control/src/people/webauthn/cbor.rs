//! CBOR (RFC 8949) from strangers: whole items, of a few levels, whose maps name nothing twice.

use ciborium::Value;

/// Attestations and keys have three levels at most.
const LEVELS: usize = 8;

/// Takes one item off the beginning of `bytes`.
pub(super) fn take(bytes: &mut &[u8]) -> Option<Value> {
    ciborium::de::from_reader_with_recursion_limit(bytes, LEVELS).ok()
}

/// Reads an item that is all of `bytes`.
pub(super) fn whole(mut bytes: &[u8]) -> Option<Value> {
    let item = take(&mut bytes)?;
    bytes.is_empty().then_some(item)
}

/// A map, none of whose keys is there twice.
pub(super) struct Map(Vec<(Value, Value)>);

impl Map {
    /// The map that an item is.
    pub(super) fn of(item: Value) -> Option<Self> {
        let Value::Map(members) = item else {
            return None;
        };
        let is_first = |index: usize, key: &Value| {
            let earlier = &members[..index];
            earlier.iter().all(|(other, _)| other != key)
        };
        let mut keys = members.iter().enumerate();
        keys.all(|(index, (key, _))| is_first(index, key))
            .then_some(Map(members))
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, key: impl Into<Value>) -> Option<Value> {
        let key = key.into();
        let place = self.0.iter().position(|(other, _)| *other == key)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Takes a whole number out.
    pub(super) fn integer(&mut self, key: i64) -> Option<i64> {
        let number = self.remove(key)?.into_integer().ok()?;
        i64::try_from(number).ok()
    }

    /// Takes bytes out.
    pub(super) fn bytes(&mut self, key: impl Into<Value>) -> Option<Vec<u8>> {
        self.remove(key)?.into_bytes().ok()
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
