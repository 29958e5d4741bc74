//! Values into types and back, through our own conversions and through other formats.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    price: Option<f64>,
    at: DateTime,
    cost: Decimal,
    anything: Value,
    shape: Shape,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i8, i8),
    Box { width: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f64);

fn row(anything: Value) -> Row {
    Row {
        name: "a".to_owned(),
        price: None,
        at: "2026-11-22T12:30:00Z".parse().unwrap(),
        cost: "1.10".parse().unwrap(),
        anything,
        shape: Shape::Box { width: 3 },
    }
}

fn error<T: serde::de::DeserializeOwned>(value: impl Into<Value>) -> String {
    match from_value::<T>(value.into()) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn structs_become_maps_that_keep_exact_values() {
    let value = to_value(&row(Value::Set(vec![Value::Float(f64::NAN)]))).unwrap();
    assert_eq!(value.get("price"), Some(&Value::Null));
    assert!(matches!(value.get("at"), Some(Value::DateTime(_))));
    assert!(matches!(value.get("cost"), Some(Value::Decimal(_))));
    assert_eq!(
        value.get("anything"),
        Some(&Value::Set(vec![Value::Float(f64::NAN)]))
    );
    assert_eq!(
        to_value(&from_value::<Row>(value.clone()).unwrap()),
        Ok(value)
    );
}

#[test]
fn rust_tuples_are_tuples_and_sequences_are_lists() {
    assert_eq!(
        to_value(&(1, "a")),
        Ok(Value::Tuple(vec![1.into(), "a".into()]))
    );
    assert_eq!(to_value(&vec![1, 2]), Ok(Value::from([1, 2])));
    assert_eq!(to_value(&Some(())), Ok(Value::Null));
    assert_eq!(to_value(&Meters(1.5)), Ok(Value::Float(1.5)));
}

#[test]
fn enums_are_as_in_json() {
    let shapes = [
        Shape::Point,
        Shape::Circle(1.0),
        Shape::Line(1, -1),
        Shape::Box { width: 3 },
    ];
    for shape in shapes {
        let value = to_value(&shape).unwrap();
        let text = to_json(&value);
        assert_eq!(text, serde_json::to_string(&shape).unwrap());
        assert_eq!(from_value::<Shape>(value), Ok(shape));
    }
    assert_eq!(
        error::<Shape>("Square"),
        "unknown variant `Square`, expected one of `Point`, `Circle`, `Line`, `Box`"
    );
}

#[test]
fn integers_of_any_size_fit_where_they_fit() {
    for number in [0, i128::MIN, i128::MAX, i128::from(u64::MAX)] {
        assert_eq!(from_value::<i128>(to_value(&number).unwrap()), Ok(number));
    }
    assert_eq!(from_value::<u128>(u128::MAX.into()), Ok(u128::MAX));
    assert_eq!(from_value::<u64>(u64::MAX.into()), Ok(u64::MAX));
    assert_eq!(
        error::<i64>(u64::MAX),
        "expected i64, found integer `18446744073709551615`"
    );
    assert_eq!(error::<u8>(256), "expected u8, found integer `256`");
    let huge: BigInt = "1000000000000000000000000000000000000000".parse().unwrap();
    assert_eq!(from_value::<BigInt>(huge.clone().into()), Ok(huge.clone()));
    assert_eq!(from_value::<f64>(huge.into()), Ok(1e39));
}

#[test]
fn nothing_is_lost_in_silence() {
    assert!(error::<i64>(1.0).contains("floating point"));
    assert!(error::<String>(1).contains("integer"));
    assert!(error::<String>(Bytes::from_static(b"utf-8")).contains("bytes"));
    assert!(error::<CString>("text").contains("string"));
    assert!(error::<bool>(1).contains("integer"));
    assert!(error::<(u8, u8)>(vec![1, 2, 3]).contains("2 items"));
}

#[test]
fn numbers_and_sequences_are_read_leniently() {
    assert_eq!(from_value::<f64>(3.into()), Ok(3.0));
    assert_eq!(
        from_value::<Vec<u8>>(Value::Tuple(vec![1.into()])),
        Ok(vec![1])
    );
    assert_eq!(
        from_value::<Vec<u8>>(Bytes::from_static(b"ab").into()),
        Ok(b"ab".to_vec())
    );
    assert_eq!(
        from_value::<String>("2026-11-22".parse::<Date>().unwrap().into()).unwrap(),
        "2026-11-22"
    );
    let array = Array::new(
        "<f4",
        vec![2, 1],
        Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 64]),
    );
    assert_eq!(
        from_value::<Vec<(f64,)>>(array.unwrap().into()),
        Ok(vec![(1.0,), (2.0,)])
    );
}

