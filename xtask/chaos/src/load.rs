//! Callers, and what must be true of each call they make; must not know what else is done to the pools.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use snakepit_core::error::{Rejection, RemoteKind};
use snakepit_core::{Affinity, CallError, Request};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::arena::{Arena, Ground};
use crate::calls::{Calls, PATIENCE, Plan, What};
use crate::ledger::Promise;
use crate::stall::stalled;

/// Callers of each pool.
const CALLERS: usize = 6;
/// How much later than its deadline a caller may hear: the machine is busy with other things, some of them processes that are
/// started.
pub(crate) const SLACK: Duration = Duration::from_secs(2);
/// After that a call is given up for lost.
const LOST: Duration = Duration::from_secs(10);
/// Largest mebibytes a memory bomb takes: more than the pools allow.
const BOMB: u32 = 400;

/// Callers for every pool, until some time.
pub(crate) fn callers(arena: &Arena, seed: u64, storm: usize, until: Instant) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for ground in &arena.grounds {
        for caller in 0..CALLERS {
            let ground = Arc::clone(ground);
            let calls = Calls::new(seed, storm, ground.index, caller, ground.shape.children);
            tasks.spawn(async move {
                let session = format!("caller-{caller}");
                for plan in calls {
                    if Instant::now() >= until {
                        return;
                    }
                    sleep(plan.pause).await;
                    make(&ground, &session, plan).await;
                }
            });
        }
    }
    tasks
}

/// How a call ended for its caller.
enum End {
    Answered,
    /// The caller left before.
    Left,
    /// Something else came back than must have.
    Wrong(String),
    Failed(CallError),
}

impl From<Result<End, CallError>> for End {
    fn from(result: Result<Self, CallError>) -> Self {
        result.unwrap_or_else(Self::Failed)
    }
}

/// Makes a call and judges how it ended.
pub(crate) async fn make(ground: &Arc<Ground>, session: &str, plan: Plan) {
    let nonce = ground.ledger.open(plan.what == What::Idempotent);
    let (began, stood_still) = (Instant::now(), stalled());
    let mut rests = Duration::ZERO;
    let attempt = attempt(ground, session, plan, nonce, &mut rests);
    let Ok(end) = timeout(plan.timeout + LOST, attempt).await else {
        ground.fault(format!(
            "call {nonce:#x} {plan:?} has no outcome after {:?}",
            began.elapsed()
        ));
        return;
    };
    let passed = began.elapsed();
    let took = passed.saturating_sub(rests);
    let stood_still = stalled().saturating_sub(stood_still);
    let late = took.saturating_sub(plan.timeout);
    if late > SLACK {
        ground.fault(format!(
            "call {nonce:#x} {plan:?} took {took:?}, which is {late:?} too long (the machine stood still for {stood_still:?})"
        ));
    }
    let (promise, outcome) = match &end {
        End::Answered => (Promise::Ran, "answered"),
        End::Left => (Promise::Nothing, "left"),
        End::Wrong(what) => {
            ground.fault(format!("call {nonce:#x} {plan:?}: {what}"));
            (Promise::Nothing, "wrong")
        }
        End::Failed(error) => {
            if let Some(why) = surprising(ground, plan, nonce, passed, error) {
                ground.fault(format!("call {nonce:#x} {plan:?}: {why}: {error:?}"));
            }
            (Promise::of(error), error.code())
        }
    };
    ground.ledger.close(nonce, promise);
    let mut tally = ground.tally.lock();
    *tally.outcomes.entry(outcome).or_default() += 1;
    tally.latest = tally.latest.max(late);
}

