//! Serde's traits for values: exact between our own conversions, natural in every other format.
//!
//! Serde's data model has no tuple apart from a list, no date, and no shared bytes. Other formats get the nearest thing
//! they have. Our own serializer and deserializer need no such detour: both sides run on one thread, one inside the
//! other, so the value itself is handed across in a thread-local slot while serde carries only an empty newtype struct
//! of a reserved [`NAME`]. Nothing is lost that way, and large buffers are not copied.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Array, BigInt, Date, DateTime, Decimal, Duration, Map, Table, Time, Uuid, Value};

/// The newtype struct as which every value travels through serde.
pub(super) const NAME: &str = "$snakepit::Value";

/// What a table of that kind calls itself in other formats.
pub(super) const ARROW: &str = "arrow";

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    /// Our serializer asks the value it is about to serialise to put itself here.
    Wanted,
    /// Someone on this thread is about to take it.
    Offered(Value),
}

thread_local! {
    static SLOT: Cell<Slot> = const { Cell::new(Slot::Empty) };
}

/// Empties the slot in the end, whatever happens in between.
struct Emptied;

impl Drop for Emptied {
    fn drop(&mut self) {
        SLOT.take();
    }
}

/// Serialises a newtype struct called [`NAME`] by having the value hand itself over.
pub(super) fn receive<T, E>(serialize: impl FnOnce() -> Result<T, E>) -> Result<Option<Value>, E> {
    let emptied = Emptied;
    SLOT.set(Slot::Wanted);
    serialize()?;
    let slot = SLOT.take();
    drop(emptied);
    Ok(match slot {
        Slot::Offered(value) => Some(value),
        Slot::Empty | Slot::Wanted => None,
    })
}

/// Answers a newtype struct called [`NAME`] by handing a value over.
pub(super) fn offer<T>(value: Value, deserialize: impl FnOnce() -> T) -> T {
    let _emptied = Emptied;
    SLOT.set(Slot::Offered(value));
    deserialize()
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NAME, &Natural(self))
    }
}

/// A value as other formats see it.
struct Natural<'a>(&'a Value);

impl Serialize for Natural<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if matches!(SLOT.take(), Slot::Wanted) {
            SLOT.set(Slot::Offered(self.0.clone()));
            return serializer.serialize_unit();
        }
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::BigInt(number) => serialize_integer(number, serializer),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::List(items) | Value::Set(items) | Value::FrozenSet(items) => {
                serializer.collect_seq(items)
            }
            Value::Tuple(items) => serializer.collect_seq(items),
            Value::Map(map) => {
                let mut entries = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    entries.serialize_entry(key, value)?;
                }
                entries.end()
            }
            Value::Date(date) => serializer.collect_str(date),
            Value::Time(time) => serializer.collect_str(time),
            Value::DateTime(date_time) => serializer.collect_str(date_time),
            Value::Duration(duration) => serializer.collect_str(duration),
            Value::Decimal(number) => serializer.collect_str(number),
            Value::Uuid(uuid) => serializer.collect_str(uuid),
            Value::Array(array) => {
                let mut fields = serializer.serialize_struct("Array", 3)?;
                fields.serialize_field("dtype", array.dtype())?;
                fields.serialize_field("shape", array.shape())?;
                fields.serialize_field("data", &Value::Bytes(array.data().clone()))?;
                fields.end()
            }
            Value::Table(table) => serialize_table(table, serializer),
            Value::Ref(object) => serialize_object(object.type_name(), object.repr(), serializer),
            Value::Opaque(opaque) => serialize_object(&opaque.type_name, &opaque.repr, serializer),
        }
    }
}

fn serialize_object<S: Serializer>(
    type_name: &str,
    repr: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("Object", 2)?;
    fields.serialize_field("type", type_name)?;
    fields.serialize_field("repr", repr)?;
    fields.end()
}

fn serialize_table<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    match table {
        Table::Arrow(stream) => {
            let mut fields = serializer.serialize_struct("Table", 2)?;
            fields.serialize_field("format", ARROW)?;
            fields.serialize_field("data", &Value::Bytes(stream.clone()))?;
            fields.end()
        }
        Table::Columns(columns) => {
            let entries = columns.entries().iter();
            serializer.collect_map(entries.map(|(name, column)| (name, column)))
        }
    }
}

fn serialize_integer<S: Serializer>(number: &BigInt, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(number) = number.to_u64() {
        serializer.serialize_u64(number)
    } else if let Some(number) = number.to_i128() {
        serializer.serialize_i128(number)
    } else if let Some(number) = number.to_u128() {
        serializer.serialize_u128(number)
    } else {
        serializer.serialize_str(number.as_str())
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, AnyValue)
    }
}

/// Takes what was handed over, or whatever another format has.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        match SLOT.take() {
            Slot::Offered(value) => Ok(value),
            Slot::Empty | Slot::Wanted => inner.deserialize_any(self),
        }
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        Value::deserialize(inner)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec().into()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.push(key, value);
        }
        Ok(Value::Map(map))
    }
}

/// What serde's messages call a value that does not fit.
pub(super) fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Int(number) => Unexpected::Signed(*number),
        Value::Float(number) => Unexpected::Float(*number),
        Value::Str(text) => Unexpected::Str(text),
        other => Unexpected::Other(other.kind()),
    }
}

/// `Serialize` for types that are one variant of [`Value`].
macro_rules! as_value {
    ($($type:ident)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Value::from(self.clone()).serialize(serializer)
            }
        }
    )*};
}

as_value! { Array BigInt Date DateTime Decimal Duration Table Time Uuid }

/// `Deserialize` for those that have a text form.
macro_rules! value_or_text {
    ($($type:ident: $what:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match Value::deserialize(deserializer)? {
                    Value::$type(value) => Ok(value.into()),
                    Value::Str(text) => text.parse().map_err(de::Error::custom),
                    other => Err(de::Error::invalid_type(unexpected(&other), &$what)),
                }
            }
        }
    )*};
}

value_or_text! {
    Date: "a date";
    Time: "a time";
    Duration: "a duration";
    Decimal: "a decimal";
    Uuid: "a UUID";
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::DateTime(date_time) => Ok(*date_time),
            Value::Str(text) => text.parse().map_err(de::Error::custom),
            other => Err(de::Error::invalid_type(
                unexpected(&other),
                &"a date and time",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for BigInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::BigInt(number) => Ok(number),
            Value::Int(number) => Ok(number.into()),
            Value::Str(text) => text.parse().map_err(de::Error::custom),
            other => Err(de::Error::invalid_type(unexpected(&other), &"an integer")),
        }
    }
}

/// `Deserialize` for those that have no form that other formats could read.
macro_rules! value_only {
    ($($type:ident: $what:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            /// Only from a value: other formats have nothing to read it from.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match Value::deserialize(deserializer)? {
                    Value::$type(value) => Ok(*value),
                    other => Err(de::Error::invalid_type(unexpected(&other), &$what)),
                }
            }
        }
    )*};
}

value_only! {
    Array: "an array";
    Table: "a table";
}
