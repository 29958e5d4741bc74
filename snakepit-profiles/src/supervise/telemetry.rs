//! The body of an `EVENT`; must not know how it travels or who listens.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use snakepit_core::{CallId, Span, Telemetry, Value};

#[derive(Deserialize)]
struct EventMessage {
    name: String,
    #[serde(default)]
    measurements: BTreeMap<String, Number>,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    time_ns: u64,
    span: Option<SpanMessage>,
    #[serde(default)]
    dropped: u64,
}

/// JSON has no infinities: those come as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Text(NotFinite),
}

#[derive(Deserialize)]
enum NotFinite {
    #[serde(rename = "nan")]
    Nan,
    #[serde(rename = "inf")]
    Infinite,
    #[serde(rename = "-inf")]
    NegativeInfinite,
}

impl Number {
    fn get(&self) -> f64 {
        match self {
            Self::Finite(number) => *number,
            Self::Text(NotFinite::Nan) => f64::NAN,
            Self::Text(NotFinite::Infinite) => f64::INFINITY,
            Self::Text(NotFinite::NegativeInfinite) => f64::NEG_INFINITY,
        }
    }
}

#[derive(Deserialize)]
struct SpanMessage {
    trace: String,
    id: String,
    parent: Option<String>,
}

/// Reads the body of an `EVENT`. Measurements and metadata are in the order of their names.
pub(crate) fn event(body: &[u8], call: u64) -> Result<Telemetry, serde_json::Error> {
    let message: EventMessage = serde_json::from_slice(body)?;
    let mut telemetry = Telemetry::new(message.name);
    telemetry.call = (call != 0).then(|| CallId::new(call));
    // A clock beyond what this one can show is no reason to lose the event.
    telemetry.at = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_nanos(message.time_ns))
        .unwrap_or(telemetry.at);
    let measurements = message.measurements.into_iter();
    telemetry.measurements = measurements
        .map(|(name, number)| (name, number.get()))
        .collect();
    for (key, value) in message.metadata {
        telemetry.metadata.push(key.into(), value);
    }
    telemetry.span = message.span.map(|SpanMessage { trace, id, parent }| {
        let mut span = Span::new(trace, id);
        span.parent = parent;
        span
    });
    telemetry.dropped = message.dropped;
    Ok(telemetry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_with_all_it_has_or_with_the_least() {
        let body =
            br#"{"dropped":2,"name":"a.b","measurements":{"n":1,"x":-0.5,"i":"-inf","q":"nan"},
            "metadata":{"k":[1,null]},"time_ns":1500,"span":{"trace":"t","id":"i","parent":"p"}}"#;
        let told = event(body, 7).unwrap();
        assert_eq!(
            (told.name.as_str(), told.call, told.dropped),
            ("a.b", Some(CallId::new(7)), 2)
        );
        assert_eq!(told.measurement("n"), Some(1.0));
        assert_eq!(told.measurement("x"), Some(-0.5));
        assert_eq!(told.measurement("i"), Some(f64::NEG_INFINITY));
        assert!(told.measurement("q").unwrap().is_nan());
        assert_eq!(told.measurement("k"), None);
        let list = Value::List(vec![Value::from(1), Value::Null]);
        assert_eq!(told.metadata.get("k"), Some(&list));
        let since = told.at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since, Duration::from_nanos(1500));
        assert_eq!(told.span.unwrap().parent.as_deref(), Some("p"));
        let least = event(br#"{"name":"a","time_ns":0}"#, 0).unwrap();
        assert_eq!((least.call, least.span, least.dropped), (None, None, 0));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            "[]",
            "{}",
            r#"{"name":"a"}"#,
            r#"{"name":"a","time_ns":-1}"#,
            r#"{"name":"a","time_ns":0,"measurements":{"n":"many"}}"#,
            r#"{"name":"a","time_ns":0,"span":{}}"#,
        ] {
            assert!(event(body.as_bytes(), 0).is_err(), "{body}");
        }
    }
}
