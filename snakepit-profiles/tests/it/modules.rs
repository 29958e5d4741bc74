//! Modules that were not written as adapters, called through pools: what may be called, what not, and from threads.

use std::sync::Arc;

use futures_util::future::try_join_all;
use snakepit_core::error::LaunchErrorKind;
use snakepit_core::{LaunchError, Pool, WorkerProfile};
use snakepit_profiles::{AdapterSpec, Builder, ProcessProfile, ThreadProfile, ThreadSafety};

use crate::support::{Pit, adapters};

fn modules(names: &[&str]) -> AdapterSpec {
    AdapterSpec::modules(names.iter().copied())
}

fn process(pit: &Pit, names: &[&str]) -> Builder<ProcessProfile> {
    let (mark, value) = pit.mark();
    let builder = ProcessProfile::builder(modules(names)).python(Pit::python());
    builder
        .env(mark, value)
        .paths([adapters().display().to_string()])
}

fn threads(pit: &Pit, names: &[&str]) -> Builder<ThreadProfile> {
    let (mark, value) = pit.mark();
    let builder = ThreadProfile::builder(modules(names)).python(Pit::python());
    builder
        .env(mark, value)
        .paths([adapters().display().to_string()])
        .threads_per_worker(2)
}

async fn start(profile: impl WorkerProfile, size: usize) -> Result<Pool, Arc<LaunchError>> {
    let builder = Pool::builder("modules", Arc::new(profile)).size(size);
    builder.start().await
}

async fn end(pool: Pool, pit: &Pit) {
    pool.shutdown().await;
    drop(pool);
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_pool_calls_what_the_modules_offer_and_nothing_else() {
    let pit = Pit::new();
    let profile = process(&pit, &["statistics", "plain"]).build();
    let pool = start(profile, 2).await.unwrap();
    let mean: f64 = pool.call("statistics.mean", ([1, 2, 6],)).await.unwrap();
    assert!((mean - 3.0).abs() < f64::EPSILON);

    let commands = pool.commands();
    let told: Vec<&str> = commands
        .iter()
        .map(|command| command.name.as_str())
        .filter(|name| name.starts_with("plain."))
        .collect();
    assert_eq!(told, ["plain.add", "plain.meet"]);
    let add = commands.iter().find(|command| command.name == "plain.add");
    let add = add.expect("it was told");
    assert_eq!(add.signature, "(a: int, b: int) -> int");
    assert_eq!(add.doc, "The sum of two numbers.");
    assert_eq!(add.params.len(), 2);

    for (name, near) in [
        ("plain.ad", "did you mean 'plain.add'?"),
        ("add", "did you mean 'plain.add'?"),
        ("plain.system", "there is no command"),
        ("plain.threading.main_thread", "there is no command"),
        ("plain.Point", "there is no command"),
        ("plain._private", "there is no command"),
        ("math.sqrt", "there is no command"),
    ] {
        let error = pool.call::<()>(name, ()).await.unwrap_err();
        assert_eq!(error.code(), "call.unknown_command", "{name}");
        assert!(error.to_string().contains(near), "{name}: {error}");
    }
    let error = pool.call::<i64>("plain.add", (1, "2")).await.unwrap_err();
    assert_eq!(error.code(), "call.bad_arguments");

    // What all workers tell alike is kept once.
    let workers = pool.snapshot().workers;
    let hellos: Vec<_> = workers
        .iter()
        .filter_map(|worker| worker.hello.as_ref())
        .collect();
    assert_eq!(hellos.len(), 2);
    assert!(Arc::ptr_eq(&hellos[0].commands, &hellos[1].commands));
    assert_eq!(hellos[0].facts.get("commands"), None);
    end(pool, &pit).await;
}

#[tokio::test]
async fn a_module_that_is_not_there_stops_the_pool_for_good() {
    let pit = Pit::new();
    let error = start(process(&pit, &["math", "nope"]).build(), 1)
        .await
        .unwrap_err();
    assert!(error.is_permanent());
    let LaunchErrorKind::Adapter { adapter, error } = &error.kind else {
        panic!("{error:?}");
    };
    assert_eq!(adapter, "math, nope");
    assert!(error.message.contains("there is no module 'nope'"));
    pit.assert_empty().await;
}

#[tokio::test]
async fn threads_share_modules_as_they_share_those_of_silent_adapters() {
    let pit = Pit::new();
    let pool = start(threads(&pit, &["plain"]).build(), 1).await.unwrap();
    let met = try_join_all([
        pool.call::<String>("plain.meet", ()),
        pool.call::<String>("plain.meet", ()),
    ]);
    let [first, second] = met.await.unwrap().try_into().unwrap();
    assert_ne!(first, second);
    let notices = pool.snapshot().notices;
    let undeclared = notices
        .iter()
        .find(|notice| notice.code == "thread_safety.undeclared");
    let hint = undeclared.and_then(|notice| notice.hint.as_deref());
    assert!(hint.is_some_and(|hint| hint.contains("`thread_safety: off`")));
    end(pool, &pit).await;

    let pit = Pit::new();
    let off = threads(&pit, &["plain"]).thread_safety(ThreadSafety::Off);
    let pool = start(off.build(), 1).await.unwrap();
    let notices = pool.snapshot().notices;
    let said = |code: &str| notices.iter().any(|notice| notice.code == code);
    assert!(!said("thread_safety.undeclared"));
    end(pool, &pit).await;

    let pit = Pit::new();
    let strict = threads(&pit, &["plain"]).thread_safety(ThreadSafety::Strict);
    let error = start(strict.build(), 1).await.unwrap_err();
    assert!(error.to_string().contains("__thread_safe__"), "{error}");
    pit.assert_empty().await;
}
