//! From a value to anything that deserialises; knows nothing of the way there.

use std::vec;

use serde::de::value::SeqDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::exchange::{self, unexpected};
use super::{Array, Map, Table, Value, ValueError, json};

/// Converts a value into anything that deserialises.
///
/// Lenient where nothing is lost: lists, tuples and sets fill any sequence, bytes and arrays of numbers too; an
/// integer fills a float; dates, decimals and UUIDs fill strings, as do integers past 128 bits. Strict elsewhere: a float never
/// becomes an integer, a string never bytes, and no key or item is dropped in silence unless the type says so. A
/// [`Value`] and the types it is made of stay what they are.
///
/// The error says where in the value it does not fit.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ValueError> {
    T::deserialize(FromValue(value))
}

struct FromValue(Value);

impl FromValue {
    fn mismatch(&self, expected: &dyn Expected) -> ValueError {
        ValueError::invalid_type(unexpected(&self.0), expected)
    }
}

impl<'de> Deserializer<'de> for FromValue {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(number) => visitor.visit_i64(number),
            Value::BigInt(number) => {
                if let Some(number) = number.to_u64() {
                    visitor.visit_u64(number)
                } else if let Some(number) = number.to_i128() {
                    visitor.visit_i128(number)
                } else if let Some(number) = number.to_u128() {
                    visitor.visit_u128(number)
                } else {
                    visitor.visit_str(number.as_str())
                }
            }
            Value::Float(number) => visitor.visit_f64(number),
            Value::Str(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes.into()),
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::FrozenSet(items) => visit_items(items, visitor),
            Value::Map(map) => visit_entries(map, visitor),
            Value::Date(date) => visitor.visit_string(date.to_string()),
            Value::Time(time) => visitor.visit_string(time.to_string()),
            Value::DateTime(date_time) => visitor.visit_string(date_time.to_string()),
            Value::Duration(duration) => visitor.visit_string(duration.to_string()),
            Value::Decimal(number) => visitor.visit_str(number.as_str()),
            Value::Uuid(uuid) => visitor.visit_string(uuid.to_string()),
            Value::Array(array) => visit_entries(array_fields(&array), visitor),
            Value::Table(table) => visit_entries(table_fields(*table), visitor),
            Value::Ref(object) => {
                let fields = [("type", object.type_name()), ("repr", object.repr())];
                visit_entries(fields.into_iter().collect(), visitor)
            }
            Value::Opaque(opaque) => {
                let fields = [("type", opaque.type_name), ("repr", opaque.repr)];
                visit_entries(fields.into_iter().collect(), visitor)
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::BigInt(number) => visitor.visit_f64(number.to_f64()),
            _ => self.deserialize_any(visitor),
        }
    }

    // A string's visitor would take bytes that happen to be UTF-8, and a byte buffer's visitor would take a string.

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Bytes(_) => Err(self.mismatch(&visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Bytes(_) | Value::List(_) | Value::Tuple(_) => self.deserialize_any(visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name == exchange::NAME {
            let nothing = Self(Value::Null);
            exchange::offer(self.0, || visitor.visit_newtype_struct(nothing))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Bytes(bytes) => {
                let mut items = SeqDeserializer::new(bytes.into_iter());
                let filled = visitor.visit_seq(&mut items)?;
                items.end().map(|()| filled)
            }
            Value::Array(array) => match array.to_list() {
                Some(list) => Self(list).deserialize_any(visitor),
                None => Err(Self(Value::Array(array)).mismatch(&visitor)),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Str(_) => visitor.visit_enum(Variant {
                name: self.0,
                content: Value::Null,
            }),
            Value::Map(map) if map.len() == 1 => {
                let (name, content) = map.into_iter().next().unwrap_or_default();
                visitor.visit_enum(Variant { name, content })
            }
            _ => Err(self.mismatch(&"a string, or a map with one key")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 unit unit_struct map struct
    }
}

fn array_fields(array: &Array) -> Map {
    let shape: Value = array.shape().iter().copied().collect();
    Map::from([
        ("dtype", array.dtype().into()),
        ("shape", shape),
        ("data", array.data().clone().into()),
    ])
}

fn table_fields(table: Table) -> Map {
    match table {
        Table::Arrow(stream) => {
            let format = Value::from(exchange::ARROW);
            Map::from([("format", format), ("data", stream.into())])
        }
        Table::Columns(columns) => columns.entries().iter().cloned().collect(),
    }
}

fn visit_items<'de, V: Visitor<'de>>(
    items: Vec<Value>,
    visitor: V,
) -> Result<V::Value, ValueError> {
    let length = items.len();
    let mut items = Items {
        rest: items.into_iter(),
        index: 0,
    };
    let filled = visitor.visit_seq(&mut items)?;
    if items.rest.len() == 0 {
        Ok(filled)
    } else {
        let wanted = length - items.rest.len();
        Err(ValueError::invalid_length(
            length,
            &format!("{wanted} items").as_str(),
        ))
    }
}

fn visit_entries<'de, V: Visitor<'de>>(map: Map, visitor: V) -> Result<V::Value, ValueError> {
    let length = map.len();
    let mut entries = Entries {
        rest: map.into_iter(),
        key: Value::Null,
        value: Value::Null,
    };
    let filled = visitor.visit_map(&mut entries)?;
    if entries.rest.len() == 0 {
        Ok(filled)
    } else {
        let wanted = length - entries.rest.len();
        Err(ValueError::invalid_length(
            length,
            &format!("{wanted} entries").as_str(),
        ))
    }
}

struct Items {
    rest: vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some(item) = self.rest.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(FromValue(item))
            .map(Some)
            .map_err(|error| error.in_item(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries {
    rest: vec::IntoIter<(Value, Value)>,
    /// The key of the entry being read, for errors.
    key: Value,
    value: Value,
}

impl Entries {
    fn locate(&self, error: ValueError) -> ValueError {
        match &self.key {
            Value::Str(key) => error.in_key(key),
            other => error.in_key(&json::to_json(other)),
        }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ValueError> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.key = key;
        self.value = value;
        match &self.key {
            Value::Str(key) => seed.deserialize(Key(key)),
            other => seed.deserialize(FromValue(other.clone())),
        }
        .map(Some)
        .map_err(|error| self.locate(error))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        let value = std::mem::take(&mut self.value);
        seed.deserialize(FromValue(value))
            .map_err(|error| self.locate(error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A string key. Borrowed, so that reading a struct's field allocates nothing.
struct Key<'a>(&'a str);

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        FromValue(self.0.into()).deserialize_bytes(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        FromValue(self.0.into()).deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        FromValue(self.0.into()).deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        FromValue(self.0.into()).deserialize_enum(name, variants, visitor)
    }
}

struct Variant {
    name: Value,
    content: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ValueError;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content), ValueError> {
        let name = match &self.name {
            Value::Str(name) => name.clone(),
            other => json::to_json(other),
        };
        let variant = seed.deserialize(FromValue(self.name))?;
        let content = self.content;
        Ok((variant, Content { name, content }))
    }
}

/// What a variant holds.
struct Content {
    /// The name of the variant, for errors.
    name: String,
    content: Value,
}

impl<'de> VariantAccess<'de> for Content {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        de::Deserialize::deserialize(FromValue(self.content))
            .map_err(|error: ValueError| error.in_key(&self.name))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        seed.deserialize(FromValue(self.content))
            .map_err(|error| error.in_key(&self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        FromValue(self.content)
            .deserialize_seq(visitor)
            .map_err(|error| error.in_key(&self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        FromValue(self.content)
            .deserialize_any(visitor)
            .map_err(|error| error.in_key(&self.name))
    }
}
