//! Telling workers of sessions that ended and handles that were dropped, in the background: nobody waits for it, and it waits for nobody but the worker.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::control::Control;
use super::effects::Effect;
use super::lease::Lease;
use super::shared::{Answer, Shared, State};
use crate::ids::{CallId, NumberMap, WorkerId};
use crate::sched::{Arrival, Ended, Priority, Refusal};
use crate::session::{REFS_RELEASED, SESSION_CLOSED};
use crate::value::{Args, Value};
use crate::worker::Call;

/// Sessions that one call tells of. Each may run code of the adapter.
const AT_ONCE: usize = 64;

/// Handles that one call tells of. Most objects go without running any code.
const RELEASED_AT_ONCE: usize = 1024;

/// How long a call may take at least that tells of them: a pool whose calls have no time would ask again for ever.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// What each worker has yet to be told; one that has an entry has a task that sees to it.
#[derive(Debug, Default)]
pub(super) struct Farewells(NumberMap<WorkerId, Untold>);

/// What one worker has yet to be told.
#[derive(Debug, Default)]
struct Untold {
    /// Sessions that ended.
    ended: Vec<Value>,
    /// Objects on which nobody has a handle any more.
    released: Vec<Value>,
}

impl Farewells {
    /// Has a worker told of a session. True if there has to be a task for that.
    fn add(&mut self, worker: WorkerId, ended: &Ended, says_good_bye: bool) -> bool {
        let is_new = !self.0.contains_key(&worker);
        let number = i64::try_from(ended.number).unwrap_or(i64::MAX);
        let untold = self.0.entry(worker).or_default();
        untold.ended.push(Value::List(vec![
            ended.session.as_str().into(),
            number.into(),
            says_good_bye.into(),
        ]));
        is_new
    }

    /// Has a worker told of a handle. True if there has to be a task for that.
    fn release(&mut self, worker: WorkerId, object: u64) -> bool {
        let is_new = !self.0.contains_key(&worker);
        let untold = self.0.entry(worker).or_default();
        untold.released.push(object.into());
        is_new
    }

    /// What to tell a worker next, by which command. Without anything its task is over.
    fn next(&mut self, worker: WorkerId) -> Option<(&'static str, Vec<Value>)> {
        let Untold { ended, released } = self.0.get_mut(&worker)?;
        let (command, waiting, at_once) = if !ended.is_empty() {
            (SESSION_CLOSED, ended, AT_ONCE)
        } else if !released.is_empty() {
            (REFS_RELEASED, released, RELEASED_AT_ONCE)
        } else {
            self.0.remove(&worker);
            return None;
        };
        let told = waiting.drain(..waiting.len().min(at_once)).collect();
        Some((command, told))
    }
}

impl State {
    /// Has the workers told that have seen a session and keep something for sessions, those that need a task by one.
    pub(super) fn bid_farewell(&mut self, ended: &Ended) -> Vec<Effect> {
        let keeps = |worker: &WorkerId| {
            let member = self.members.get(worker);
            member.is_some_and(|(member, _)| member.hello.keeps_sessions)
        };
        let there: Vec<_> = ended.workers.iter().copied().filter(keeps).collect();
        // One that is on its way out hears of nothing any more.
        let best = there.iter().position(|worker| self.sched.serves(*worker));
        let mut begin = Vec::new();
        for (place, worker) in there.into_iter().enumerate() {
            if self.farewells.add(worker, ended, Some(place) == best) {
                begin.push(Effect::Farewell(worker));
            }
        }
        begin
    }

    /// Has the worker of an object told that nobody has a handle on it any more. True if that needs a task.
    pub(super) fn release(&mut self, worker: WorkerId, object: u64) -> bool {
        self.members.contains_key(&worker) && self.farewells.release(worker, object)
    }
}

/// Tells one worker all there is to tell. Holds the pool only while it does.
pub(super) async fn tell(shared: Weak<Shared>, worker: WorkerId) {
    while let Some((command, args, patience)) = next(&shared, worker) {
        while let Some((call, asked)) = ask(&shared, worker, command, patience) {
            let answer = match asked {
                Ok(answer) => answer,
                Err(receiver) => receiver.await.unwrap_or(Err(Refusal::Closed)),
            };
            match answer {
                Ok(lease) => run(lease, call, command, &args, patience).await,
                Err(Refusal::QueueTimeout) => continue,
                // It is gone, or will be: what it knew of the session is, too.
                Err(_) => {}
            }
            break;
        }
    }
}

fn next(shared: &Weak<Shared>, worker: WorkerId) -> Option<(&'static str, Arc<Args>, Duration)> {
    let shared = shared.upgrade()?;
    let (command, told) = shared.state.lock().farewells.next(worker)?;
    let args = Args {
        positional: vec![Value::List(told)],
        ..Args::none()
    };
    let patience = shared.settings.request_timeout.max(LEAST_PATIENCE);
    Some((command, Arc::new(args), patience))
}

type Asked = Result<Answer, oneshot::Receiver<Answer>>;

/// Asks for a lane of this worker.
fn ask(
    shared: &Weak<Shared>,
    worker: WorkerId,
    command: &'static str,
    patience: Duration,
) -> Option<(CallId, Asked)> {
    let shared = shared.upgrade()?;
    let call = shared.next_call();
    let give_up_at = Instant::now() + patience;
    let arrival = Arrival {
        call,
        priority: Priority::Normal,
        session: None,
        only_on: Some(worker),
        give_up_at,
        deadline: give_up_at,
    };
    let control = Arc::new(Control::new(command.into()));
    Some((call, shared.admit(arrival, control)))
}

async fn run(
    mut lease: Lease,
    id: CallId,
    command: &'static str,
    args: &Arc<Args>,
    patience: Duration,
) {
    let mut call = Call::new(id, command, Args::none());
    call.args = Arc::clone(args);
    call.deadline = Some(Instant::now() + patience);
    // A failure has nobody to be told to: the worker says in its output what the adapter raised.
    let _ = tokio::time::timeout(patience, lease.run(call, None, Instant::now())).await;
}
