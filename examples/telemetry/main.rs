//! Spans, events and log records of Python in the log of a Rust program, by way of the `tracing` crate.

mod bridge;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use bridge::Bridge;
use snakepit_core::{Event, EventKind, Pool};
use snakepit_profiles::ProcessProfile;
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<()> {
    // Any subscriber will do. This one prints; without times and places, so that it prints the same each time.
    tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .init();

    let brewed = Arc::new(Notify::new());
    let heard = Arc::clone(&brewed);
    let sink = move |event: &Event| match &event.kind {
        EventKind::Telemetry { telemetry, .. } if telemetry.name == "tea.brew.stop" => {
            heard.notify_one();
        }
        _ => {}
    };

    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("telemetry/tea.py");
    let profile = ProcessProfile::builder(adapter.display().to_string()).build();
    let pool = Pool::builder("kitchen", Arc::new(profile))
        .size(1)
        .event_sink(Arc::new(Bridge::default()))
        .event_sink(Arc::new(sink))
        .start()
        .await?;
    let water: u32 = pool.call("brew", (2,)).await?;
    ensure!(water == 400, "{water} ml");
    // No call waits for what it tells, which may arrive after its answer.
    brewed.notified().await;
    let coffee = pool.call::<()>("coffee", ()).await;
    ensure!(
        coffee.is_err_and(|error| error.is("NotImplementedError")),
        "it made coffee"
    );
    // Whoever ends a pool in order hears the rest.
    pool.shutdown().await;
    Ok(())
}
