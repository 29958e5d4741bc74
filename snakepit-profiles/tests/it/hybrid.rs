//! Pools of different profiles on different interpreters, side by side in one configuration.

use futures_util::future::join_all;
use snakepit_core::{Config, Snakepit};

use crate::support::{Pit, adapters, eventually, note};

#[tokio::test]
async fn pools_of_different_profiles_and_interpreters_serve_side_by_side() {
    let pit = Pit::new();
    let (mark, value) = pit.mark();
    let first = Pit::python();
    let second = std::env::var("SNAKEPIT_TEST_FREE_THREADED").unwrap_or_else(|_| {
        note("one interpreter for both pools; `cargo xtask test` looks for a second one");
        first.clone()
    });
    let text = format!(
        "
pools:
  - name: alone
    worker_profile: process
    adapter: overlap.py
    adapter_env: {{{mark}: '{value}'}}
    python: {first}
    pool_size: 3
    queue_size: 0
  - name: together
    worker_profile: thread
    adapter: overlap.py
    adapter_env: {{{mark}: '{value}'}}
    python: {second}
    pool_size: 2
    threads_per_worker: 5
    queue_size: 1
"
    );
    let registry = snakepit_profiles::registry();
    let config = Config::parse(&text, "test.yaml", adapters(), &registry).unwrap();
    let pit_of_pools = Snakepit::builder().config(config).start().await.unwrap();
    for (name, profile, workers, lanes, queue, python) in [
        ("alone", "process", 3, 3, 0, &first),
        ("together", "thread", 2, 10, 1, &second),
    ] {
        let pool = pit_of_pools.pool(name).unwrap();
        let snapshot = pool.snapshot();
        let seen = (&*snapshot.profile, snapshot.ready, snapshot.lanes);
        assert_eq!(seen, (profile, workers, lanes), "{name}");
        for worker in &snapshot.workers {
            let hello = worker.hello.as_ref().unwrap();
            let expected = version(python);
            assert!(
                hello.runtime.contains(&expected),
                "{}: {expected}",
                hello.runtime
            );
        }
        // All lanes and all places in the queue are taken, so the next call has none.
        let calls: Vec<_> = (0..lanes + queue)
            .map(|_| tokio::spawn(pool.request("sleep", 600.0).call::<()>()))
            .collect();
        let full = || {
            let now = pool.snapshot();
            (now.running, now.queued) == (lanes, queue)
        };
        eventually(full, || format!("{:?}", pool.snapshot())).await;
        let error = pool.call::<()>("sleep", 0.0).await.unwrap_err();
        assert_eq!(error.code(), "pool.queue_full", "{error}");
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        join_all(calls).await;
    }
    // Full pools next door are of no concern.
    for name in ["alone", "together"] {
        let pool = pit_of_pools.pool(name).unwrap();
        eventually(|| pool.snapshot().running == 0, || name.to_owned()).await;
        let (process, _): (u32, u32) = pool.call("place", ()).await.unwrap();
        let workers = pool.snapshot().workers;
        let processes: Vec<_> = workers
            .iter()
            .filter_map(|worker| worker.hello.as_ref()?.process)
            .collect();
        assert!(processes.contains(&process), "{name}");
    }
    pit_of_pools.shutdown().await;
    drop(pit_of_pools);
    pit.assert_empty().await;
}

fn version(python: &str) -> String {
    let mut command = std::process::Command::new(python);
    let answer = command.arg("--version").output().unwrap().stdout;
    let text = String::from_utf8(answer).unwrap();
    text.trim().trim_start_matches("Python ").to_owned()
}
