//! Values on their way to a real interpreter and back, into types, and results that are hard to carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::{Deserialize, Serialize};
use snakepit_core::value::{Array, Columns, Duration, Map, Table, Uuid};
use snakepit_core::{Args, CallError, Pool, Value, to_value};
use snakepit_profiles::{Builder, ProcessProfile, Unserialisable};

use crate::support::{Pit, note};

async fn start(builder: Builder<ProcessProfile>) -> Pool {
    let started = Pool::builder("values", Arc::new(builder.build())).size(1);
    started
        .start()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn call<T: serde::de::DeserializeOwned>(
    pool: &Pool,
    command: &str,
    args: impl IntoIterator<Item = Value>,
) -> Result<T, CallError> {
    let args = Args::positional(args);
    pool.request_values(command, args).call().await
}

/// What Python has an exact equivalent of. No two keys of a map that Python thinks equal, and sets without an order.
fn any_value() -> impl Strategy<Value = Value> {
    let parsed = |text: String| Value::Decimal(text.parse().unwrap());
    let array = (
        0_usize..4,
        0_usize..4,
        prop_oneof!["<f4", "<i2", "\\|u1", ">i8", "<c8"],
    )
        .prop_map(|(rows, columns, dtype)| {
            let dtype = dtype.replace('\\', "");
            let size: usize = dtype[2..].parse().unwrap();
            let data = Bytes::from(vec![1; rows * columns * size]);
            Array::new(&dtype, vec![rows, columns], data)
                .unwrap()
                .into()
        });
    let moment = (
        1_u16..9999,
        1_u8..12,
        1_u8..28,
        0_u8..24,
        0_u32..1_000_000,
        -14_i8..=14,
    );
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "[\\$\"\\\\\u{0}-\u{1f}u]{0,8}".prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| Bytes::from(bytes).into()),
        any::<[u8; 16]>().prop_map(|bytes| Uuid::from_bytes(bytes).into()),
        (
            -999_999_999_i32..999_999_999,
            0_u32..86_400,
            0_u32..1_000_000
        )
            .prop_map(|(days, seconds, rest)| Duration::new(days, seconds, rest).unwrap().into()),
        "-?[1-9][0-9]{0,30}\\.[0-9]{1,9}".prop_map(parsed),
        moment.prop_map(|(year, month, day, hour, microsecond, offset)| {
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:30:00.{microsecond:06}{offset:+03}:00"
            );
            Value::DateTime(Box::new(text.parse().unwrap()))
        }),
        array,
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let numbered = prop::collection::btree_map(2_i64.., inner.clone(), 0..3);
        let named = prop::collection::btree_map(prop_oneof!["\\$", ".*"], inner, 0..3);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.prop_map(Value::Tuple),
            ".*".prop_map(|text| Value::Set(vec![text.into()])),
            any::<i64>().prop_map(|number| Value::FrozenSet(vec![number.into()])),
            numbered.prop_map(Value::from),
            named.prop_map(Value::from),
        ]
    })
}

#[test]
fn any_value_comes_back_from_python_as_it_was() {
    let pit = Pit::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(start(pit.builder("values.py")));
    let config = Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&any_value(), |value| {
            let answer: Value = runtime
                .block_on(call(&pool, "echo", [value.clone()]))
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(answer, value);
            Ok(())
        })
        .unwrap();
    runtime.block_on(pool.shutdown());
    drop(pool);
    runtime.block_on(pit.assert_empty());
}

#[tokio::test]
async fn any_value_of_python_comes_back_to_it_as_it_was() {
    let pit = Pit::new();
    let pool = start(pit.builder("values.py")).await;
    for seed in 0..500 {
        let value: Value = call(&pool, "generated", [seed.into()]).await.unwrap();
        let changed: Option<String> = call(&pool, "is_generated", [seed.into(), value])
            .await
            .unwrap();
        assert_eq!(changed, None, "seed {seed}");
    }
}

