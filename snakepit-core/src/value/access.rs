//! Looking into a value without converting it; knows no serde.

use bytes::Bytes;

use super::{Map, Value};

impl Value {
    /// What kind of value it is, for messages: `a list`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Set(_) => "a set",
            Self::FrozenSet(_) => "a frozen set",
            Self::Map(_) => "a map",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::DateTime(_) => "a date and time",
            Self::Duration(_) => "a duration",
            Self::Decimal(_) => "a decimal",
            Self::Uuid(_) => "a UUID",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
            Self::Ref(_) => "a handle on an object",
            Self::Opaque(_) => "an opaque object",
        }
    }

    /// Whether it is null.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it fits.
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The integer, if it fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(*number).ok(),
            Self::BigInt(number) => number.to_u64(),
            _ => None,
        }
    }

    /// The float, or the float nearest to the integer.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float is what is asked for"
    )]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Int(number) => Some(*number as f64),
            Self::BigInt(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items of a list, tuple or set.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::Set(items) | Self::FrozenSet(items) => {
                Some(items)
            }
            _ => None,
        }
    }

    /// The map.
    pub const fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value under a string key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_what_they_fit() {
        assert_eq!(Value::from(u64::MAX).as_u64(), Some(u64::MAX));
        assert_eq!(Value::from(u64::MAX).as_i64(), None);
        assert_eq!(Value::Int(-1).as_u64(), None);
        assert_eq!(Value::Int(3).as_f64(), Some(3.0));
        assert_eq!(Value::Float(3.0).as_i64(), None);
    }

    #[test]
    fn maps_and_sequences_are_looked_into() {
        let value = Value::from(Map::from([("rows", Value::Tuple(vec![1.into()]))]));
        assert_eq!(
            value.get("rows").and_then(Value::as_list),
            Some(&[Value::Int(1)][..])
        );
        assert_eq!(value.get("columns"), None);
        assert_eq!(Value::Null.get("rows"), None);
    }
}
