//! What Python code tells of its work arrives as events of its pool, from every kind of lane, and no call waits for it.

use std::sync::Arc;

use parking_lot::Mutex;
use snakepit_core::event::LogLine;
use snakepit_core::{Args, CallId, Event, EventKind, Pool, Telemetry, WorkerProfile};

use crate::support::{Pit, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What a pool's sink has heard.
#[derive(Clone, Default)]
struct Heard {
    told: Arc<Mutex<Vec<Telemetry>>>,
    logs: Arc<Mutex<Vec<LogLine>>>,
}

impl Heard {
    async fn pool(&self, profile: Arc<dyn WorkerProfile>) -> Pool {
        let heard = self.clone();
        let sink = move |event: &Event| match &event.kind {
            EventKind::Telemetry { telemetry, .. } => {
                heard.told.lock().push(Telemetry::clone(telemetry));
            }
            EventKind::Log { line, .. } => heard.logs.lock().push(line.clone()),
            _ => {}
        };
        let pool = Pool::builder("test", profile).event_sink(Arc::new(sink));
        pool.start().await.expect("it starts")
    }

    /// What was told, once it is so much: it may arrive after the answer of its call.
    async fn events(&self, count: u64) -> Vec<Telemetry> {
        let here = || self.told.lock().len() as u64;
        eventually(|| here() >= count, || format!("{} events", here())).await;
        self.told.lock().clone()
    }
}

#[tokio::test]
async fn spans_and_events_arrive_with_their_call() {
    let pit = Pit::new();
    let profiles: [Arc<dyn WorkerProfile>; 2] = [
        Arc::new(pit.profile("telling.py")),
        Arc::new(pit.threads("telling.py").build()),
    ];
    for profile in profiles {
        let heard = Heard::default();
        let pool = heard.pool(profile).await;
        let request = pool.request_values("work", Args::none().with("rows", 3));
        let request = request.traceparent(format!("00-{TRACE}-{PARENT}-01"));
        let call = Some(CallId::new(request.call().await.expect("it works")));
        let told = heard.events(3).await;
        let names: Vec<_> = told.iter().map(|told| told.name.as_str()).collect();
        assert_eq!(names, ["work.start", "cache.missed", "work.stop"]);
        for told in &told {
            assert_eq!((told.call, told.dropped), (call, 0), "{}", told.name);
        }
        let [start, missed, stop] = &told[..] else {
            unreachable!("there are three names");
        };
        let span = start.span.as_ref().expect("it begins one");
        let place = (span.trace.as_str(), span.parent.as_deref());
        assert_eq!(place, (TRACE, Some(PARENT)));
        assert_eq!(stop.span.as_ref(), Some(span));
        assert!(stop.measurement("duration").is_some_and(|time| time >= 0.0));
        assert_eq!(stop.metadata.get("error"), Some(&false.into()));
        assert_eq!(missed.measurement("bytes"), Some(12.5));
        assert!(missed.measurement("loss").is_some_and(f64::is_nan));
        assert_eq!(missed.metadata.get("key"), Some(&"a".into()));
        let logged = || {
            let logs = heard.logs.lock();
            let line = logs.iter().find(|line| line.text == "worked on 3 rows");
            line.map(|line| (line.logger.clone(), line.call))
        };
        eventually(|| logged().is_some(), || "nothing was logged".to_owned()).await;
        assert_eq!(logged(), Some(("adapter.work".to_owned(), call)));
    }
    pit.assert_empty().await;
}

#[tokio::test]
async fn all_of_a_flood_is_told_or_counted() {
    let pit = Pit::new();
    let heard = Heard::default();
    let pool = heard.pool(Arc::new(pit.profile("telling.py"))).await;
    let many = 20_000_u64;
    let mut accepted: u64 = pool.call("flood", (many,)).await.expect("it works");
    heard.events(accepted).await;
    accepted += pool.call::<u64>("flood", (1,)).await.expect("it works");
    let told = heard.events(accepted).await;
    let dropped: u64 = told.iter().map(|told| told.dropped).sum();
    assert_eq!(accepted + dropped, many + 1);
    drop(pool);
    pit.assert_empty().await;
}