#[test]
fn keys_may_be_anything() {
    let map = BTreeMap::from([((1, 2), "a"), ((3, 4), "b")]);
    let value = to_value(&map).unwrap();
    assert!(!value.as_map().unwrap().has_only_string_keys());
    assert_eq!(
        from_value::<BTreeMap<(u8, u8), String>>(value)
            .unwrap()
            .len(),
        2
    );
    let named: Value = Map::from([("a", 1)]).into();
    assert_eq!(from_value::<HashMap<Name, u8>>(named).unwrap().len(), 1);
}

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
struct Name(String);

type Prices = BTreeMap<String, Vec<BTreeMap<String, f64>>>;

#[test]
fn errors_name_the_place() {
    let rows = Value::from([Map::from([("price", Value::from("cheap"))])]);
    let table = Value::from(Map::from([("rows", rows)]));
    let error = from_value::<Prices>(table).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"`rows[0].price`: expected f64, found string "cheap""#
    );
    let missing: Value = Map::from([("name", "a")]).into();
    assert!(self::error::<Row>(missing).starts_with("missing field"));
}

#[test]
fn errors_of_a_type_name_the_place_too() {
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken"))
        }
    }
    let error = to_value(&BTreeMap::from([("a", (1, Broken))])).unwrap_err();
    assert_eq!(error.to_string(), "`a[1]`: broken");
}

#[test]
fn large_buffers_are_not_copied() {
    let bytes = Bytes::from(vec![7; 1000]);
    let value = to_value(&(Value::from(bytes.clone()), 1)).unwrap();
    let (back, _): (Value, u8) = from_value(value).unwrap();
    assert_eq!(back.as_bytes().unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn other_formats_see_the_nearest_thing() {
    let value = to_value(&row(Value::Tuple(vec![
        u64::MAX.into(),
        Bytes::from_static(b"a").into(),
    ])))
    .unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(
        json,
        r#"{"name":"a","price":null,"at":"2026-11-22T12:30:00+00:00","cost":"1.10","anything":[18446744073709551615,[97]],"shape":{"Box":{"width":3}}}"#
    );
    let row: Row = serde_json::from_str(&json).unwrap();
    assert_eq!(
        row.anything,
        Value::List(vec![u64::MAX.into(), Value::from([97])])
    );
    let other = serde_json::from_str::<Value>("[1, -0.5, {\"a\": null}]").unwrap();
    assert_eq!(
        other,
        Value::List(vec![
            1.into(),
            (-0.5).into(),
            Map::from([("a", Value::Null)]).into()
        ])
    );
}

#[test]
fn a_type_that_takes_the_reserved_name_leaves_nothing_behind() {
    #[derive(Serialize, Deserialize)]
    #[serde(rename = "$snakepit::Value")]
    struct Impostor(u8);
    assert!(to_value(&Impostor(1)).is_err());
    assert!(from_value::<Impostor>(1.into()).is_err());
    assert_eq!(serde_json::to_string(&Value::Int(1)).unwrap(), "1");
    assert_eq!(serde_json::from_str::<Value>("2").unwrap(), Value::Int(2));
}

/// Values of every kind, some of them deep.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| Bytes::from(bytes).into()),
        any::<[u8; 16]>().prop_map(|bytes| Uuid::from_bytes(bytes).into()),
        any::<i64>().prop_map(|us| Duration::from_microseconds(us.into()).unwrap().into()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let entries = prop::collection::vec((inner.clone(), inner), 0..4);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Tuple),
            items.clone().prop_map(Value::Set),
            items.prop_map(Value::FrozenSet),
            entries.prop_map(|entries| Value::Map(entries.into())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_survives_serde(value in any_value()) {
        prop_assert_eq!(to_value(&value), Ok(value.clone()));
        prop_assert_eq!(to_value(&[&value]), Ok(Value::Tuple(vec![value.clone()])));
        prop_assert_eq!(from_value::<Value>(value.clone()), Ok(value.clone()));
        prop_assert_eq!(from_value::<Vec<Value>>(vec![value.clone()].into()), Ok(vec![value]));
    }

    #[test]
    fn any_value_is_valid_json(value in any_value()) {
        let text = to_json(&value);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
        prop_assert_eq!(to_json(&from_json(&text).unwrap()), text);
    }

    #[test]
    fn json_is_read_as_others_read_it(text in r#"[\[\]{}",:0-9a-u\\ .eE+-]{0,24}"#) {
        let ours = from_json(&text).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(ours, theirs, "{}", text);
    }
}
