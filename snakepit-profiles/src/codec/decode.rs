//! Text and buffers to values; must not know how they were written, and trusts none of it.

use std::borrow::Cow;

use bytes::Bytes;
use snakepit_core::value::json::{Malformed, Reader};
use snakepit_core::value::{
    Array, BigInt, Columns, Duration, Map, ObjectRef, Opaque, Table, Value, ValueError,
};

use super::table::{self, Parts};
use super::{CodecError, MAX_DEPTH};

/// Reads the body of a frame that carries one value. Bytes and arrays in it are slices of the body.
pub fn decode(body: &Bytes, has_buffers: bool) -> Result<Value, CodecError> {
    let parts = if has_buffers {
        table::split(body)?
    } else {
        Parts {
            text: body,
            buffers: Vec::new(),
        }
    };
    let text = std::str::from_utf8(parts.text).map_err(|_| CodecError::Utf8)?;
    let mut decoder = Decoder {
        reader: Reader::new(text),
        buffers: parts.buffers,
    };
    let value = decoder.value(0)?;
    decoder.reader.end()?;
    match decoder.buffers.iter().position(Option::is_some) {
        Some(unused) => Err(CodecError::UnusedBuffer(unused)),
        None => Ok(value),
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    /// Each is taken by the one reference to it.
    buffers: Vec<Option<Bytes>>,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, CodecError> {
        match self.reader.peek() {
            Some(b'[') => self.list(depth).map(Value::List),
            Some(b'{') => self.object(depth),
            _ => Ok(self.reader.scalar()?),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, CodecError> {
        self.check(depth)?;
        self.reader.expect(b'[', "expected an array")?;
        let mut items = Vec::new();
        let mut more = !self.reader.eat(b']');
        while more {
            items.push(self.value(depth + 1)?);
            more = self.reader.more(b']')?;
        }
        Ok(items)
    }

    fn object(&mut self, depth: usize) -> Result<Value, CodecError> {
        self.check(depth)?;
        self.reader.expect(b'{', "expected an object")?;
        let mut map = Map::new();
        let mut more = !self.reader.eat(b'}');
        while more {
            let key = self.reader.string()?;
            self.reader.expect(b':', "expected a colon")?;
            if map.is_empty() && key == "$" {
                let reserved = self.reserved(depth)?;
                more = self.reader.more(b'}')?;
                if !more {
                    return self.resolve(reserved);
                }
                map.push(key.into(), reserved.into_plain());
            } else {
                let value = self.value(depth + 1)?;
                map.push(key.into(), value);
                more = self.reader.more(b'}')?;
            }
        }
        Ok(Value::Map(map))
    }

    /// What stands under a first key `$`. Whether it is the only key, and so a tag, shows only after it.
    fn reserved(&mut self, depth: usize) -> Result<Reserved<'a>, CodecError> {
        self.reader.peek();
        let at = self.reader.position();
        if !self.reader.eat(b'[') {
            return Ok(Reserved::Plain {
                at,
                value: self.value(depth + 1)?,
            });
        }
        let mut content = Vec::new();
        let mut more = !self.reader.eat(b']');
        let mut tag = None;
        if more && self.reader.peek() == Some(b'"') {
            tag = Some(self.reader.string()?);
            more = self.reader.more(b']')?;
        }
        while more {
            content.push(self.content(depth)?);
            more = self.reader.more(b']')?;
        }
        Ok(match tag {
            Some(tag) => Reserved::Tagged { at, tag, content },
            None => Reserved::Plain {
                at,
                value: Value::List(content),
            },
        })
    }

    /// An item after a tag. An array there is the tagged value's own, so it is no deeper than that.
    fn content(&mut self, depth: usize) -> Result<Value, CodecError> {
        match self.reader.peek() {
            Some(b'[') => self.list(depth).map(Value::List),
            _ => self.value(depth + 1),
        }
    }

    fn check(&self, depth: usize) -> Result<(), CodecError> {
        if depth < MAX_DEPTH {
            Ok(())
        } else {
            Err(self.reader.malformed("nested too deep").into())
        }
    }

    fn resolve(&mut self, reserved: Reserved<'_>) -> Result<Value, CodecError> {
        let (at, tag, content) = match reserved {
            Reserved::Tagged { at, tag, content } => (at, tag, content),
            Reserved::Plain { at, .. } => {
                return Err(Malformed {
                    at,
                    problem: "expected an array that begins with a tag",
                }
                .into());
            }
        };
        self.tagged(&tag, content)
            .map_err(|error| CodecError::Tagged {
                tag: tag.into_owned(),
                at,
                problem: error.to_string(),
            })
    }

    fn tagged(&mut self, tag: &str, mut content: Vec<Value>) -> Result<Value, ValueError> {
        Ok(match (tag, content.as_mut_slice()) {
            ("tuple", [Value::List(items)]) => Value::Tuple(std::mem::take(items)),
            ("set", [Value::List(items)]) => Value::Set(std::mem::take(items)),
            ("frozenset", [Value::List(items)]) => Value::FrozenSet(std::mem::take(items)),
            ("map", [Value::List(pairs)]) => Value::Map(self::pairs(std::mem::take(pairs))?.into()),
            ("bytes", [Value::Int(index)]) => Value::Bytes(self.buffer(*index)?),
            ("int", [Value::Str(digits)]) => digits.parse::<BigInt>()?.into(),
            ("float", [Value::Str(name)]) => special(name)?.into(),
            ("date", [Value::Str(text)]) => Value::Date(text.parse()?),
            ("time", [Value::Str(text)]) => Value::Time(text.parse()?),
            ("datetime", [Value::Str(text)]) => Value::DateTime(Box::new(text.parse()?)),
            ("duration", [Value::Int(days), Value::Int(seconds), Value::Int(rest)]) => {
                duration(*days, *seconds, *rest)?.into()
            }
            ("decimal", [Value::Str(text)]) => Value::Decimal(text.parse()?),
            ("uuid", [Value::Str(text)]) => Value::Uuid(text.parse()?),
            ("array", [Value::Str(dtype), Value::List(sides), Value::Int(index)]) => {
                let sides = sides.iter().map(side).collect::<Option<_>>();
                let shape = sides.ok_or_else(|| ValueError::new("a side is no length"))?;
                Array::new(dtype, shape, self.buffer(*index)?)?.into()
            }
            ("table", [Value::Str(form), Value::Int(index)]) if form == "arrow" => {
                Table::Arrow(self.buffer(*index)?).into()
            }
            ("table", [Value::Str(form), Value::List(columns), index]) if form == "columns" => {
                let columns = pairs(std::mem::take(columns))?;
                let index = side(index).ok_or_else(|| ValueError::new("no number of labels"))?;
                Table::Columns(Columns::new(columns, index)?).into()
            }
            ("ref", [Value::Int(number), Value::Str(type_name), Value::Str(repr)]) => {
                let number = u64::try_from(*number)
                    .map_err(|_| ValueError::new("no object has a number below zero"))?;
                ObjectRef::new(number, type_name.as_str(), repr.as_str()).into()
            }
            ("opaque", [Value::Str(type_name), Value::Str(repr)]) => {
                let (type_name, repr) = (std::mem::take(type_name), std::mem::take(repr));
                Opaque { type_name, repr }.into()
            }
            _ => return Err(ValueError::new("no value has this tag and content")),
        })
    }

    fn buffer(&mut self, index: i64) -> Result<Bytes, ValueError> {
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| self.buffers.get_mut(index));
        let slot = slot.ok_or_else(|| ValueError::new(format!("there is no buffer {index}")))?;
        slot.take()
            .ok_or_else(|| ValueError::new(format!("buffer {index} is used twice")))
    }
}

enum Reserved<'a> {
    Tagged {
        at: usize,
        tag: Cow<'a, str>,
        content: Vec<Value>,
    },
    Plain {
        at: usize,
        value: Value,
    },
}

