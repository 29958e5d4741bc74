//! Where and what was measured: machine, revision, interpreter.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Everything a reader of the figures needs to know about their origin.
pub(crate) fn describe(python: &Path) -> Value {
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "date": ask("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "host": name(),
        "cpu": cpu.map_or("unknown", |(_, model)| model),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "busy": busy(),
        "autogroup": read("/proc/sys/kernel/sched_autogroup_enabled") == "1",
        "revision": ask("git", &["rev-parse", "HEAD"]),
        "dirty": !ask("git", &["status", "--porcelain"]).is_empty(),
        "python": ask(&python.display().to_string(), &["-c", "import sys; print(sys.version)"]),
    })
}

/// Which share of the processors others use, in half a second in which we do nothing. A busy machine has no idle processors to
/// wake, so a bare round trip is several times faster than on a quiet one: ratios to it say nothing then.
pub(crate) fn busy() -> f64 {
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    let after = ticks();
    1.0 - (after.idle - before.idle) / (after.all - before.all).max(1.0)
}

/// What all processors did since the machine started, in ticks of the kernel.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    all: f64,
    idle: f64,
    stolen: f64,
}

pub(crate) fn ticks() -> Ticks {
    let stat = read("/proc/stat");
    let fields = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    Ticks {
        all: ticks.iter().take(8).sum(),
        // Idle, and idle waiting for a disk.
        idle: ticks.iter().skip(3).take(2).sum(),
        stolen: ticks.get(7).copied().unwrap_or_default(),
    }
}

/// Which share of the processors a virtual machine's host gave to others between two moments.
pub(crate) fn stolen(before: Ticks, after: Ticks) -> f64 {
    (after.stolen - before.stolen) / (after.all - before.all).max(1.0)
}

/// The folder name of a run: date and host.
pub(crate) fn run_name() -> String {
    format!("{}-{}", ask("date", &["-u", "+%Y%m%d-%H%M%S"]), name())
}

fn name() -> String {
    read("/proc/sys/kernel/hostname")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What a command prints, or nothing: a missing fact is no reason not to measure.
fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
