//! Workers replaced by age and by calls served, while callers are busy: no call fails, and the pool is never smaller.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use snakepit_core::{Config, Event, EventKind, Pool, PoolName, Snakepit};
use snakepit_lifecycle::Recycling;
use tokio::sync::watch;

/// More calls at a time than workers: there is always one that waits.
const CALLERS: usize = 4;

/// So many workers of each pool are seen to leave.
const REPLACED: usize = 6;

#[tokio::main]
async fn main() -> Result<()> {
    let registry = snakepit_profiles::registry().with_policies(Recycling::new());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ttl-recycling/snakepit.yaml");
    let config = Config::from_file(file, &registry)?;
    let left = watch::Sender::new(Vec::new());
    let pit = Snakepit::builder()
        .config(config)
        .event_sink(Arc::new(sink(left.clone())))
        .start()
        .await?;
    for pool in pit.pools() {
        let callers = (0..CALLERS).map(|_| call(pool, &left));
        let failed: usize = try_join_all(callers).await?.into_iter().sum();
        let size = pool.settings().size;
        println!(
            "{}: {REPLACED} of its workers were replaced, {size} or more were always ready, {failed} calls failed.",
            pool.name()
        );
    }
    pit.shutdown().await;
    Ok(())
}

/// Calls until enough workers have left, and answers with how many calls failed.
async fn call(pool: &Pool, left: &watch::Sender<Vec<PoolName>>) -> Result<usize> {
    let gone = || {
        left.borrow()
            .iter()
            .filter(|name| *name == pool.name())
            .count()
    };
    let mut failed = 0;
    while gone() < REPLACED {
        let words = pool.call::<u32>("count", ("one two three",)).await;
        failed += usize::from(!matches!(words, Ok(3)));
        // A worker leaves when its replacement is ready, not before.
        let ready = pool.snapshot().ready;
        ensure!(ready >= pool.settings().size, "only {ready} workers");
    }
    Ok(failed)
}

/// Notes of which pool a worker has left.
fn sink(left: watch::Sender<Vec<PoolName>>) -> impl Fn(&Event) + Send + Sync + 'static {
    move |event| {
        if let EventKind::WorkerExited { .. } = event.kind {
            left.send_modify(|left| left.push(event.pool.clone()));
        }
    }
}
