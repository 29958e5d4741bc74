//! Promises about the beginning and the end of workers.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::support::{A_MOMENT, Bench, FOR_EVER, LONG_GRACE, one};
use crate::value::{Args, Value};

pub async fn a_launched_worker_says_what_it_offers(bench: &Bench) {
    let launched = bench.launch().await;
    assert!(
        launched.hello.lanes >= 1,
        "a worker without lanes runs nothing"
    );
    let names: Vec<_> = launched
        .hello
        .commands
        .iter()
        .map(|command| &*command.name)
        .collect();
    for name in ["echo", "fail", "count", "sleep", "die"] {
        assert!(
            names.contains(&name),
            "`{name}` is not among the commands {names:?}"
        );
    }
}

pub async fn many_workers_can_be_launched_at_once(bench: &Bench) {
    let echoes = (0..4).map(async |number| {
        let worker = bench.worker().await;
        one(&*worker, bench.call("echo", Args::positional([number]))).await
    });
    let answers = join_all(echoes).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.expect("echo"), Value::from(number));
    }
}

pub async fn a_launch_dropped_at_any_time_leaves_nothing(bench: &Bench) {
    let profile = bench.profile();
    for wait in [0, 1, 2, 5, 10, 20, 50] {
        let launch = profile.launch(bench.context());
        if let Ok(Ok(launched)) = timeout(Duration::from_millis(wait), launch).await {
            launched.worker.abort("it was launched too early");
        }
    }
    bench.nothing_is_left().await;
    let worker = bench.worker().await;
    one(&*worker, bench.call("echo", Args::positional([1])))
        .await
        .expect("a launch after those");
}

pub async fn a_pool_that_is_dropped_leaves_nothing(bench: &Bench) {
    let pool = bench.pool(2).await;
    let running = pool.request("sleep", FOR_EVER).call::<()>();
    let _ = timeout(A_MOMENT, running).await;
    drop(pool);
    assert_eq!(bench.workers().len(), 2);
    bench.nothing_is_left().await;
}

pub async fn a_pool_that_is_shut_down_leaves_nothing(bench: &Bench) {
    let pool = bench.pool(2).await;
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("echo"), 1);
    pool.drain(LONG_GRACE).await;
    bench.nothing_is_left().await;
}
