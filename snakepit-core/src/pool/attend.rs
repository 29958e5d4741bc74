//! Attending to one worker while it lives: taking its readings, and asking now and then whether it is there. Part of the
//! worker's own task; knows no policy.

use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant as Deadline, Interval, MissedTickBehavior, interval_at, timeout_at};

use super::foreign::{caught, caught_later};
use super::member::{Member, Record};
use super::shared::{Shared, State};
use crate::error::ExitReport;
use crate::ids::WorkerId;
use crate::notice::Notice;
use crate::recycle::Needs;
use crate::usage::{Meter, Usage};

/// What a worker uses that has just become ready, if a policy asks for that and somebody can tell by then.
pub(super) async fn measure(
    shared: &Weak<Shared>,
    worker: WorkerId,
    process: Option<u32>,
    by: Deadline,
) -> Option<Usage> {
    let meter = {
        let shared = shared.upgrade()?;
        shared.policies.needs.usage?;
        shared.policies.meter.clone()?
    };
    let process = process?;
    let reading = spawn_blocking(move || caught(|| meter.read(process)));
    let failure = match timeout_at(by, reading).await {
        Ok(Ok(Ok(usage))) => return usage,
        Ok(Ok(Err(words))) => format!("measuring a worker panicked: {words}"),
        // The runtime is going away.
        Ok(Err(_cancelled)) => return None,
        Err(_elapsed) => "measuring a worker took longer than was left to launch it".to_owned(),
    };
    meter_failed(shared, worker, failure);
    None
}

fn meter_failed(shared: &Weak<Shared>, worker: WorkerId, failure: String) {
    if let Some(shared) = shared.upgrade() {
        let hint = "policies that go by what a worker uses do less than they should, or nothing";
        let notice = Notice::new("meter.failed", failure).with_hint(hint);
        shared.take_notice(worker, notice);
    }
}

/// Attends to a worker until it is gone.
pub(super) async fn attend(
    shared: &Weak<Shared>,
    member: &Arc<Member>,
    needs: Needs,
    meter: Option<Arc<dyn Meter>>,
) -> ExitReport {
    // The policies are asked here and not on the meter's thread, which measures for everybody.
    let (sender, mut readings) = mpsc::unbounded_channel();
    let watched = needs.usage.zip(meter).zip(member.hello.process);
    let _watch = watched.and_then(|((every, meter), process)| {
        let report = move |usage| {
            // Nobody listens any more once the worker is gone.
            let _ = sender.send(usage);
        };
        caught(|| meter.watch(process, every, Box::new(report)))
            .map_err(|words| {
                let failure = format!("watching a worker panicked: {words}");
                meter_failed(shared, member.id, failure);
            })
            .ok()
    });
    let mut heartbeat = needs.heartbeat.map(Heartbeat::new);
    let mut exited = member.worker.exited();
    let mut ping = None;
    loop {
        tokio::select! {
            biased;
            report = &mut exited => return report,
            Some(usage) = readings.recv() => {
                let Some(shared) = shared.upgrade() else { continue };
                if let Some(record) = shared.state.lock().record(member.id) {
                    record.read(usage, member.tally.finished());
                }
                shared.assess(member.id);
            }
            answered = maybe(&mut ping) => {
                ping = None;
                if let (true, Some(shared)) = (answered, shared.upgrade()) {
                    shared.heard(member.id);
                }
            }
            () = Heartbeat::beat(&mut heartbeat) => {
                let Some((heartbeat, shared)) = heartbeat.as_mut().zip(shared.upgrade()) else { continue };
                if heartbeat.has_worked(member) {
                    shared.heard(member.id);
                } else if ping.is_none() {
                    let asked = caught_later(async { member.worker.ping().await });
                    ping = Some(Box::pin(async { matches!(asked.await, Ok(Ok(()))) }));
                }
                shared.listen(member.id, heartbeat.every);
            }
        }
    }
}

/// Polls what there may be.
async fn maybe<T>(work: &mut Option<impl Future<Output = T> + Unpin>) -> T {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}

/// When to ask for a sign of life.
struct Heartbeat {
    every: Duration,
    ticks: Interval,
    finished: u64,
}

impl Heartbeat {
    fn new(every: Duration) -> Self {
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            every,
            ticks,
            finished: 0,
        }
    }

    async fn beat(this: &mut Option<Self>) {
        match this {
            Some(heartbeat) => drop(heartbeat.ticks.tick().await),
            None => pending().await,
        }
    }

    /// Whether the worker has finished a call since this was last asked.
    fn has_worked(&mut self, member: &Member) -> bool {
        let finished = member.tally.finished();
        std::mem::replace(&mut self.finished, finished) != finished
    }
}

impl Shared {
    /// A worker gave a sign of life.
    fn heard(self: &Arc<Self>, worker: WorkerId) {
        self.sign(worker, |_| Some(Instant::now()));
    }

    /// Notices when a worker has given no sign for longer than a heartbeat takes, and asks the policies.
    fn listen(self: &Arc<Self>, worker: WorkerId, every: Duration) {
        let late = every + every / 2;
        if self.sign(worker, |heard_at| {
            (heard_at.elapsed() <= late).then_some(heard_at)
        }) {
            self.assess(worker);
        }
    }

    /// Takes down when a worker gave its last sign, or that it gave none. Whether it is silent now.
    fn sign(
        self: &Arc<Self>,
        worker: WorkerId,
        heard: impl FnOnce(Instant) -> Option<Instant>,
    ) -> bool {
        let mut state = self.state.lock();
        let Some(record) = state.record(worker) else {
            return false;
        };
        let heard_at = heard(record.heard_at);
        record.heard_at = heard_at.unwrap_or(record.heard_at);
        let silent = heard_at.is_none();
        let changed = std::mem::replace(&mut record.silent, silent) != silent;
        drop(state);
        if changed {
            self.step_by(|state| {
                state.count_silent();
                (None, None)
            });
        }
        silent
    }
}

impl State {
    /// After a worker fell silent, was heard again, or takes no more calls.
    pub(super) fn count_silent(&mut self) {
        self.silent = self.silent().count();
    }

    /// The workers that take calls and have given no sign for too long.
    pub(super) fn silent(&self) -> impl Iterator<Item = &(Arc<Member>, Record)> {
        let silent = self.members.values().filter(|(_, record)| record.silent);
        silent.filter(|(member, _)| {
            let status = self.sched.worker(member.id);
            status.is_some_and(|status| status.state.is_serving())
        })
    }
}