async fn attempt(
    ground: &Ground,
    session: &str,
    plan: Plan,
    nonce: u64,
    rests: &mut Duration,
) -> End {
    let pool = &ground.pool;
    let answer = |request: Request| async move {
        request
            .timeout(plan.timeout)
            .call::<u64>()
            .await
            .map(|got| same(nonce, got))
    };
    let alone = |command: &str| pool.request(command, (nonce,));
    match plan.what {
        What::Quick => answer(alone("quick")).await.into(),
        What::Idempotent => answer(alone("quick").idempotent(true)).await.into(),
        What::Session(affinity) => answer(alone("quick").session_with(session, affinity))
            .await
            .into(),
        What::Crunch { rounds } => answer(pool.request("crunch", (nonce, rounds))).await.into(),
        What::Nap { seconds } => answer(pool.request("nap", (nonce, seconds))).await.into(),
        What::Raise => answer(alone("fail")).await.into(),
        What::Parent { seconds } => answer(pool.request("parent", (nonce, seconds)))
            .await
            .into(),
        What::Overdue => answer(pool.request("spin", (nonce, 60))).await.into(),
        What::Hang => answer(pool.request("nap", (nonce, 60))).await.into(),
        What::HoldGil => answer(alone("hold")).await.into(),
        What::MemoryBomb => answer(pool.request("bomb", (nonce, BOMB))).await.into(),
        What::Segfault => answer(alone("segfault")).await.into(),
        What::Exit => answer(alone("leave")).await.into(),
        What::Echo { bytes } => echo(
            pool.request("echo", (nonce, "x".repeat(bytes))),
            plan,
            nonce,
            bytes,
        )
        .await
        .into(),
        What::Stream { items, take, pause } => {
            let request = pool
                .request("numbers", (nonce, items))
                .timeout(plan.timeout);
            stream(request, nonce, items, take, pause, rests)
                .await
                .into()
        }
        What::Dropped { after } => {
            let call = answer(pool.request("spin", (nonce, 0.01)));
            timeout(after, call).await.map_or(End::Left, End::from)
        }
        What::Cancelled { after } => {
            let request = pool.request("spin", (nonce, 0.01));
            let handle = request.cancel_handle();
            let stop = async {
                sleep(after).await;
                handle.cancel()
            };
            let (end, stopped) = tokio::join!(answer(request), stop);
            match end {
                Err(CallError::Cancelled { .. })
                    if !stopped && !ground.ends.load(Ordering::Relaxed) =>
                {
                    End::Wrong("cancelled by nobody".to_owned())
                }
                end => end.into(),
            }
        }
    }
}

fn same(nonce: u64, got: u64) -> End {
    if got == nonce {
        End::Answered
    } else {
        End::Wrong(format!("got the answer of call {got:#x}"))
    }
}

async fn echo(request: Request, plan: Plan, nonce: u64, bytes: usize) -> Result<End, CallError> {
    let (got, text) = request
        .timeout(plan.timeout)
        .call::<(u64, String)>()
        .await?;
    if text.len() != bytes || text.bytes().any(|byte| byte != b'x') {
        return Ok(End::Wrong("its payload came back changed".to_owned()));
    }
    Ok(same(nonce, got))
}

/// Takes so many of the items, and drops the stream then unless that was all.
async fn stream(
    request: Request,
    nonce: u64,
    items: u32,
    take: u32,
    pause: Duration,
    rests: &mut Duration,
) -> Result<End, CallError> {
    let mut stream = request.stream::<(u64, u32)>().await?;
    let mut taken = 0;
    while taken < take || take == items {
        let Some(item) = stream.next().await else {
            return Ok(if taken == items {
                End::Answered
            } else {
                End::Wrong(format!("a stream of {items} ended after {taken}"))
            });
        };
        let (got, number) = item?;
        if (got, number) != (nonce, taken) {
            return Ok(End::Wrong(format!(
                "item {taken} of its stream is item {number} of call {got:#x}"
            )));
        }
        taken += 1;
        if pause.is_zero() {
            continue;
        }
        let rest = Instant::now();
        sleep(pause).await;
        *rests += rest.elapsed();
        // What is left may be there already, and then comes even after the deadline.
        if *rests > PATIENCE {
            return Ok(End::Left);
        }
    }
    Ok(End::Left)
}

/// Why a call cannot have ended like this, whatever was done to its pool.
fn surprising(
    ground: &Ground,
    plan: Plan,
    nonce: u64,
    passed: Duration,
    error: &CallError,
) -> Option<&'static str> {
    let ends = ground.ends.load(Ordering::Relaxed);
    let fine = match error {
        CallError::Remote(remote) => match remote.kind {
            RemoteKind::Exception => {
                plan.what == What::Raise
                    && remote.exception.is("ValueError")
                    && remote.exception.message == format!("nonce {nonce}")
            }
            RemoteKind::Expired => true,
            _ => false,
        },
        CallError::TimedOut { after, .. } => {
            if passed < *after {
                return Some("its time was not over");
            }
            true
        }
        CallError::Cancelled { .. } => ends || matches!(plan.what, What::Cancelled { .. }),
        CallError::Poisoned { .. } => plan.what == What::Idempotent,
        CallError::WorkerLost(_) => true,
        CallError::Rejected { reason, .. } => match reason {
            Rejection::QueueFull { .. } => true,
            Rejection::Draining | Rejection::Closed => ends,
            Rejection::SessionBusy { .. } => plan.what == What::Session(Affinity::StrictFailFast),
            Rejection::SessionLost { .. } => matches!(
                plan.what,
                What::Session(Affinity::StrictQueue | Affinity::StrictFailFast)
            ),
            // It waited in vain because launches failed, which are tried again.
            Rejection::Unavailable { cause } => !cause.is_permanent(),
            _ => false,
        },
        _ => false,
    };
    (!fine).then_some("it must not end like this")
}
