//! Telling workers of sessions that ended, in the background: nobody waits for it, and it waits for nobody but the worker.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::control::Control;
use super::lease::Lease;
use super::shared::{Answer, Shared, State};
use crate::ids::{CallId, NumberMap, WorkerId};
use crate::sched::{Arrival, Ended, Priority, Refusal};
use crate::session::SESSION_CLOSED;
use crate::value::{Args, Value};
use crate::worker::Call;

/// Sessions that one call tells of. Each may run code of the adapter.
const AT_ONCE: usize = 64;

/// How long a call may take at least that tells of them: a pool whose calls have no time would ask again for ever.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// What each worker has yet to be told; one that has an entry has a task that sees to it.
#[derive(Debug, Default)]
pub(super) struct Farewells(NumberMap<WorkerId, Vec<Value>>);

impl Farewells {
    /// Has a worker told of a session. True if there has to be a task for that.
    fn add(&mut self, worker: WorkerId, ended: &Ended, says_good_bye: bool) -> bool {
        let is_new = !self.0.contains_key(&worker);
        let number = i64::try_from(ended.number).unwrap_or(i64::MAX);
        self.0.entry(worker).or_default().push(Value::List(vec![
            ended.session.as_str().into(),
            number.into(),
            says_good_bye.into(),
        ]));
        is_new
    }

    /// What to tell a worker next. Without anything its task is over.
    fn next(&mut self, worker: WorkerId) -> Option<Vec<Value>> {
        let waiting = self.0.get_mut(&worker)?;
        if waiting.is_empty() {
            self.0.remove(&worker);
            return None;
        }
        Some(waiting.drain(..waiting.len().min(AT_ONCE)).collect())
    }
}

impl State {
    /// Has the workers told that have seen a session and keep something for sessions. Returns those that need a task.
    pub(super) fn bid_farewell(&mut self, ended: &Ended) -> Vec<WorkerId> {
        let mut begin = Vec::new();
        for (place, worker) in ended.workers.iter().enumerate() {
            let member = self.members.get(worker);
            if member.is_some_and(|(member, _)| member.hello.keeps_sessions)
                && self.farewells.add(*worker, ended, place == 0)
            {
                begin.push(*worker);
            }
        }
        begin
    }
}

/// Tells one worker all there is to tell. Holds the pool only while it does.
pub(super) async fn tell(shared: Weak<Shared>, worker: WorkerId) {
    while let Some((args, patience)) = next(&shared, worker) {
        while let Some((call, asked)) = ask(&shared, worker, patience) {
            let answer = match asked {
                Ok(answer) => answer,
                Err(receiver) => receiver.await.unwrap_or(Err(Refusal::Closed)),
            };
            match answer {
                Ok(lease) => run(lease, call, &args, patience).await,
                Err(Refusal::QueueTimeout) => continue,
                // It is gone, or will be: what it knew of the session is, too.
                Err(_) => {}
            }
            break;
        }
    }
}

fn next(shared: &Weak<Shared>, worker: WorkerId) -> Option<(Arc<Args>, Duration)> {
    let shared = shared.upgrade()?;
    let ended = shared.state.lock().farewells.next(worker)?;
    let args = Args {
        positional: vec![Value::List(ended)],
        ..Args::none()
    };
    let patience = shared.settings.request_timeout.max(LEAST_PATIENCE);
    Some((Arc::new(args), patience))
}

type Asked = Result<Answer, oneshot::Receiver<Answer>>;

/// Asks for a lane of this worker.
fn ask(shared: &Weak<Shared>, worker: WorkerId, patience: Duration) -> Option<(CallId, Asked)> {
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
    let control = Arc::new(Control::new(SESSION_CLOSED.into()));
    Some((call, shared.admit(arrival, control)))
}

async fn run(mut lease: Lease, id: CallId, args: &Arc<Args>, patience: Duration) {
    let mut call = Call::new(id, SESSION_CLOSED, Args::none());
    call.args = Arc::clone(args);
    call.deadline = Some(Instant::now() + patience);
    // A failure has nobody to be told to: the worker says in its output what the adapter raised.
    let _ = tokio::time::timeout(patience, lease.run(call, Instant::now())).await;
}
