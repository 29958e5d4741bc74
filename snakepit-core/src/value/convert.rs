//! Values from Rust's own types; knows no serde.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{
    Array, BigInt, Date, DateTime, Decimal, Duration, Map, ObjectRef, Opaque, Table, Time, Uuid,
    Value,
};

macro_rules! from_small_integer {
    ($($int:ty)*) => {$(
        impl From<$int> for Value {
            fn from(number: $int) -> Self {
                Self::Int(number.into())
            }
        }
    )*};
}

macro_rules! from_large_integer {
    ($($int:ty => $wide:ty),*) => {$(
        impl From<$int> for Value {
            fn from(number: $int) -> Self {
                match i64::try_from(number) {
                    Ok(number) => Self::Int(number),
                    Err(_) => Self::BigInt(BigInt::from(number as $wide)),
                }
            }
        }
    )*};
}

from_small_integer!(i8 i16 i32 i64 u8 u16 u32);
from_large_integer!(isize => i64, u64 => u64, usize => u64, i128 => i128, u128 => u128);

macro_rules! from_variant {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from_variant! {
    bool => Bool,
    f32 => Float,
    f64 => Float,
    &str => Str,
    String => Str,
    char => Str,
    Cow<'_, str> => Str,
    Bytes => Bytes,
    Map => Map,
    Date => Date,
    Time => Time,
    DateTime => DateTime,
    Duration => Duration,
    Decimal => Decimal,
    Uuid => Uuid,
    Array => Array,
    Table => Table,
    ObjectRef => Ref,
    Opaque => Opaque,
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<BigInt> for Value {
    /// An [`Int`](Value::Int) if it fits, else a [`BigInt`](Value::BigInt).
    fn from(number: BigInt) -> Self {
        number.to_i64().map_or(Self::BigInt(number), Self::Int)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    /// A list. Bytes are made from [`Bytes`].
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    /// A list.
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<Value>, V: Into<Value>> From<BTreeMap<K, V>> for Value {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self::Map(map.into_iter().collect())
    }
}

impl<K: Into<Value>, V: Into<Value>, S> From<HashMap<K, V, S>> for Value {
    fn from(map: HashMap<K, V, S>) -> Self {
        Self::Map(map.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_small_form_when_they_fit() {
        assert_eq!(Value::from(7_u64), Value::Int(7));
        assert_eq!(Value::from(i128::from(i64::MIN)), Value::Int(i64::MIN));
        assert_eq!(Value::from(BigInt::from(7_i64)), Value::Int(7));
        let big = Value::from(u64::MAX);
        assert!(matches!(&big, Value::BigInt(digits) if digits.as_str() == "18446744073709551615"));
    }

    #[test]
    fn containers_convert_with_their_items() {
        let map = BTreeMap::from([("a", vec![Some(1), None])]);
        let list = Value::List(vec![1.into(), Value::Null]);
        assert_eq!(Value::from(map), Value::Map(Map::from([("a", list)])));
    }
}
