//! A stream of progress while a file is compressed, and what becomes of the work when its caller has heard enough.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use snakepit_core::Pool;
use snakepit_profiles::ProcessProfile;

#[tokio::main]
async fn main() -> Result<()> {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("streaming/archive.py");
    let profile = ProcessProfile::builder(adapter.display().to_string()).build();
    let pool = Pool::builder("archive", Arc::new(profile)).size(1);
    let pool = pool.start().await?;

    let folder = tempfile::tempdir()?;
    let numbers = folder.path().join("numbers.txt");
    let lines: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    std::fs::write(&numbers, lines.join("\n"))?;

    let mut progress = pool.stream::<u32>("compress", (&numbers,)).await?;
    while let Some(done) = progress.next().await {
        let done = done?;
        if done % 25 == 0 {
            println!("{done} % compressed");
        }
    }
    let packed: bool = pool.call("is_packed", (&numbers,)).await?;
    println!("The archive holds what the file holds: {packed}.");

    let again = folder.path().join("again.txt");
    std::fs::copy(&numbers, &again)?;
    let mut progress = pool.stream::<u32>("compress", (&again,)).await?;
    let first = progress.next().await.context("a piece")??;
    // Python is a few pieces ahead at most: with nobody taking them, it waits.
    println!("Again, and dropped after {first} %.");
    drop(progress);

    // The worker takes this call when it has let go of the other one: `finally` has run.
    let files: Vec<String> = pool.call("files", (folder.path(),)).await?;
    println!("Left are {}.", files.join(", "));
    Ok(())
}
