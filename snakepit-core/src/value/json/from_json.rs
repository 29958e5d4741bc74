//! JSON text as a value, with the place of an error; knows no tags: what it reads is what JSON has.

use super::{Malformed, Reader};
use crate::value::{Map, Value};

/// How deep arrays and objects may be nested.
const DEPTH: usize = 128;

/// Text that is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line}, column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Reads strict JSON. Integers are exact whatever their size, objects keep their order and every entry.
///
/// Fails on text that is no JSON, and on arrays and objects nested deeper than 128.
pub fn from_json(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader::new(text);
    let value = read(&mut reader, DEPTH).and_then(|value| reader.end().map(|()| value));
    value.map_err(|malformed| locate(text, malformed))
}

fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    match reader.peek() {
        Some(b'[' | b'{') if depth == 0 => Err(reader.malformed("nested deeper than 128 levels")),
        Some(b'[') => read_array(reader, depth - 1),
        Some(b'{') => read_object(reader, depth - 1),
        _ => reader.scalar(),
    }
}

fn read_array(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    reader.expect(b'[', "expected an array")?;
    let mut items = Vec::new();
    let mut more = !reader.eat(b']');
    while more {
        items.push(read(reader, depth)?);
        more = reader.more(b']')?;
    }
    Ok(Value::List(items))
}

fn read_object(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    reader.expect(b'{', "expected an object")?;
    let mut map = Map::new();
    let mut more = !reader.eat(b'}');
    while more {
        let key = reader.string()?.into_owned();
        reader.expect(b':', "expected a colon")?;
        map.push(key.into(), read(reader, depth)?);
        more = reader.more(b'}')?;
    }
    Ok(Value::Map(map))
}

fn locate(text: &str, malformed: Malformed) -> JsonError {
    let before = text.get(..malformed.at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    JsonError {
        problem: malformed.problem,
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
