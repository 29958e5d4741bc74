//! Where and what was measured: machine, revision, interpreter.

use std::path::Path;
use std::process::{Command, Stdio};

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
        "load": read("/proc/loadavg").split(' ').next(),
        "revision": ask("git", &["rev-parse", "HEAD"]),
        "dirty": !ask("git", &["status", "--porcelain"]).is_empty(),
        "python": ask(&python.display().to_string(), &["-c", "import sys; print(sys.version)"]),
    })
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
