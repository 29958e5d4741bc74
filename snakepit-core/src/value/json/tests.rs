//! What JSON text values become, and what becomes of JSON text.

use bytes::Bytes;
use proptest::prelude::*;

use super::{from_json, to_json};
use crate::value::{Array, Columns, Map, Opaque, Table, Value};

#[test]
fn json_reads_back_as_it_was() {
    for text in [
        "null",
        "[true,false,null]",
        "[]",
        "{}",
        r#"{"b":1,"a":[{"c":-0.0}]}"#,
        "123456789012345678901234567890",
        "[1.0,1e300,0.1,5e-324]",
        r#""\"\\\n\u0001é""#,
    ] {
        assert_eq!(to_json(&from_json(text).unwrap()), text);
    }
}

#[test]
fn what_json_lacks_becomes_the_nearest_thing() {
    let values = [
        (Value::Float(f64::NAN), r#""NaN""#),
        (Value::Float(f64::NEG_INFINITY), r#""-Infinity""#),
        (Bytes::from_static(b"foob").into(), r#""Zm9vYg==""#),
        (Value::Tuple(vec![1.into()]), "[1]"),
        (
            Map::from([(Value::Tuple(vec![1.into(), "a".into()]), 2)]).into(),
            r#"{"[1,\"a\"]":2}"#,
        ),
        (
            Value::DateTime(Box::new("2026-11-22T12:30Z".parse().unwrap())),
            r#""2026-11-22T12:30:00+00:00""#,
        ),
        (
            Array::new("|u1", vec![1, 3], Bytes::from_static(b"foo"))
                .unwrap()
                .into(),
            r#"{"dtype":"|u1","shape":[1, 3],"data":"Zm9v"}"#,
        ),
        (
            Table::Arrow(Bytes::from_static(b"foo")).into(),
            r#"{"format":"arrow","data":"Zm9v"}"#,
        ),
        (
            Table::Columns(Columns::new(vec![("a".into(), [1, 2].into())], 0).unwrap()).into(),
            r#"{"a":[1,2]}"#,
        ),
        (
            Opaque {
                type_name: "a.B".into(),
                repr: "<B>".into(),
            }
            .into(),
            r#"{"type":"a.B","repr":"<B>"}"#,
        ),
    ];
    for (value, text) in values {
        assert_eq!(to_json(&value), text);
        assert!(from_json(text).is_ok());
    }
}

#[test]
fn an_error_names_line_and_column() {
    let error = from_json("{\n  \"é\": 1,\n  \"é\" 2}").unwrap_err();
    assert_eq!(error.to_string(), "expected a colon at line 3, column 7");
    assert_eq!(
        from_json("[1,]").unwrap_err().to_string(),
        "expected a value at line 1, column 4"
    );
    assert_eq!(
        from_json("[").unwrap_err().to_string(),
        "the text ends too early at line 1, column 2"
    );
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(from_json(&nested(128)).is_ok());
    assert!(from_json(&nested(129)).is_err());
    assert!(from_json(&"[".repeat(1_000_000)).is_err());
}

proptest! {
    #[test]
    fn strings_of_any_length_read_back(text in "[a-z\"\\\\\n\u{1}é]{0,200}") {
        let value = Value::Str(text);
        let json = to_json(&value);
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value.clone());
        prop_assert_eq!(from_json(&json).unwrap(), value);
    }

    #[test]
    fn long_plain_strings_with_one_special_byte_read_back(at in 0_usize..100, length in 100_usize..140) {
        let mut text = "x".repeat(length);
        text.insert(at, '"');
        let value = Value::Str(text);
        prop_assert_eq!(from_json(&to_json(&value)).unwrap(), value);
    }
}
