//! What values look like on the wire, that they come back as they were, and that nothing sent breaks the reader.

use bytes::Bytes;
use proptest::prelude::*;
use snakepit_core::value::{Args, Array, Columns, Duration, Map, Opaque, Table, Uuid, Value};

use super::{CallContext, CodecError, decode, encode, encode_call};

/// The body of a frame and whether it has buffers.
fn body(value: &Value) -> (Bytes, bool) {
    let (mut out, mut buffers) = (Vec::new(), Vec::new());
    encode(value, &mut out, &mut buffers).unwrap();
    (joined(out, &buffers), !buffers.is_empty())
}

fn joined(mut out: Vec<u8>, buffers: &[Bytes]) -> Bytes {
    for buffer in buffers {
        out.extend_from_slice(buffer);
    }
    out.into()
}

fn text(value: &Value) -> String {
    let (body, has_buffers) = body(value);
    assert!(!has_buffers);
    String::from_utf8(body.to_vec()).unwrap()
}

fn read(text: &str) -> Result<Value, CodecError> {
    decode(&Bytes::copy_from_slice(text.as_bytes()), false)
}

fn call(args: &Args, context: &CallContext<'_>) -> String {
    let (mut out, mut buffers) = (Vec::new(), Vec::new());
    encode_call("f", args, context, &mut out, &mut buffers).unwrap();
    String::from_utf8(out).unwrap()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug> + Into<Value>>(text: &str) -> Value {
    text.parse::<T>().unwrap().into()
}

#[test]
fn values_are_written_as_the_protocol_says() {
    use snakepit_core::value::{BigInt, Date, DateTime, Decimal, Time};
    let keyed = Value::from(Map::from([(Value::Int(1), Value::Null)]));
    let dollar = Value::from(Map::from([("$", 1)]));
    let two = Value::from(Map::from([("$", 1), ("a", 2)]));
    for (value, expected) in [
        (Value::Null, "null"),
        (true.into(), "true"),
        ("a\"é\n\u{1}".into(), r#""a\"é\n\u0001""#),
        (u64::MAX.into(), "18446744073709551615"),
        (
            parsed::<BigInt>("18446744073709551616"),
            r#"{"$":["int","18446744073709551616"]}"#,
        ),
        (1.0.into(), "1.0"),
        ((-0.0).into(), "-0.0"),
        (0.1.into(), "0.1"),
        (f64::NAN.into(), r#"{"$":["float","nan"]}"#),
        (f64::NEG_INFINITY.into(), r#"{"$":["float","-inf"]}"#),
        (Value::from([1, 2]), "[1,2]"),
        (Value::Tuple(vec![]), r#"{"$":["tuple",[]]}"#),
        (Value::Set(vec![1.into()]), r#"{"$":["set",[1]]}"#),
        (
            Value::FrozenSet(vec![1.into()]),
            r#"{"$":["frozenset",[1]]}"#,
        ),
        (Value::Map(Map::new()), "{}"),
        (two, r#"{"$":1,"a":2}"#),
        (dollar, r#"{"$":["map",[["$",1]]]}"#),
        (keyed, r#"{"$":["map",[[1,null]]]}"#),
        (
            parsed::<Date>("2026-11-22"),
            r#"{"$":["date","2026-11-22"]}"#,
        ),
        (
            parsed::<Time>("12:30:00.000001"),
            r#"{"$":["time","12:30:00.000001"]}"#,
        ),
        (
            parsed::<DateTime>("2026-11-22T12:30:00+01:00[Europe/Paris]"),
            r#"{"$":["datetime","2026-11-22T12:30:00+01:00[Europe/Paris]"]}"#,
        ),
        (
            parsed::<Duration>("-PT0.000001S"),
            r#"{"$":["duration",-1,86399,999999]}"#,
        ),
        (parsed::<Decimal>("1.10"), r#"{"$":["decimal","1.10"]}"#),
        (
            Uuid::from_bytes([1; 16]).into(),
            r#"{"$":["uuid","01010101-0101-0101-0101-010101010101"]}"#,
        ),
    ] {
        assert_eq!(text(&value), expected);
        assert_eq!(read(expected).as_ref(), Ok(&value));
    }
}

#[test]
fn buffers_follow_the_text_and_are_not_copied() {
    let array = Array::new("<u2", vec![1, 1], Bytes::from_static(b"ab")).unwrap();
    let value = Value::List(vec![Bytes::from_static(b"xyz").into(), array.into()]);
    let (body, has_buffers) = body(&value);
    assert!(has_buffers);
    let text = r#"[{"$":["bytes",0]},{"$":["array","<u2",[1, 1],1]}]"#;
    let table = [
        2_u32.to_le_bytes().as_slice(),
        &3_u64.to_le_bytes(),
        &2_u64.to_le_bytes(),
    ]
    .concat();
    assert_eq!(body, [&table, text.as_bytes(), b"xyzab"].concat());
    let back = decode(&body, true).unwrap();
    assert_eq!(back, value);
    let bytes = back.as_list().unwrap()[0].as_bytes().unwrap();
    assert_eq!(bytes.as_ptr(), body[table.len() + text.len()..].as_ptr());
}

#[test]
fn tables_travel_as_a_stream_or_column_by_column() {
    let stream = Value::from(Table::Arrow(Bytes::from_static(b"ARROW")));
    let (out, has_buffers) = body(&stream);
    assert!(
        out.ends_with(br#"{"$":["table","arrow",0]}ARROW"#),
        "{out:?}"
    );
    assert_eq!(decode(&out, has_buffers), Ok(stream));
    let entries = vec![
        (Value::Null, [1, 2].into()),
        ("a".into(), ["x", "y"].into()),
    ];
    let columns = Value::from(Table::Columns(Columns::new(entries, 1).unwrap()));
    let expected = r#"{"$":["table","columns",[[null,[1,2]],["a",["x","y"]]],1]}"#;
    assert_eq!(text(&columns), expected);
    assert_eq!(read(expected), Ok(columns));
    for wrong in [
        r#"{"$":["table","arrow",0]}"#,
        r#"{"$":["table","csv","a"]}"#,
        r#"{"$":["table","columns",[["a",1]],0]}"#,
        r#"{"$":["table","columns",[["a",[1]],["b",[]]],0]}"#,
        r#"{"$":["table","columns",[["a",[1]]],2]}"#,
        r#"{"$":["table","columns",[["a",[1]]],-1]}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_call_leaves_out_what_it_does_not_need() {
    let none = CallContext::default();
    assert_eq!(call(&Args::none(), &none), r#"["f"]"#);
    assert_eq!(call(&Args::positional([1]), &none), r#"["f",[1]]"#);
    assert_eq!(
        call(&Args::none().with("a", 1), &none),
        r#"["f",[],{"a":1}]"#
    );
    let context = CallContext {
        deadline: Some(5),
        session: Some("s\""),
        state: None,
        traceparent: Some("t"),
        input: Some("items"),
        keep: true,
        depth: 2,
    };
    assert_eq!(
        call(&Args::none(), &context),
        r#"["f",[],{},5,{"session":"s\"","traceparent":"t","input":"items","keep":true,"depth":2}]"#
    );
    let session = CallContext {
        session: Some("s"),
        ..none
    };
    assert_eq!(call(&Args::none(), &session), r#"["f"]{"session":"s"}"#);
    let numbered = CallContext {
        state: Some((7, None)),
        ..session
    };
    assert_eq!(
        call(&Args::none(), &numbered),
        r#"["f"]{"session":"s","state":7}"#
    );
    let traced = CallContext {
        deadline: Some(5),
        traceparent: Some("t"),
        depth: 2,
        ..none
    };
    assert_eq!(
        call(&Args::none(), &traced),
        r#"["f",[],{},5]{"traceparent":"t","depth":2}"#
    );
    let kept = CallContext {
        keep: true,
        ..session
    };
    assert_eq!(
        call(&Args::none(), &kept),
        r#"["f",[],{},null,{"session":"s","keep":true}]"#
    );
    assert_eq!(
        call(&Args::none().with("$", 1), &none),
        r#"["f",[],{"$":["map",[["$",1]]]}]"#
    );
}

#[test]
fn a_dollar_among_other_keys_is_a_key() {
    let value = read(r#"{"$":["bytes",0],"a":1}"#).unwrap();
    let list = Value::List(vec!["bytes".into(), 0.into()]);
    assert_eq!(value.get("$"), Some(&list));
    assert_eq!(
        read(r#"{"$":{"$":["tuple",[]]},"a":1}"#).unwrap().get("$"),
        Some(&Value::Tuple(vec![]))
    );
    assert_eq!(
        read(r#"{"a":1,"$":["bytes",0]}"#).unwrap().get("$"),
        Some(&list)
    );
    for value in [value, Map::from([("$", list), ("b", Value::Null)]).into()] {
        assert_eq!(read(&text(&value)), Ok(value));
    }
}

#[test]
fn tags_that_stand_for_no_value_are_refused() {
    for text in [
        r#"{"$":1}"#,
        r#"{"$":[]}"#,
        r#"{"$":[1]}"#,
        r#"{"$":["tuple"]}"#,
        r#"{"$":["tuple",1]}"#,
        r#"{"$":["tuple",[],[]]}"#,
        r#"{"$":["what",[]]}"#,
        r#"{"$":["map",[[1]]]}"#,
        r#"{"$":["map",[{"$":["tuple",[1,2]]}]]}"#,
        r#"{"$":["int","x"]}"#,
        r#"{"$":["float","NaN"]}"#,
        r#"{"$":["date","2026-02-30"]}"#,
        r#"{"$":["duration",0,-1,0]}"#,
        r#"{"$":["duration",0,86400,0]}"#,
        r#"{"$":["bytes",0]}"#,
        r#"{"$":["bytes",-1]}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let error = read(r#"[{"$":["what",[]]}]"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`what` at byte 6: no value has this tag and content"
    );
}

#[test]
fn each_buffer_is_used_exactly_once() {
    let body = |text: &str| {
        let table = [
            2_u32.to_le_bytes().as_slice(),
            &1_u64.to_le_bytes(),
            &1_u64.to_le_bytes(),
        ]
        .concat();
        Bytes::from([&table, text.as_bytes(), b"ab"].concat())
    };
    let refer = |indices: [usize; 2]| {
        indices
            .map(|index| format!(r#"{{"$":["bytes",{index}]}}"#))
            .join(",")
    };
    assert!(decode(&body(&format!("[{}]", refer([1, 0]))), true).is_ok());
    for indices in [[0, 0], [0, 2]] {
        assert!(decode(&body(&format!("[{}]", refer(indices))), true).is_err());
    }
    assert_eq!(
        decode(&body(r#"{"$":["bytes",0]}"#), true),
        Err(CodecError::UnusedBuffer(1))
    );
    assert!(decode(&body(r#"{"$":["array","<f8",[1],0]}"#), true).is_err());
}

#[test]
fn a_table_that_does_not_fit_is_refused() {
    let table = |count: u32, sizes: &[u64], rest: &[u8]| {
        let sizes = sizes.iter().flat_map(|size| size.to_le_bytes());
        Bytes::from([&count.to_le_bytes()[..], &sizes.collect::<Vec<_>>(), rest].concat())
    };
    for body in [
        Bytes::from_static(b"\x01\0\0"),
        table(0, &[], b"null"),
        table(1, &[], b"null"),
        table(u32::MAX, &[], b"null"),
        table(1, &[u64::MAX], b"null"),
        table(1, &[5], b"null"),
        table(2, &[u64::MAX, 2], b"null"),
    ] {
        assert!(
            matches!(decode(&body, true), Err(CodecError::Table(_))),
            "{body:?}"
        );
    }
}

#[test]
fn nesting_is_bounded_both_ways() {
    let nested =
        |depth: usize, wrap: fn(Value) -> Value| (1..depth).fold(wrap(Value::Null), |v, _| wrap(v));
    let list: fn(Value) -> Value = |value| Value::List(vec![value]);
    let tuple: fn(Value) -> Value = |value| Value::Tuple(vec![value]);
    let object: fn(Value) -> Value = |value| Map::from([("a", value)]).into();
    let dollar: fn(Value) -> Value = |value| Map::from([("$", value)]).into();
    let map: fn(Value) -> Value = |value| Map::from([(Value::Null, value)]).into();
    for (deepest, wrap) in [
        (128, list),
        (128, tuple),
        (128, object),
        (64, dollar),
        (64, map),
    ] {
        let value = nested(deepest, wrap);
        assert_eq!(read(&text(&value)), Ok(value));
        let value = nested(deepest + 1, wrap);
        let error = encode(&value, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.problem(), "nested deeper than 128 levels");
    }
    for opening in [
        "[",
        r#"{"a":"#,
        r#"{"$":["#,
        r#"{"$":["x","#,
        r#"{"$":["x",["#,
        r#"{"$":["x",1,"#,
        r#"{"$":"#,
    ] {
        assert!(read(&opening.repeat(100_000)).is_err());
    }
}

#[test]
fn placeholders_are_received_but_not_sent() {
    let value = read(r#"{"$":["opaque","a.B","<B>"]}"#).unwrap();
    let opaque = Opaque {
        type_name: "a.B".into(),
        repr: "<B>".into(),
    };
    assert_eq!(value, Value::from(opaque));
    let nested = Map::from([("x", Value::List(vec![value]))]).into();
    let error = encode(&nested, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x[0]`: a placeholder for `a.B` cannot be sent back"
    );
}

#[test]
fn handles_are_received_anywhere_and_sent_as_arguments_only() {
    let value = read(r#"[{"$":["ref",7,"a.B","<B>"]}]"#).unwrap();
    let Some([Value::Ref(object)]) = value.as_list() else {
        panic!("{value:?}");
    };
    let described = (object.number(), object.type_name(), object.repr());
    assert_eq!(described, (7, "a.B", "<B>"));
    let args = Args::positional([value.clone()]);
    assert_eq!(
        call(&args, &CallContext::default()),
        r#"["f",[[{"$":["ref",7]}]]]"#
    );
    let error = encode(&value, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("as an argument only"), "{error}");
    for wrong in [r#"{"$":["ref",-1,"a","b"]}"#, r#"{"$":["ref",7]}"#] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

/// Values of every kind that can be sent, some of them deep.
fn any_value() -> impl Strategy<Value = Value> {
    let array = (0_usize..4, 0_usize..4).prop_map(|(rows, columns)| {
        let data = Bytes::from(vec![7; rows * columns * 4]);
        Array::new("<f4", vec![rows, columns], data).unwrap().into()
    });
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| Bytes::from(bytes).into()),
        any::<[u8; 16]>().prop_map(|bytes| Uuid::from_bytes(bytes).into()),
        any::<Vec<u8>>().prop_map(|bytes| Table::Arrow(bytes.into()).into()),
        any::<i64>().prop_map(|us| Duration::from_microseconds(us.into()).unwrap().into()),
        array,
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let key = prop_oneof![
            Just(Value::from("$")),
            ".*".prop_map(Value::from),
            inner.clone()
        ];
        let entries = prop::collection::vec((key, inner.clone()), 0..3);
        let column = prop::collection::vec(inner.clone(), 3).prop_map(Value::List);
        let columns = prop::collection::vec((inner.clone(), column), 0..3)
            .prop_map(|entries| Columns::new(entries, 0).unwrap());
        let named = prop::collection::vec((prop_oneof!["\\$", ".*"], inner), 0..3);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Tuple),
            items.clone().prop_map(Value::Set),
            items.prop_map(Value::FrozenSet),
            entries.prop_map(|entries| Value::Map(entries.into())),
            named.prop_map(|entries| Value::Map(entries.into_iter().collect())),
            columns.prop_map(|columns| Table::Columns(columns).into()),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_comes_back_as_it_was(value in any_value()) {
        let (body, has_buffers) = body(&value);
        prop_assert_eq!(decode(&body, has_buffers), Ok(value));
    }

    #[test]
    fn any_value_is_json_to_others(value in any_value()) {
        let (mut out, mut buffers) = (Vec::new(), Vec::new());
        encode(&value, &mut out, &mut buffers).unwrap();
        let table = if buffers.is_empty() { 0 } else { 4 + 8 * buffers.len() };
        prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out[table..]).is_ok());
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>, has_buffers: bool) {
        let _ = decode(&bytes.into(), has_buffers);
    }

    #[test]
    fn almost_right_text_does_no_harm(
        pieces in prop::collection::vec(prop_oneof![
            Just("{\"$\":["), Just("\"tuple\""), Just("\"map\""), Just("\"bytes\""), Just("\"array\""),
            Just("\"duration\""), Just("["), Just("]"), Just("]}"), Just(","), Just("0"), Just("1"), Just("-1"),
            Just("\"<f8\""), Just("{\"a\":"), Just("}"), Just("null"),
        ], 0..24),
        count in 0_u32..3,
    ) {
        let text = pieces.concat();
        let _ = read(&text);
        let body = [&count.to_le_bytes()[..], &vec![0; 8 * count as usize], text.as_bytes()].concat();
        let _ = decode(&body.into(), true);
    }

    #[test]
    fn a_damaged_body_does_no_harm(value in any_value(), at: prop::sample::Index, byte: u8) {
        let (body, has_buffers) = body(&value);
        let mut damaged = body.to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let _ = decode(&damaged.into(), has_buffers);
    }
}
