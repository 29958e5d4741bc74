//! From anything that serialises to a value; knows nothing of the way back.

use serde::ser::{self, Serialize, Serializer};

use super::{Map, Value, ValueError, exchange, json};

/// Converts anything that serialises into a value.
///
/// Rust's tuples and fixed arrays become tuples, sequences lists, structs and maps maps, `None` and `()` null, enums
/// what serde makes of them in JSON. Integers of any size and NaN are kept. A [`Value`] and the types it is made of stay
/// what they are; bytes need such a type ([`Value::Bytes`]) or `serde_bytes`, as a `Vec<u8>` is a list to serde.
///
/// Fails only when the type's own code does.
pub fn to_value<T: Serialize + ?Sized>(input: &T) -> Result<Value, ValueError> {
    input.serialize(ToValue)
}

struct ToValue;

impl Serializer for ToValue {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    fn serialize_bool(self, value: bool) -> Result<Value, ValueError> {
        Ok(value.into())
    }

    fn serialize_i8(self, number: i8) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_i128(self, number: i128) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_u8(self, number: u8) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_u128(self, number: u128) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_f32(self, number: f32) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<Value, ValueError> {
        Ok(number.into())
    }

    fn serialize_char(self, character: char) -> Result<Value, ValueError> {
        Ok(character.into())
    }

    fn serialize_str(self, text: &str) -> Result<Value, ValueError> {
        Ok(text.into())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::Bytes(bytes.to_vec().into()))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, ValueError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        if name != exchange::NAME {
            return value.serialize(self);
        }
        exchange::receive(|| value.serialize(self))?.ok_or_else(|| {
            ValueError::new(format!("`{name}` is the name of Snakepit's own values"))
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let value = value
            .serialize(self)
            .map_err(|error| error.in_key(variant))?;
        Ok(in_variant(Some(variant), value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, ValueError> {
        Ok(Items::new(Value::List, length.unwrap_or(0)))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, ValueError> {
        Ok(Items::new(Value::Tuple, length))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Items, ValueError> {
        Ok(Items::new(Value::Tuple, length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items, ValueError> {
        Ok(Items {
            variant: Some(variant),
            ..Items::new(Value::Tuple, length)
        })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries, ValueError> {
        Ok(Entries::new(length.unwrap_or(0)))
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Entries, ValueError> {
        Ok(Entries::new(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Entries, ValueError> {
        Ok(Entries {
            variant: Some(variant),
            ..Entries::new(length)
        })
    }
}

/// An enum's content under its variant's name.
fn in_variant(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(variant) => Map::from([(variant, content)]).into(),
        None => content,
    }
}

/// A length someone claims is no reason to ask for all that memory at once.
fn cautious(length: usize) -> usize {
    length.min(4096)
}

struct Items {
    values: Vec<Value>,
    kind: fn(Vec<Value>) -> Value,
    variant: Option<&'static str>,
}

impl Items {
    fn new(kind: fn(Vec<Value>) -> Value, length: usize) -> Self {
        Self {
            values: Vec::with_capacity(cautious(length)),
            kind,
            variant: None,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        let index = self.values.len();
        self.values
            .push(to_value(item).map_err(|error| error.in_item(index))?);
        Ok(())
    }

    fn finish(self) -> Value {
        in_variant(self.variant, (self.kind)(self.values))
    }
}

struct Entries {
    map: Map,
    key: Value,
    variant: Option<&'static str>,
}

impl Entries {
    fn new(length: usize) -> Self {
        Self {
            map: Map::with_capacity(cautious(length)),
            key: Value::Null,
            variant: None,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, key: Value, value: &T) -> Result<(), ValueError> {
        let value = to_value(value).map_err(|error| match &key {
            Value::Str(key) => error.in_key(key),
            other => error.in_key(&json::to_json(other)),
        })?;
        self.map.push(key, value);
        Ok(())
    }

    fn finish(self) -> Value {
        in_variant(self.variant, Value::Map(self.map))
    }
}

macro_rules! collect_items {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for Items {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
                self.add(item)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.finish())
            }
        }
    )*};
}

collect_items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! collect_fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Entries {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ValueError> {
                self.add(name.into(), value)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.finish())
            }
        }
    )*};
}

collect_fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = to_value(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = std::mem::take(&mut self.key);
        self.add(key, value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}
