//! Looks at the pools all along: do their numbers agree with each other, and do they notice who died? Must not know what is
//! done to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snakepit_core::{PoolSnapshot, WorkerId};
use tokio::time::sleep;

use crate::arena::{Arena, Ground, QUEUE};
use crate::proc;

const EVERY: Duration = Duration::from_millis(20);
/// How long a worker may count as serving when its process is gone. That is known in milliseconds, but not while processes that
/// are started take the machine.
const UNSEEN: Duration = Duration::from_secs(2);

/// Looks until it is dropped.
pub(crate) async fn watch(arena: Arc<Arena>) {
    let mut gone = HashMap::new();
    loop {
        for ground in &arena.grounds {
            let snapshot = ground.pool.snapshot();
            for contradiction in contradictions(&snapshot) {
                ground.fault(format!("{contradiction}: {snapshot:?}"));
            }
            unseen(ground, &snapshot, &mut gone);
        }
        sleep(EVERY).await;
    }
}

/// Where a snapshot does not agree with itself.
fn contradictions(snapshot: &PoolSnapshot) -> Vec<&'static str> {
    let serving = || {
        snapshot
            .workers
            .iter()
            .filter(|worker| matches!(worker.state, "ready" | "due"))
    };
    let busy: usize = snapshot.workers.iter().map(|worker| worker.busy).sum();
    let lanes: usize = serving().map(|worker| worker.lanes).sum();
    let rules = [
        (
            serving().count() == snapshot.ready,
            "the workers that serve are not as many as it says",
        ),
        (
            lanes == snapshot.lanes,
            "the lanes of its workers are not as many as it says",
        ),
        (
            busy == snapshot.running,
            "the lanes in use are not as many as the calls that run",
        ),
        (
            snapshot.queued <= QUEUE,
            "more calls wait than are allowed to",
        ),
        (
            snapshot
                .workers
                .iter()
                .all(|worker| worker.busy <= worker.lanes),
            "a worker runs more calls than it has lanes",
        ),
        (
            snapshot.workers.is_sorted_by_key(|worker| worker.worker),
            "its workers are not in their order",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, rule)| rule).collect()
}

/// Workers that serve by the pool's word, while their process has been gone for long.
fn unseen(
    ground: &Ground,
    snapshot: &PoolSnapshot,
    gone: &mut HashMap<(usize, WorkerId), Instant>,
) {
    for worker in &snapshot.workers {
        let key = (ground.index, worker.worker);
        let serves = matches!(worker.state, "ready" | "due");
        if !serves || worker.process.is_some_and(proc::is_there) {
            gone.remove(&key);
            continue;
        }
        let since = *gone.entry(key).or_insert_with(Instant::now);
        if since.elapsed() > UNSEEN {
            ground.fault(format!(
                "worker {} is `{}`, but its process has been gone for {:?}",
                worker.worker,
                worker.state,
                since.elapsed()
            ));
        }
    }
}
