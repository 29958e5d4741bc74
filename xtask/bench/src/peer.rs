//! The peers: Python programs under `peers/`, each measured by a process of its own.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::report::Bar;
use crate::setup::{Setup, here};

/// Another way to have Python work done in other processes.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    script: &'static str,
    variant: &'static str,
    /// How many times its throughput we promise.
    pub(crate) bar: Bar,
}

pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "ProcessPoolExecutor (spawn)",
        script: "executor.py",
        variant: "spawn",
        bar: Bar::AtLeast(4.0),
    },
    Peer {
        name: "ProcessPoolExecutor (forkserver)",
        script: "executor.py",
        variant: "forkserver",
        bar: Bar::AtLeast(4.0),
    },
    Peer {
        name: "loky",
        script: "peer_loky.py",
        variant: "",
        bar: Bar::AtLeast(4.0),
    },
    Peer {
        name: "pebble",
        script: "peer_pebble.py",
        variant: "",
        bar: Bar::AtLeastGoal(2.5, 4.0),
    },
    Peer {
        name: "grpcio",
        script: "peer_grpcio.py",
        variant: "",
        bar: Bar::AtLeast(12.0),
    },
];

impl Peer {
    /// The p50 of a call, 1 worker, in microseconds.
    pub(crate) fn latency(&self, setup: &Setup) -> Result<f64> {
        self.figure(setup, "latency", "p50_us")
    }

    /// Calls a second, 2 workers, 64 in flight.
    pub(crate) fn throughput(&self, setup: &Setup) -> Result<f64> {
        self.figure(setup, "throughput", "calls_per_s")
    }

    fn figure(&self, setup: &Setup, mode: &str, key: &str) -> Result<f64> {
        let folder = here().join("peers");
        let mut command = Command::new(&setup.python);
        let seconds = setup.duration.as_secs_f64().to_string();
        command
            .current_dir(folder)
            .args([self.script, mode, &seconds, self.variant])
            .stdin(Stdio::null());
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(
            output.status.success(),
            "{} {mode}: {}",
            self.name,
            output.status
        );
        let said: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{} {mode}", self.name))?;
        said[key]
            .as_f64()
            .with_context(|| format!("{} {mode} did not say {key}", self.name))
    }
}