#[tokio::test]
async fn python_sees_the_kind_that_was_sent() {
    let pit = Pit::new();
    let pool = start(pit.builder("values.py")).await;
    for (value, kind) in [
        (Value::Null, "NoneType"),
        (true.into(), "bool"),
        (u64::MAX.into(), "int"),
        (1.0.into(), "float"),
        (Bytes::from_static(b"x").into(), "bytes"),
        (Value::Tuple(vec![]), "tuple"),
        (Value::FrozenSet(vec![]), "frozenset"),
        (
            "1.5"
                .parse::<snakepit_core::value::Decimal>()
                .unwrap()
                .into(),
            "Decimal",
        ),
        (Duration::new(0, 1, 0).unwrap().into(), "timedelta"),
    ] {
        let answer: bool = call(&pool, "same", [value, kind.into()]).await.unwrap();
        assert!(answer, "{kind}");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    rows: Vec<Row>,
    shape: Shape,
    pair: (i8, Option<char>),
    by_number: BTreeMap<u32, Option<f32>>,
    #[serde(with = "raw")]
    raw: Vec<u8>,
    huge: i128,
    nothing: Option<()>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle { radius: f64 },
    Line(i8, i8),
}

/// Bytes as bytes, which a `Vec<u8>` is not to serde.
mod raw {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use snakepit_core::Value;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Value::Bytes(Bytes::copy_from_slice(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Vec::deserialize(from)
    }
}

fn order(shape: Shape) -> Order {
    Order {
        rows: (0..5).map(|name| Row { name }).collect(),
        shape,
        pair: (-1, Some('é')),
        by_number: BTreeMap::from([(1, None), (u32::MAX, Some(0.5))]),
        raw: vec![0, 255],
        huge: i128::MIN,
        nothing: None,
    }
}

#[tokio::test]
async fn types_come_back_and_what_does_not_fit_is_named_with_its_path() {
    let pit = Pit::new();
    let pool = start(pit.builder("values.py")).await;
    for shape in [
        Shape::Point,
        Shape::Circle { radius: 1.0 },
        Shape::Line(1, -1),
    ] {
        let order = order(shape);
        let back: Order = call(&pool, "echo", [to_value(&order).unwrap()])
            .await
            .unwrap();
        assert_eq!(back, order);
    }
    let changed = |key: &str, value: Value| {
        let Value::Map(mut map) = to_value(&order(Shape::Point)).unwrap() else {
            unreachable!()
        };
        map.insert(key, value);
        Value::Map(map)
    };
    let row = |name: Value| Value::from(Map::from([("name", name)]));
    let circle = Map::from([("Circle", Map::from([("radius", "x")]))]);
    for (key, value, problem) in [
        (
            "rows",
            Value::List(vec![row(1.into()), row("x".into())]),
            r#"`rows[1].name`: expected u32, found string "x""#,
        ),
        (
            "rows",
            Value::List(vec![row((-1).into())]),
            "`rows[0].name`: expected u32, found integer `-1`",
        ),
        (
            "shape",
            circle.into(),
            r#"`shape.Circle.radius`: expected f64, found string "x""#,
        ),
        (
            "pair",
            Value::Tuple(vec![300.into(), Value::Null]),
            "`pair[0]`: expected i8, found integer `300`",
        ),
        (
            "pair",
            Value::Tuple(vec![3.into(), "ab".into()]),
            r#"`pair[1]`: expected a character, found string "ab""#,
        ),
        (
            "by_number",
            Map::from([(Value::Int(7), Value::from("x"))]).into(),
            r#"`by_number.7`: expected f32, found string "x""#,
        ),
        (
            "huge",
            1.5.into(),
            "`huge`: expected i128, found floating point `1.5`",
        ),
        ("huge", Value::Null, "`huge`: expected i128, found null"),
    ] {
        let value = changed(key, value);
        let error = call::<Order>(&pool, "echo", [value]).await.unwrap_err();
        assert_eq!(error.code(), "call.decode");
        assert_eq!(
            error.to_string(),
            format!("result of `echo` does not fit: {problem}")
        );
    }
}

#[tokio::test]
async fn dict_keys_of_every_kind_arrive() {
    let pit = Pit::new();
    let pool = start(pit.builder("values.py")).await;
    let value: Value = call(&pool, "keys", []).await.unwrap();
    let map = value.as_map().unwrap();
    assert_eq!(map.len(), 15);
    assert_eq!(
        map.get_by(&Value::from(Bytes::from_static(b"bytes"))),
        Some(&5.into())
    );
    assert_eq!(
        map.get_by(&Value::FrozenSet(vec![7.into()])),
        Some(&7.into())
    );
    let back: Value = call(&pool, "echo", [value.clone()]).await.unwrap();
    assert_eq!(back, value);
    let impossible = Map::from([(Value::List(vec![]), 1)]).into();
    let error = call::<Value>(&pool, "echo", [impossible])
        .await
        .unwrap_err();
    assert_eq!(error.code(), "call.bad_arguments");
}

#[tokio::test]
async fn what_is_hard_to_carry_is_carried_or_refused_and_the_worker_goes_on() {
    let pit = Pit::new();
    let pool = start(pit.builder("values.py")).await;
    let text = "é\n\u{1f40d}".repeat(1_300_000);
    let back: String = call(&pool, "echo", [text.clone().into()]).await.unwrap();
    assert_eq!(back, text);
    let made: String = call(&pool, "repeated", ["0123456789".into(), 1_000_000.into()])
        .await
        .unwrap();
    assert_eq!(made.len(), 10_000_000);
    for (command, place) in [
        ("cyclic", "result['list'][0]"),
        ("surrogate", "result[1]: the text is not valid Unicode"),
        ("secretive", "result[1]: object of type values.Secretive"),
    ] {
        let error = call::<Value>(&pool, command, []).await.unwrap_err();
        assert_eq!(error.code(), "call.unserialisable");
        assert!(error.to_string().contains(place), "{error}");
        assert!(error.exception().is_none());
    }
    assert_eq!(call::<i32>(&pool, "echo", [1.into()]).await.unwrap(), 1);
}

#[tokio::test]
async fn placeholders_stand_for_what_cannot_be_carried_where_a_pool_wants_them() {
    let pit = Pit::new();
    let builder = pit
        .builder("values.py")
        .unserialisable(Unserialisable::Placeholder);
    let pool = start(builder).await;
    let value: Value = call(&pool, "secretive", []).await.unwrap();
    let Some([Value::Int(1), Value::Opaque(opaque)]) = value.as_list() else {
        panic!("{value:?}")
    };
    assert_eq!(opaque.type_name, "values.Secretive");
    assert_eq!(opaque.repr, "Secretive(token=***)");
    let value: Value = call(&pool, "cyclic", []).await.unwrap();
    let inner = value.get("list").and_then(Value::as_list).unwrap();
    assert!(matches!(inner, [Value::Opaque(_)]), "{value:?}");
    let error = call::<Value>(&pool, "echo", [value]).await.unwrap_err();
    assert_eq!(error.code(), "call.encode");
}

#[tokio::test]
async fn tables_arrive_as_streams_of_arrow_and_go_back_as_such() {
    let pit = Pit::new();
    let Some(python) = Pit::environment() else {
        return note("skipped: no libraries; `cargo xtask test` makes an environment");
    };
    let pool = start(pit.builder("values.py").python(python)).await;
    let value = match call::<Value>(&pool, "table", []).await {
        Err(error) if error.is("ImportError") => return note("skipped: there is no pandas"),
        value => value.unwrap(),
    };
    let Value::Table(table) = &value else {
        panic!("{value:?}")
    };
    match &**table {
        Table::Arrow(stream) => assert_eq!(stream[..4], [255; 4], "a continuation mark"),
        Table::Columns(columns) => assert_eq!(columns.rows(), 2),
    }
    assert!(
        call::<bool>(&pool, "same", [value, "DataFrame".into()])
            .await
            .unwrap()
    );
    let columns = Columns::new(vec![("n".into(), [1, 2].into())], 0).unwrap();
    let value = Value::from(Table::Columns(columns));
    assert!(
        call::<bool>(&pool, "same", [value, "DataFrame".into()])
            .await
            .unwrap()
    );
    let junk = Value::from(Table::Arrow(Bytes::from_static(b"junk")));
    match call::<Value>(&pool, "echo", [junk.clone()]).await {
        Err(error) => assert_eq!(error.code(), "call.bad_arguments"),
        Ok(answer) => assert_eq!(answer, junk, "nothing there reads Arrow"),
    }
}