impl Reserved<'_> {
    /// What it is when other keys follow.
    fn into_plain(self) -> Value {
        match self {
            Self::Tagged {
                tag, mut content, ..
            } => {
                content.insert(0, tag.into_owned().into());
                Value::List(content)
            }
            Self::Plain { value, .. } => value,
        }
    }
}

fn pairs(pairs: Vec<Value>) -> Result<Vec<(Value, Value)>, ValueError> {
    let entry = |pair| match pair {
        Value::List(pair) => <[Value; 2]>::try_from(pair)
            .ok()
            .map(|[key, value]| (key, value)),
        _ => None,
    };
    let entries = pairs.into_iter().map(entry).collect::<Option<_>>();
    entries.ok_or_else(|| ValueError::new("an entry is no pair"))
}

fn special(name: &str) -> Result<f64, ValueError> {
    match name {
        "nan" => Ok(f64::NAN),
        "inf" => Ok(f64::INFINITY),
        "-inf" => Ok(f64::NEG_INFINITY),
        _ => Err(ValueError::new("expected `nan`, `inf` or `-inf`")),
    }
}

fn duration(days: i64, seconds: i64, microseconds: i64) -> Result<Duration, ValueError> {
    let unfit = |_| ValueError::new("a part is out of range");
    let days = i32::try_from(days).map_err(unfit)?;
    let seconds = u32::try_from(seconds).map_err(unfit)?;
    Duration::new(days, seconds, u32::try_from(microseconds).map_err(unfit)?)
}

fn side(value: &Value) -> Option<usize> {
    value.as_u64()?.try_into().ok()
}
