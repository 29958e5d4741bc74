//! A model of scikit-learn, trained in a worker and asked by many threads at the same time.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use futures_util::future::try_join_all;
use snakepit_core::Pool;
use snakepit_profiles::{GilPolicy, ThreadProfile, ThreadSafety};

const THREADS: u16 = 4;

/// Sepals and petals, their lengths and widths, in centimetres.
type Measures = [f64; 4];

#[derive(serde::Deserialize)]
struct Flowers {
    measures: Vec<Measures>,
    kinds: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Guess {
    kinds: Vec<String>,
    model: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("scikit-learn/flowers.py");
    let profile = ThreadProfile::builder(adapter.display().to_string())
        .threads_per_worker(THREADS)
        .thread_safety(ThreadSafety::Strict)
        // With a GIL, threads take turns in Python, and compute at once where NumPy lets go of it.
        .gil(GilPolicy::Any)
        .build();
    let pool = Pool::builder("flowers", Arc::new(profile)).size(1);
    let pool = pool.start().await?;

    let flowers: Flowers = pool.call("kept_back", ()).await?;
    let share = flowers.measures.len().div_ceil(THREADS.into());
    let calls = flowers.measures.chunks(share);
    let guesses: Vec<Guess> = try_join_all(calls.map(|some| pool.call("predict", (some,)))).await?;

    let models: HashSet<u64> = guesses.iter().map(|guess| guess.model).collect();
    println!("{} threads asked {} model.", guesses.len(), models.len());
    let guessed: Vec<&String> = guesses.iter().flat_map(|guess| &guess.kinds).collect();
    let pairs = || guessed.iter().zip(&flowers.kinds);
    let right = pairs().filter(|(guessed, kind)| **guessed == *kind).count();
    println!(
        "It is right about {right} of {} flowers it had not seen.",
        guessed.len()
    );
    for kind in ["setosa", "versicolor", "virginica"] {
        let of_kind = || pairs().filter(|(_, is)| *is == kind);
        let right = of_kind().filter(|(guessed, _)| **guessed == kind).count();
        println!("  {kind}: {right} of {}", of_kind().count());
    }
    Ok(())
}
