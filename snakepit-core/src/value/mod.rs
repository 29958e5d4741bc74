//! What calls carry: the value model, its conversions and its text form. Knows no wire format and no Python.
//!
//! A [`Value`] holds exactly what a worker's language sent and gives exactly that back: integers of any size, bytes,
//! tuples, sets, maps with any keys, dates, decimals, arrays, tables. Typed code rarely sees one: [`to_value`] and
//! [`from_value`] go between values and anything that speaks serde.

mod access;
mod args;
mod array;
mod big_int;
mod convert;
mod decimal;
mod duration;
mod error;
mod exchange;
mod from_value;
pub mod json;
mod map;
mod object_ref;
mod table;
mod temporal;
#[cfg(test)]
mod tests;
mod to_value;
mod uuid;

use bytes::Bytes;

pub use args::Args;
pub use array::{Array, Opaque};
pub use big_int::BigInt;
pub use decimal::Decimal;
pub use duration::Duration;
pub use error::ValueError;
pub use from_value::from_value;
pub use json::{JsonError, from_json, to_json};
pub use map::Map;
pub use object_ref::ObjectRef;
pub use table::{Columns, Table};
pub use temporal::{Date, DateTime, Offset, Time};
pub use to_value::to_value;
pub use uuid::Uuid;

/// Anything a call can carry.
///
/// Equality is exact and structural, which is what tests of round trips want: the order of a map or a set counts, an
/// integer never equals a float, `0.0` does not equal `-0.0`, and NaN equals NaN.
///
/// `Value` implements serde's traits. [`to_value`] and [`from_value`] carry a `Value` inside other types unchanged;
/// other formats (JSON, YAML) see the nearest thing they have, such as a string for a date.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing: `None`, `()`.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits 64 signed bits.
    Int(i64),
    /// Any other integer. `Value::from(BigInt)` picks between the two.
    BigInt(BigInt),
    /// A float, NaN and infinities included.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes, shared: cloning copies nothing.
    Bytes(Bytes),
    /// A sequence that can change.
    List(Vec<Value>),
    /// A sequence of fixed length.
    Tuple(Vec<Value>),
    /// A set, in the order it was sent.
    Set(Vec<Value>),
    /// A set that cannot change.
    FrozenSet(Vec<Value>),
    /// Keys and values, in order.
    Map(Map),
    /// A day of the calendar.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A day and a time of day.
    DateTime(Box<DateTime>),
    /// A span of time.
    Duration(Duration),
    /// A decimal number, as exact as its text.
    Decimal(Decimal),
    /// A UUID.
    Uuid(Uuid),
    /// An array of numbers, as `NumPy` has them.
    Array(Box<Array>),
    /// A table, as `pandas`, `polars` and Arrow have them.
    Table(Box<Table>),
    /// A handle on an object that stayed in its worker. Only calls of the session that made it can be given one.
    Ref(ObjectRef),
    /// Something that could not be carried. Comes from workers, and cannot be sent to one.
    Opaque(Box<Opaque>),
}

// Lists of values are what most memory goes to.
const _: () = assert!(size_of::<Value>() <= 40);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::BigInt(a), Self::BigInt(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b))
            | (Self::Tuple(a), Self::Tuple(b))
            | (Self::Set(a), Self::Set(b))
            | (Self::FrozenSet(a), Self::FrozenSet(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::DateTime(a), Self::DateTime(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Table(a), Self::Table(b)) => a == b,
            (Self::Ref(a), Self::Ref(b)) => a == b,
            (Self::Opaque(a), Self::Opaque(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}
