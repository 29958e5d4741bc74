//! The arguments of a call: positional and by name; knows no command and no signature.

use serde::Serialize;

use super::{Map, Value, ValueError, to_value};

/// The arguments of a call.
///
/// The rule by which one value becomes arguments, everywhere in Snakepit:
///
/// | value | arguments |
/// |---|---|
/// | a list or a tuple | its items, by position |
/// | a map with only string keys | its entries, by name |
/// | null | none |
/// | anything else | that value, as the one argument |
///
/// So `&(1, 2)` passes two arguments, a struct passes its fields by name, and `&(list,)` passes a list as one argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// By position.
    pub positional: Vec<Value>,
    /// By name, in order.
    pub keyword: Vec<(String, Value)>,
}

impl Args {
    /// No arguments.
    pub const fn none() -> Self {
        Self {
            positional: Vec::new(),
            keyword: Vec::new(),
        }
    }

    /// Arguments by position.
    pub fn positional<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            positional: items.into_iter().map(Into::into).collect(),
            keyword: Vec::new(),
        }
    }

    /// With one more argument by name.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.keyword.push((name.into(), value.into()));
        self
    }

    /// The arguments one value stands for, by the rule above.
    pub fn from_value(value: Value) -> Self {
        match value {
            Value::Null => Self::none(),
            Value::List(positional) | Value::Tuple(positional) => Self {
                positional,
                keyword: Vec::new(),
            },
            Value::Map(map) if map.has_only_string_keys() => Self::by_name(map),
            other => Self {
                positional: vec![other],
                keyword: Vec::new(),
            },
        }
    }

    /// The arguments that what `input` serialises to stands for, by the rule above.
    pub fn from_serialize<T: Serialize + ?Sized>(input: &T) -> Result<Self, ValueError> {
        to_value(input).map(Self::from_value)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positional.is_empty() && self.keyword.is_empty()
    }

    fn by_name(map: Map) -> Self {
        let name = |(key, value)| match key {
            Value::Str(name) => Some((name, value)),
            _ => None,
        };
        Self {
            positional: Vec::new(),
            keyword: map.into_iter().filter_map(name).collect(),
        }
    }
}

impl From<Value> for Args {
    /// As [`Args::from_value`].
    fn from(value: Value) -> Self {
        Self::from_value(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_positional() {
        let two = Args::positional([1, 2]);
        assert_eq!(Args::from_value(Value::List(vec![1.into(), 2.into()])), two);
        assert_eq!(Args::from_serialize(&(1, 2)).unwrap(), two);
    }

    #[test]
    fn maps_with_string_keys_are_by_name() {
        let args = Args::from_value(Map::from([("name", "Ada")]).into());
        assert_eq!(args, Args::none().with("name", "Ada"));
    }

    #[test]
    fn null_is_no_argument_and_anything_else_is_one() {
        assert!(Args::from_value(Value::Null).is_empty());
        assert_eq!(Args::from_value("x".into()), Args::positional(["x"]));
        let odd = Value::Map(Map::from([(1, 2)]));
        assert_eq!(Args::from_value(odd.clone()), Args::positional([odd]));
        let set = Value::Set(vec![1.into()]);
        assert_eq!(Args::from_value(set.clone()), Args::positional([set]));
    }
}
