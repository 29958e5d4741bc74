//! Values as JSON that people and other programs read; not the wire format, and not meant to be read back exactly.

use std::io::Write;
use std::slice;

use super::{base64, first_special};
use crate::value::{Array, Map, Table, Value};

/// The value as one line of strict JSON.
///
/// What JSON lacks is written as the nearest thing a reader expects:
///
/// | value | JSON |
/// |---|---|
/// | integer of any size | number, all digits |
/// | NaN, infinities | `"NaN"`, `"Infinity"`, `"-Infinity"` |
/// | bytes | string, Base64 |
/// | tuple, set, frozen set | array |
/// | map key that is no string | string that holds the key's JSON |
/// | date, time, date and time, duration | string, ISO 8601 |
/// | decimal, UUID | string |
/// | array | `{"dtype": "<f8", "shape": [2], "data": "Base64"}` |
/// | table in Arrow's form | `{"format": "arrow", "data": "Base64"}` |
/// | table in columns | object of columns by name |
/// | opaque object, handle on an object | `{"type": "package.Type", "repr": "..."}` |
pub fn to_json(value: &Value) -> String {
    let mut out = Vec::new();
    write_json(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Adds what [`to_json`] returns to a text.
pub fn write_json(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(value) => write_display(value, out),
        Value::Int(number) => write_display(number, out),
        Value::BigInt(number) => out.extend(number.as_str().bytes()),
        Value::Float(number) if number.is_finite() => write_float(*number, out),
        Value::Float(number) if number.is_nan() => out.extend(b"\"NaN\""),
        Value::Float(number) if *number > 0.0 => out.extend(b"\"Infinity\""),
        Value::Float(_) => out.extend(b"\"-Infinity\""),
        Value::Str(text) => write_string(text, out),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            write_items(items, out);
        }
        Value::Map(map) => write_map(map, out),
        Value::Date(date) => write_quoted(date, out),
        Value::Time(time) => write_quoted(time, out),
        Value::DateTime(date_time) => write_quoted(date_time, out),
        Value::Duration(duration) => write_quoted(duration, out),
        Value::Decimal(number) => write_quoted(number, out),
        Value::Uuid(uuid) => write_quoted(uuid, out),
        Value::Array(array) => write_array(array, out),
        Value::Table(table) => write_table(table, out),
        Value::Ref(object) => write_object(object.type_name(), object.repr(), out),
        Value::Opaque(opaque) => write_object(&opaque.type_name, &opaque.repr, out),
    }
}

fn write_object(type_name: &str, repr: &str, out: &mut Vec<u8>) {
    out.extend(b"{\"type\":");
    write_string(type_name, out);
    out.extend(b",\"repr\":");
    write_string(repr, out);
    out.push(b'}');
}

/// Adds a JSON string.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(index) = first_special(rest) {
        out.extend_from_slice(&rest[..index]);
        write_escape(rest[index], out);
        rest = &rest[index + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Adds a finite float as the shortest JSON number that reads back as the same float, always with a `.` or an exponent.
pub fn write_float(number: f64, out: &mut Vec<u8>) {
    debug_assert!(number.is_finite());
    // Rust's debug form is just that; its plain form writes whole numbers without a point.
    write_display(format_args!("{number:?}"), out);
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend(b"\\\""),
        b'\\' => out.extend(b"\\\\"),
        b'\n' => out.extend(b"\\n"),
        b'\r' => out.extend(b"\\r"),
        b'\t' => out.extend(b"\\t"),
        _ => write_display(format_args!("\\u{byte:04x}"), out),
    }
}

fn write_display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(out, "{value}");
}

/// Adds a string in which nothing needs an escape.
fn write_quoted(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write_display(format_args!("\"{value}\""), out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    base64::write(bytes, out);
    out.push(b'"');
}

fn write_items(items: &[Value], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json(item, out);
    }
    out.push(b']');
}

fn write_map(map: &Map, out: &mut Vec<u8>) {
    write_entries(map.iter(), out);
}

fn write_table(table: &Table, out: &mut Vec<u8>) {
    match table {
        Table::Arrow(stream) => {
            out.extend(b"{\"format\":\"arrow\",\"data\":");
            write_bytes(stream, out);
            out.push(b'}');
        }
        Table::Columns(columns) => {
            write_entries(columns.entries().iter(), out);
        }
    }
}

fn write_entries(entries: slice::Iter<'_, (Value, Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (key, value)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match key {
            Value::Str(key) => write_string(key, out),
            other => write_string(&to_json(other), out),
        }
        out.push(b':');
        write_json(value, out);
    }
    out.push(b'}');
}

fn write_array(array: &Array, out: &mut Vec<u8>) {
    out.extend(b"{\"dtype\":");
    write_string(array.dtype(), out);
    write_display(
        format_args!(",\"shape\":{:?},\"data\":", array.shape()),
        out,
    );
    write_bytes(array.data(), out);
    out.push(b'}');
}
