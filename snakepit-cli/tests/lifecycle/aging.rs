//! Workers that served long enough, or that nobody needs.

use std::collections::BTreeSet;

use crate::support::start;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_replaced_after_its_number_of_calls_and_no_call_notices() {
    for profile in ["process", "thread"] {
        let keys = format!("    worker_profile: {profile}\n    gil: any\n    thread_safety: off\n");
        let keys = if profile == "process" {
            String::new()
        } else {
            keys
        };
        let mut pit = start(&format!(
            "{keys}    pool_size: 1\n    worker_max_requests: 3\n    recycle_jitter: 0%\n"
        ))
        .await;
        let mut processes = BTreeSet::new();
        while processes.len() < 4 {
            processes.insert(pit.process("pid", ()).await);
        }
        let why = pit.due().await;
        assert!(why.ends_with("calls, `worker_max_requests` is 3"), "{why}");
        pit.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_replaced_after_its_time_and_no_call_notices() {
    let mut pit = start("    pool_size: 2\n    worker_ttl: 100ms\n").await;
    let mut processes = BTreeSet::new();
    while processes.len() < 6 {
        processes.insert(pit.process("pid", ()).await);
    }
    let why = pit.due().await;
    assert!(why.starts_with("it has been ready for "), "{why}");
    assert!(why.ends_with(", `worker_ttl` is 100ms"), "{why}");
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_grew_shrinks_again_when_nobody_calls() {
    let mut pit = start(
        "    pool_size: {min: 1, max: 3}\n    scale_up_after: 1ms\n    scale_cooldown: 10ms\n    worker_idle_ttl: 200ms\n",
    )
    .await;
    let calls = async || pit.process("wait", (0.5,)).await;
    let (first, second, third) = tokio::join!(calls(), calls(), calls());
    assert!(
        BTreeSet::from([first, second, third]).len() > 1,
        "it has grown"
    );
    while pit.pool().snapshot().ready > 1 {
        pit.gone().await;
    }
    pit.process("pid", ()).await;
    pit.end().await;
}
