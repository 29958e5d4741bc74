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
        "revision": ask("git", &["rev-parse", "HEAD"]),
        "dirty": !ask("git", &["status", "--porcelain"]).is_empty(),
        "python": ask(&python.display().to_string(), &["-c", "import sys; print(sys.version)"]),
    })
}

/// Which share of the processors others use, in the half second before we begin. A busy machine has no idle processors to
/// wake, so a bare round trip is several times faster than on a quiet one: ratios to it say nothing then.
fn busy() -> f64 {
    let ticks = || {
        let stat = read("/proc/stat");
        let fields = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1);
        let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
        // The fourth and fifth are idle, and idle waiting for a disk.
        (
            ticks.iter().take(8).sum::<f64>(),
            ticks.iter().skip(3).take(2).sum::<f64>(),
        )
    };
    let (all, idle) = ticks();
    std::thread::sleep(Duration::from_millis(500));
    let (all_later, idle_later) = ticks();
    1.0 - (idle_later - idle) / (all_later - all).max(1.0)
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
