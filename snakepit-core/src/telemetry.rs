//! What code in a worker tells of its own work. Knows not who tells it, nor who listens.

use std::time::SystemTime;

use crate::ids::CallId;
use crate::value::Map;

/// An event of a command: a cache missed, a model loaded, a span that began or ended.
///
/// It reaches every [`EventSink`](crate::EventSink) as [`EventKind::Telemetry`](crate::EventKind::Telemetry). Workers send
/// events when they can and drop them when they cannot: no call waits for one, and one may arrive after its call ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Telemetry {
    /// Lower-case and dotted: `cache.missed`. A span has two events, `load.start` and `load.stop`.
    pub name: String,
    /// The call it belongs to, if it belongs to one.
    pub call: Option<CallId>,
    /// When it happened, by the worker's clock.
    pub at: SystemTime,
    /// Numbers with their names. Their units are the adapter's; the `duration` of a span is in seconds.
    pub measurements: Vec<(String, f64)>,
    /// Everything else. The end of a span has `error`, and `error_type` if that is true.
    pub metadata: Map,
    /// The span that begins or ends with this event.
    pub span: Option<Span>,
    /// Events of this worker that were dropped since the last one that got through.
    pub dropped: u64,
}

impl Telemetry {
    /// An event that happened now, of no call, and with a name only.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            call: None,
            at: SystemTime::now(),
            measurements: Vec::new(),
            metadata: Map::new(),
            span: None,
            dropped: 0,
        }
    }

    /// The measurement of that name.
    pub fn measurement(&self, name: &str) -> Option<f64> {
        let mut all = self.measurements.iter();
        all.find_map(|(known, value)| (known == name).then_some(*value))
    }
}

/// Where a span is in its trace, in lower-case hexadecimal, as W3C trace contexts have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Span {
    /// The trace: 32 digits. That of the call's `traceparent`, or one of the call's own.
    pub trace: String,
    /// The span: 16 digits.
    pub id: String,
    /// The span it is part of: an outer one, or the caller's. `None` at the top of a trace.
    pub parent: Option<String>,
}

impl Span {
    /// A span at the top of a trace.
    pub fn new(trace: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            trace: trace.into(),
            id: id.into(),
            parent: None,
        }
    }
}
