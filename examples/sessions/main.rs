//! Sessions: state of their own, a worker that is replaced while they go on, and their end.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use snakepit_core::{Event, EventKind, Pool};
use snakepit_profiles::ProcessProfile;
use tokio::sync::mpsc::{self, UnboundedReceiver};

#[tokio::main]
async fn main() -> Result<()> {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions/baskets.py");
    let profile = ProcessProfile::builder(adapter.display().to_string()).build();
    let (tell, mut events) = mpsc::unbounded_channel();
    let sink = move |event: &Event| drop(tell.send(event.kind.clone()));
    let pool = Pool::builder("baskets", Arc::new(profile))
        .size(2)
        .event_sink(Arc::new(sink))
        .start()
        .await?;

    // Calls of a session meet one worker, as long as that is not busy. What if it is may be set: `Session::affinity`.
    let (ada, bob) = (pool.session("Ada"), pool.session("Bob"));
    ada.call::<Vec<String>>("add", ("tea",)).await?;
    let of_bob: Vec<String> = bob.call("add", ("milk",)).await?;
    let of_ada: Vec<String> = ada.call("add", ("bread",)).await?;
    println!("Ada has {of_ada:?}, Bob has {of_bob:?}.");

    let sessions = pool.sessions();
    let of_ada = sessions.iter().find(|session| session.session == *ada.id());
    let home = of_ada.context("Ada's session")?.worker;
    pool.recycle(home)?;
    let is_gone = |event| matches!(event, EventKind::WorkerExited { worker, .. } if worker == home);
    until(&mut events, |event| is_gone(event).then_some(())).await?;
    let of_ada: Vec<String> = ada.call("add", ("cheese",)).await?;
    let with_state = until(&mut events, |event| match event {
        EventKind::SessionMoved {
            session,
            with_state,
            ..
        } => (session == *ada.id()).then_some(with_state),
        _ => None,
    });
    let with_state = with_state.await?;
    println!("Ada's worker was replaced. Moved with her basket: {with_state}. She has {of_ada:?}.");

    ada.close().await?;
    let printed = until(&mut events, |event| match event {
        EventKind::Log { line, .. } => Some(line.text),
        _ => None,
    });
    println!("Closed: {}.", printed.await?);
    let of_ada: Vec<String> = ada.call("add", ("jam",)).await?;
    println!("Ada comes again, and has {of_ada:?}.");
    Ok(())
}

/// Waits for an event that says what is asked for.
async fn until<T>(
    events: &mut UnboundedReceiver<EventKind>,
    wanted: impl Fn(EventKind) -> Option<T>,
) -> Result<T> {
    loop {
        let event = events.recv().await.context("the pool is gone")?;
        if let Some(found) = wanted(event) {
            return Ok(found);
        }
    }
}
