//! Sessions that outlive their worker, a stream, a function Python calls back, telemetry, and an error that says what to do.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use snakepit_core::{CallError, Event, EventKind, Pool, ToolError, WorkerId};
use snakepit_profiles::ProcessProfile;
use tokio::sync::watch;

#[derive(serde::Deserialize)]
struct Translate {
    text: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let (letters, gone) = (watch::Sender::new(Vec::new()), watch::Sender::new(None));
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("notes/notes.py");
    let profile = ProcessProfile::builder(adapter.display().to_string()).build();
    let pool = Pool::builder("notes", Arc::new(profile))
        .size(1)
        .tool("translate", |args: Translate| async move {
            Ok::<_, ToolError>(args.text.to_uppercase())
        })
        .event_sink(Arc::new(sink(letters.clone(), gone.clone())))
        .start()
        .await?;

    let ada = pool.session("ada");
    ada.call::<usize>("add", ("the art of flight",)).await?;
    let notes: usize = ada.call("add", ("a letter",)).await?;
    println!("Ada has {notes} notes.");

    let home = pool.sessions().first().context("a session")?.worker;
    pool.recycle(home)?;
    gone.subscribe()
        .wait_for(|worker| *worker == Some(home))
        .await?;
    let notes: usize = ada.call("add", ("numbers",)).await?;
    println!("Her worker was replaced; she has {notes} notes.");

    let mut stream = ada.stream::<String>("words", ()).await?;
    let mut words = Vec::new();
    while let Some(word) = stream.next().await {
        words.push(word?);
    }
    println!("{}", words.join(" "));

    let translated: Vec<String> = ada.call("translated", ()).await?;
    println!("{}", translated.join(", "));

    match ada.call::<usize>("add", (5,)).await {
        Err(CallError::Remote(error)) => println!("refused: {error}"),
        other => anyhow::bail!("{other:?}"),
    }

    // No call waits for telemetry, so it may be later than the answer.
    let mut letters = letters.subscribe();
    let told = letters.wait_for(|letters| letters.len() == 3).await?;
    println!("Letters told of: {:?}", *told);
    ada.close().await?;
    Ok(())
}

/// Notes what Python tells of, and which worker is gone.
fn sink(
    letters: watch::Sender<Vec<f64>>,
    gone: watch::Sender<Option<WorkerId>>,
) -> impl Fn(&Event) + Send + Sync + 'static {
    move |event| match &event.kind {
        EventKind::Telemetry { telemetry, .. } => {
            let measured = telemetry.measurement("letters");
            letters.send_modify(|letters| letters.extend(measured));
        }
        EventKind::WorkerExited { worker, .. } => drop(gone.send_replace(Some(*worker))),
        _ => {}
    }
}
