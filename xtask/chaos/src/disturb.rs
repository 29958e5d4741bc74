//! Does to the pools what the plan says. Must not know what has to hold nevertheless.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use snakepit_core::ResizeError;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::arena::{Arena, Ground};
use crate::calls::{PATIENCE, Plan, What};
use crate::load;
use crate::plan::{Disturbance, Kind, Storm};
use crate::proc::{self, Possessions};

/// Time for a call that is meant to run out of it.
const SHORT: Duration = Duration::from_millis(300);
/// Starts that an order for faults is for.
const FAULTS: usize = 3;

/// What was done, by kind: with effect, and without since there was nothing to do it to.
pub(crate) type Done = BTreeMap<Kind, (u64, u64)>;

/// Does it.
#[derive(Debug)]
pub(crate) struct Disturber {
    arena: Arc<Arena>,
    pub(crate) done: Mutex<Done>,
    /// How many files this process may open when left alone.
    files: Rlimit,
}

impl Disturber {
    pub(crate) fn new(arena: Arc<Arena>) -> Self {
        Self {
            arena,
            done: Mutex::default(),
            files: getrlimit(Resource::Nofile),
        }
    }

    /// One storm. What it leaves unfinished, such as reloads, is in the set.
    pub(crate) async fn storm(&self, storm: &Storm, began: Instant) -> Result<JoinSet<()>> {
        let mut unfinished = JoinSet::new();
        for disturbance in &storm.disturbances {
            sleep_until((began + disturbance.at).into()).await;
            let ground = &self.arena.grounds[disturbance.pool];
            ground.did(disturbance.kind);
            let had_effect = self.disturb(ground, disturbance, &mut unfinished)?;
            let mut done = self.done.lock();
            let (with, without) = done.entry(disturbance.kind).or_default();
            *(if had_effect { with } else { without }) += 1;
        }
        sleep_until((began + storm.lasts).into()).await;
        Ok(unfinished)
    }

    /// Takes back what does not end by itself.
    pub(crate) fn calm(&self) -> Result<()> {
        setrlimit(Resource::Nofile, self.files)?;
        for ground in &self.arena.grounds {
            for order in std::fs::read_dir(&ground.faults)? {
                // Somebody may have taken the order a moment ago.
                let _ = std::fs::remove_file(order?.path());
            }
            if let Err(error) = ground.pool.resize(ground.shape.workers) {
                ground.fault(format!("cannot be resized: {error}"));
            }
        }
        Ok(())
    }

    /// Returns whether there was something to do it to.
    fn disturb(
        &self,
        ground: &Arc<Ground>,
        disturbance: &Disturbance,
        unfinished: &mut JoinSet<()>,
    ) -> Result<bool> {
        let workers = ground.workers();
        let victim = workers
            .get(disturbance.pick % workers.len().max(1))
            .copied();
        let mut call = |what, timeout| {
            let ground = Arc::clone(ground);
            unfinished.spawn(async move {
                load::make(&ground, "disturber", Plan::now(what, timeout)).await;
            });
        };
        match disturbance.kind {
            Kind::KillWorker => {
                victim.inspect(|pid| proc::signal(*pid, Signal::KILL));
                return Ok(victim.is_some());
            }
            Kind::KillAllWorkers => {
                for pid in &workers {
                    proc::signal(*pid, Signal::KILL);
                }
                return Ok(!workers.is_empty());
            }
            Kind::KillZygote => return Ok(self.kill_zygote(ground)),
            Kind::Freeze => {
                victim.inspect(|pid| proc::signal(*pid, Signal::STOP));
                return Ok(victim.is_some());
            }
            Kind::Pause => {
                if let Some(pid) = victim {
                    proc::signal(pid, Signal::STOP);
                    let pause = Duration::from_millis(disturbance.pick as u64 % 500);
                    unfinished.spawn(async move {
                        sleep(pause).await;
                        proc::signal(pid, Signal::CONT);
                    });
                }
                return Ok(victim.is_some());
            }
            Kind::FailForks => order(ground, "fork", disturbance.pick)?,
            Kind::FailStarts => order(ground, "fail", disturbance.pick)?,
            Kind::SlowStarts => order(ground, "slow", disturbance.pick)?,
            Kind::StarveFiles => self.starve(disturbance.pick, unfinished)?,
            Kind::Reload => {
                let ground = Arc::clone(ground);
                // That the new workers do not start is to be expected here.
                unfinished.spawn(async move { drop(ground.pool.reload().await) });
            }
            Kind::Resize => {
                let size = 1 + disturbance.pick % (ground.shape.workers + 2);
                match ground.pool.resize(size) {
                    Ok(()) => {}
                    // Another disturbance may have left us few files.
                    Err(ResizeError::TooMany { .. }) => return Ok(false),
                    Err(error) => ground.fault(format!("cannot be resized to {size}: {error}")),
                }
            }
            Kind::Recycle => {
                let there = ground.pool.snapshot().workers;
                let chosen = there.get(disturbance.pick % there.len().max(1));
                // One that is on its way in or out is refused.
                return Ok(chosen.is_some_and(|chosen| ground.pool.recycle(chosen.worker).is_ok()));
            }
            Kind::MemoryBomb => call(What::MemoryBomb, PATIENCE),
            Kind::Hang => call(What::Hang, SHORT),
            Kind::HoldGil => call(What::HoldGil, SHORT),
            Kind::Segfault => call(What::Segfault, PATIENCE),
            Kind::Exit => call(What::Exit, PATIENCE),
        }
        Ok(true)
    }

    /// Kills the processes of a pool that are our children but serve no calls.
    fn kill_zygote(&self, ground: &Ground) -> bool {
        let workers: Vec<u32> = {
            let snapshot = ground.pool.snapshot();
            let processes = snapshot.workers.iter();
            processes.filter_map(|worker| worker.process).collect()
        };
        let own = std::process::id();
        let zygotes: Vec<u32> = proc::of_run(&self.arena.run, Some(ground.shape.name))
            .iter()
            .filter(|process| process.parent == own && !workers.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        for pid in &zygotes {
            proc::signal(*pid, Signal::KILL);
        }
        !zygotes.is_empty()
    }

    /// Leaves this process hardly any number for a file, for a moment.
    fn starve(&self, pick: usize, unfinished: &mut JoinSet<()>) -> Result<()> {
        let open = Possessions::now().open_files();
        let lowered = Rlimit {
            current: Some(open as u64 + pick as u64 % 4),
            maximum: self.files.maximum,
        };
        setrlimit(Resource::Nofile, lowered)?;
        let files = self.files;
        unfinished.spawn(async move {
            sleep(Duration::from_millis(100 + pick as u64 % 300)).await;
            setrlimit(Resource::Nofile, files).expect("it was allowed before");
        });
        Ok(())
    }
}

/// Has the next starts of a pool go wrong.
fn order(ground: &Ground, fault: &str, pick: usize) -> Result<()> {
    for number in 0..=pick % FAULTS {
        std::fs::write(ground.faults.join(format!("{fault}.{number}")), "")?;
    }
    Ok(())
}
