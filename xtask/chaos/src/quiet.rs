//! Looks at everything while nothing is done: are the pools whole, do their numbers agree with `/proc`, is something left?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use snakepit_core::HealthStatus;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::arena::{Arena, Ground};
use crate::history::History;
use crate::load;
use crate::proc::{self, Possessions};

/// How long anything may take to end, or pools to be whole again. A launch that failed several times is tried again after half a minute.
const PATIENCE: Duration = Duration::from_secs(45);
/// The callers of the end are others than those of any storm.
const LAST_STORM: usize = usize::MAX / 2;
const LAST_CALLS: Duration = Duration::from_secs(1);
/// How much memory of the host may come and go.
const NOISE: u64 = 64 << 20;

/// What was seen at a quiet moment.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// How long it took until all was well.
    pub(crate) settled: Duration,
    /// Memory of this process, in bytes.
    pub(crate) resident: u64,
    pub(crate) has: Possessions,
    /// Calls that were given a lane so far.
    pub(crate) calls: u64,
}

/// Waits until all is well, then looks. What is not well is a fault.
pub(crate) async fn look(arena: &Arc<Arena>, before: Option<&Look>) -> Result<Look> {
    let began = Instant::now();
    let bad = loop {
        let bad = unsettled(arena, before);
        if bad.is_empty() || began.elapsed() > PATIENCE {
            break bad;
        }
        sleep(Duration::from_millis(20)).await;
    };
    let settled = began.elapsed();
    for what in bad {
        arena.history.fault(format!("not whole again: {what}"));
    }
    let mut calls = 0;
    for ground in &arena.grounds {
        for fault in ground.ledger.audit()? {
            ground.fault(fault);
        }
        let name = ground.pool.name();
        for fault in arena
            .history
            .audit(name, ground.pool.snapshot().workers.len())
        {
            arena.history.fault(fault);
        }
        calls += arena.history.counts(name).started;
    }
    let look = Look {
        settled,
        resident: proc::resident()?,
        has: Possessions::now(),
        calls,
    };
    if let Some(before) = before.filter(|before| look.resident > before.resident + NOISE) {
        arena.history.fault(format!(
            "memory grew from {} to {} MiB",
            before.resident >> 20,
            look.resident >> 20
        ));
    }
    Ok(look)
}

/// What is not as it has to be in the end.
fn unsettled(arena: &Arena, before: Option<&Look>) -> Vec<String> {
    let mut bad: Vec<String> = arena
        .grounds
        .iter()
        .flat_map(|ground| incomplete(ground))
        .collect();
    if !bad.is_empty() {
        return bad;
    }
    for ground in &arena.grounds {
        bad.extend(strangers(arena, ground));
    }
    let zombies = proc::zombies();
    if zombies > 0 {
        bad.push(format!(
            "{zombies} children ended and nobody waited for them"
        ));
    }
    if let Some(before) = before {
        bad.extend(Possessions::now().beyond(&before.has));
    }
    bad
}

/// Where a pool is not what it is meant to be, by its own words.
fn incomplete(ground: &Ground) -> Vec<String> {
    let (name, shape) = (ground.shape.name, ground.shape);
    let snapshot = ground.pool.snapshot();
    let health = ground.pool.health();
    let mut bad = Vec::new();
    let mut expect = |what: &str, is: usize, wanted: usize| {
        if is != wanted {
            bad.push(format!("{name}: {is} {what}, not {wanted}"));
        }
    };
    expect("workers wanted", snapshot.target, shape.workers);
    expect("workers ready", snapshot.ready, shape.workers);
    expect("workers in all", snapshot.workers.len(), shape.workers);
    expect(
        "lanes",
        snapshot.lanes,
        shape.workers * usize::from(shape.lanes),
    );
    expect("calls running", snapshot.running, 0);
    expect("calls waiting", snapshot.queued, 0);
    if health.status != HealthStatus::Ready {
        bad.push(format!(
            "{name}: health is {}: {}",
            health.status,
            health.reasons.join("; ")
        ));
    }
    bad
}

/// Where a pool's words and `/proc` do not agree.
fn strangers(arena: &Arena, ground: &Ground) -> Vec<String> {
    let name = ground.shape.name;
    let there = proc::of_run(&arena.run, Some(name));
    let workers = ground.workers();
    let mut bad = Vec::new();
    for worker in &workers {
        match there.iter().find(|process| process.pid == *worker) {
            Some(process) if "TZX".contains(process.state) => {
                bad.push(format!(
                    "{name}: worker process {worker} is in state {}",
                    process.state
                ));
            }
            Some(_) => {}
            None => bad.push(format!("{name}: worker process {worker} is not there")),
        }
    }
    // A zygote is our child and no worker; there is one, or none if its workers do without.
    let others: Vec<_> = there
        .iter()
        .filter(|process| !workers.contains(&process.pid))
        .collect();
    let zygotes = others
        .iter()
        .filter(|process| process.parent == std::process::id());
    if others.len() > 1 || zygotes.count() != others.len() {
        for other in others {
            bad.push(format!(
                "{name}: process {} (`{}`, state {}, parent {}) is no worker and not the one zygote",
                other.pid, other.name, other.state, other.parent
            ));
        }
    }
    bad
}

/// Ends all pools under load, some of them in good order: each call has an outcome, each worker there was has ended once.
pub(crate) async fn end(arena: &Arc<Arena>, seed: u64) -> Result<()> {
    let callers = load::callers(arena, seed, LAST_STORM, Instant::now() + LAST_CALLS);
    sleep(LAST_CALLS / 2).await;
    let mut ends = JoinSet::new();
    for ground in arena.grounds.iter().map(Arc::clone) {
        ends.spawn(async move {
            ground.ends.store(true, Ordering::Relaxed);
            let drains = ground.index.is_multiple_of(2);
            ground.did(if drains { "drain" } else { "shutdown" });
            if drains {
                ground.pool.drain(LAST_CALLS / 4).await;
            } else {
                ground.pool.shutdown().await;
            }
        });
    }
    ended(arena, ends, "draining and shutting down").await;
    ended(arena, callers, "the last calls").await;
    for ground in &arena.grounds {
        for fault in ground.ledger.audit()? {
            ground.fault(fault);
        }
        for fault in arena.history.audit(ground.pool.name(), 0) {
            arena.history.fault(fault);
        }
    }
    Ok(())
}

/// Waits for tasks that have to end by themselves.
pub(crate) async fn ended(arena: &Arena, mut tasks: JoinSet<()>, what: &str) {
    let all = async {
        while let Some(done) = tasks.join_next().await {
            if let Err(error) = done {
                arena
                    .history
                    .fault(format!("a task of {what} failed: {error}"));
            }
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        arena
            .history
            .fault(format!("{what} did not end in {PATIENCE:?}"));
    }
}

/// When the pools are gone, so are their processes.
pub(crate) async fn nothing_left(run: &str, history: &History) {
    let began = Instant::now();
    let left = loop {
        let left = proc::of_run(run, None);
        if left.is_empty() || began.elapsed() > PATIENCE {
            break left;
        }
        sleep(Duration::from_millis(20)).await;
    };
    for process in left {
        history.fault(format!("left running: {process:?}"));
    }
}
