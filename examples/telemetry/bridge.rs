//! What a pool's Python code tells, as spans and events of the `tracing` crate. Knows nothing of who listens there.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use snakepit_core::event::LogLine;
use snakepit_core::value::{Value, to_json};
use snakepit_core::{CallId, Event, EventKind, EventSink, Telemetry, WorkerId};
use tracing::Span;

/// Who tells: a call, or code of a worker outside of calls.
type Teller = (WorkerId, Option<CallId>);

/// An event sink that passes on to `tracing`.
#[derive(Default)]
pub(crate) struct Bridge {
    /// The spans each is in, outermost first.
    open: Mutex<HashMap<Teller, Vec<Span>>>,
}

impl EventSink for Bridge {
    fn record(&self, event: &Event) {
        match &event.kind {
            EventKind::Telemetry { worker, telemetry } => self.pass_on(*worker, telemetry),
            EventKind::Log { line, .. } => log(line),
            // What it was inside of ends nowhere else.
            EventKind::WorkerExited { worker, .. } => {
                self.open.lock().retain(|(of, _), _| of != worker);
            }
            _ => {}
        }
    }
}

impl Bridge {
    fn pass_on(&self, worker: WorkerId, telemetry: &Telemetry) {
        let mut open = self.open.lock();
        let teller = (worker, telemetry.call);
        let spans = open.entry(teller).or_default();
        let metadata = to_json(&Value::Map(telemetry.metadata.clone()));
        let name = &*telemetry.name;
        let (begins, ends) = match telemetry.span {
            Some(_) => (name.strip_suffix(".start"), name.strip_suffix(".stop")),
            None => (None, None),
        };
        if let Some(name) = begins {
            // A span's own name is fixed when the program is compiled: Python's is a field.
            let parent = spans.last().and_then(Span::id);
            spans.push(tracing::info_span!(parent: parent, "python", name));
            return;
        }
        let here = if ends.is_some() {
            spans.pop()
        } else {
            spans.last().cloned()
        };
        let _inside = here.as_ref().map(Span::enter);
        let amounts = telemetry.measurements.iter().cloned();
        let measured: BTreeMap<_, _> = amounts.filter(|(key, _)| key != "duration").collect();
        match ends {
            Some(_) => tracing::info!(?measured, %metadata, "done"),
            None => tracing::info!(?measured, %metadata, "{name}"),
        }
        // How long it took is for those who ask for more.
        if let Some(seconds) = telemetry.measurement("duration") {
            tracing::debug!(seconds, "done");
        }
        if spans.is_empty() {
            open.remove(&teller);
        }
    }
}

fn log(line: &LogLine) {
    let logger = &*line.logger;
    match &*line.level {
        "CRITICAL" | "ERROR" => tracing::error!(logger, "{}", line.text),
        "WARNING" => tracing::warn!(logger, "{}", line.text),
        _ => tracing::info!(logger, "{}", line.text),
    }
}
