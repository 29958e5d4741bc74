//! A pool of the zoo's ageing adapter, what happened in it, and what it left behind. Knows no test.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use snakepit_core::event::RetireReason;
use snakepit_core::{Config, Event, EventKind, Pool, Snakepit, StartError};
use snakepit_lifecycle::Recycling;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::leftover;

/// Far beyond what anything here takes: a bound on hanging, not a measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Says that a test does nothing here; shown with --nocapture.
pub(crate) fn skip(why: &str) {
    std::io::stderr()
        .write_all(format!("skipped: {why}\n").as_bytes())
        .expect("standard error can be written to");
}

/// One pool that runs.
pub(crate) struct Pit {
    pools: Snakepit,
    events: UnboundedReceiver<EventKind>,
    marker: String,
}

/// Starts a pool with these keys.
pub(crate) async fn start(keys: &str) -> Pit {
    try_start(keys).await.expect("the pool starts")
}

pub(crate) async fn try_start(keys: &str) -> Result<Pit, StartError> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let marker = format!("lifecycle-{}-{run}", std::process::id());
    let python = std::env::var("SNAKEPIT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let text = format!(
        "pools:\n  - name: ages\n    adapter: ages.py\n    python: {python}\n    adapter_env: {{{}: {marker}}}\n{keys}",
        leftover::MARKER
    );
    let registry = snakepit_profiles::registry().with_policies(Recycling::new());
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo");
    let config = Config::parse(&text, "pit.yaml", zoo, &registry)
        .unwrap_or_else(|report| panic!("{report}"));
    let (sender, events) = unbounded_channel();
    let sink = Arc::new(move |event: &Event| {
        // The test may have seen enough.
        let _ = sender.send(event.kind.clone());
    });
    let starting = Snakepit::builder().config(config).event_sink(sink).start();
    match starting.await {
        Ok(pools) => Ok(Pit {
            pools,
            events,
            marker,
        }),
        Err(error) => {
            tokio::task::block_in_place(|| leftover::assert_none(&marker));
            Err(error)
        }
    }
}

impl Pit {
    pub(crate) fn pool(&self) -> &Pool {
        &self.pools.pools()[0]
    }

    /// Calls a command that gives the number of its process.
    pub(crate) async fn process(&self, command: &str, args: impl serde::Serialize) -> u32 {
        let called = self.pool().call(command, args).await;
        called.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Whether its workers run without a GIL.
    pub(crate) fn is_free_threaded(&self) -> bool {
        let snapshot = self.pool().snapshot();
        let mut hellos = snapshot
            .workers
            .iter()
            .filter_map(|worker| worker.hello.as_ref());
        hellos.any(|hello| hello.runtime.contains("GIL off"))
    }

    /// Waits for an event, and gives what was asked of it.
    pub(crate) async fn until<T>(&mut self, find: impl Fn(&EventKind) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the pool lives");
                if let Some(found) = find(&event) {
                    return found;
                }
            }
        };
        timeout(BOUND, search).await.expect("it happens")
    }

    /// Waits until a worker is due by the will of a policy, and gives its words.
    pub(crate) async fn due(&mut self) -> String {
        self.until(|event| match event {
            EventKind::WorkerDue {
                reason: RetireReason::Policy(why),
                ..
            } => Some(why.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a worker to be gone.
    pub(crate) async fn gone(&mut self) {
        let gone =
            |event: &EventKind| matches!(event, EventKind::WorkerExited { .. }).then_some(());
        self.until(gone).await;
    }

    /// Ends the pool, and looks for what it left.
    pub(crate) async fn end(self) {
        timeout(BOUND, self.pools.shutdown())
            .await
            .expect("it ends");
        drop(self.pools);
        tokio::task::block_in_place(|| leftover::assert_none(&self.marker));
    }
}
