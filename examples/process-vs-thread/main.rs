//! The same work by four processes and by four threads of one process: what is the same, and what is not.
//!
//! How long each took goes to standard error, as it depends on the machine. `cargo xtask bench` measures that properly, over many
//! kinds of work, and says which profile suits which.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program that shows something"
)]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join_all;
use snakepit_core::Pool;
use snakepit_profiles::{GilPolicy, ProcessProfile, ThreadProfile};

const LANES: u16 = 4;
const NUMBERS: u32 = 40_000;

#[derive(serde::Deserialize)]
struct Count {
    primes: u32,
    process: u32,
    thread: u64,
    gil: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("process-vs-thread/primes.py");
    let adapter = adapter.display().to_string();

    let processes = ProcessProfile::builder(&adapter).build();
    let processes = Pool::builder("processes", Arc::new(processes)).size(LANES.into());
    let by_processes = work("Four processes", &processes.start().await?).await?;

    let threads = ThreadProfile::builder(&adapter)
        .threads_per_worker(LANES)
        .gil(GilPolicy::Any)
        .build();
    let threads = Pool::builder("threads", Arc::new(threads)).size(1);
    let by_threads = work("Four threads", &threads.start().await?).await?;

    println!("The same results: {}.", by_processes == by_threads);
    Ok(())
}

/// A quarter of the numbers for each lane, all at the same time.
async fn work(name: &str, pool: &Pool) -> Result<Vec<u32>> {
    let start = Instant::now();
    let share = NUMBERS / u32::from(LANES);
    let calls = (0..LANES).map(|lane| {
        let from = u32::from(lane) * share;
        pool.call::<Count>("count", (from, from + share))
    });
    let counts = try_join_all(calls).await?;
    eprintln!("{name} took {:.0?}.", start.elapsed());

    let primes: Vec<u32> = counts.iter().map(|count| count.primes).collect();
    let processes: HashSet<u32> = counts.iter().map(|count| count.process).collect();
    let threads: HashSet<(u32, u64)> = counts.iter().map(|c| (c.process, c.thread)).collect();
    // A GIL is one for each process, and taken in turns.
    let at_once = if counts.iter().any(|count| count.gil) {
        processes.len()
    } else {
        threads.len()
    };
    println!(
        "{name}: {} primes. Processes: {}, threads: {}, computing at once: {at_once}.",
        primes.iter().sum::<u32>(),
        processes.len(),
        threads.len(),
    );
    Ok(primes)
}
