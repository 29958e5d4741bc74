//! Maps that keep their order and take any key; knows no hashing.

use super::Value;

/// Keys and values, in order.
///
/// Keys may be any value. Lookups walk the entries, which is right for what a call carries: most maps are small and
/// are read once, into a type. Equal keys can meet in one map only by [`push`](Self::push) or when a peer sends them;
/// the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(Value, Value)>);

impl Map {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty map with room for `capacity` entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value under a string key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The value under any key.
    pub fn get_by(&self, key: &Value) -> Option<&Value> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    /// Puts a value under a key, and returns what was there. A new key goes to the end.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        if let Some((_, old)) = self.0.iter_mut().rev().find(|(k, _)| *k == key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((key, value));
        None
    }

    /// Adds an entry at the end without looking whether the key is there already.
    pub fn push(&mut self, key: Value, value: Value) {
        self.0.push((key, value));
    }

    /// Takes the value under a string key out; later entries move up.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.0.iter().rposition(|(k, _)| k.as_str() == Some(key))?;
        Some(self.0.remove(index).1)
    }

    /// The entries, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Value, Value)> {
        self.0.iter()
    }

    /// Whether every key is a string, as in JSON.
    pub fn has_only_string_keys(&self) -> bool {
        self.0.iter().all(|(key, _)| matches!(key, Value::Str(_)))
    }
}

impl IntoIterator for Map {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Value, Value);
    type IntoIter = std::slice::Iter<'a, (Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<(Value, Value)>> for Map {
    /// Takes the entries as they are.
    fn from(entries: Vec<(Value, Value)>) -> Self {
        Self(entries)
    }
}

impl<K: Into<Value>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Map {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Map {
    /// Takes the entries as they are.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_replaces_in_place() {
        let mut map = Map::from([("b", 1), ("a", 2)]);
        assert_eq!(map.insert("b", 3), Some(Value::Int(1)));
        assert_eq!(map.insert("c", 4), None);
        let keys: Vec<_> = map.iter().filter_map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "c"]);
        assert_eq!(map.remove("a"), Some(Value::Int(2)));
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn takes_any_key() {
        let map = Map::from([
            (Value::Tuple(vec![1.into(), 2.into()]), Value::from("x")),
            (7.into(), true.into()),
        ]);
        assert_eq!(map.get_by(&Value::Int(7)), Some(&Value::Bool(true)));
        assert_eq!(map.get("7"), None);
        assert!(!map.has_only_string_keys());
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let map: Map = [("a", 1), ("a", 2)].into_iter().collect();
        assert_eq!(map.get("a"), Some(&Value::Int(2)));
    }
}
