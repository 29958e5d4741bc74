//! Runs named steps one after the other: prints name and time, says how to rerun a failed one, sums up.

use std::fmt::Write as _;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::leftover::{self, MARKER};
use crate::project::{output, root};

/// A step that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The steps run so far.
pub(crate) struct Steps {
    /// Set on every command: finds the processes a step left behind.
    marker: String,
    /// Set on every command and shown with the command to rerun.
    env: Vec<(&'static str, String)>,
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
    slow: Vec<(Duration, String)>,
    start: Instant,
}

impl Steps {
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        let marker = format!("{}-{start:?}", std::process::id()).replace(' ', "");
        Self {
            marker,
            env: Vec::new(),
            passed: 0,
            failed: Vec::new(),
            skipped: Vec::new(),
            slow: Vec::new(),
            start,
        }
    }

    /// Sets a variable for the steps that follow, or takes it away.
    pub(crate) fn set(&mut self, name: &'static str, value: Option<String>) {
        self.env.retain(|(existing, _)| *existing != name);
        self.env.extend(value.map(|value| (name, value)));
    }

    /// Adds the variables of all steps to a command.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.env(MARKER, &self.marker).stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
    }

    /// A step that is one command. The command is not run through a shell.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) {
        self.prepare(command);
        let rerun = shell(command);
        self.check(name, &rerun, |steps| {
            let mut child = command.spawn()?;
            let Some(status) = wait(&mut child, LIMIT)? else {
                // What it started has its marker too, and is ended with it.
                leftover::kill(&leftover::find(&steps.marker));
                child.wait()?;
                bail!("not done after {} minutes, ended", LIMIT.as_secs() / 60);
            };
            ensure!(status.success(), "{status}");
            Ok(())
        });
    }

    /// A step that is one command whose standard output must be right.
    pub(crate) fn output(
        &mut self,
        name: &str,
        command: &mut Command,
        check: impl FnOnce(&str) -> Result<()>,
    ) {
        self.prepare(command);
        let rerun = shell(command);
        self.check(name, &rerun, |_| check(&output(command)?));
    }

    /// A step that is a function; `rerun` is what a person types to run it alone.
    pub(crate) fn check(
        &mut self,
        name: &str,
        rerun: &str,
        step: impl FnOnce(&Self) -> Result<()>,
    ) {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = step(self).and_then(|()| self.nothing_left());
        let time = start.elapsed();
        match result {
            Ok(()) => {
                println!("<== {name}: ok, {:.1} s", time.as_secs_f64());
                self.passed += 1;
            }
            Err(error) => {
                println!(
                    "<== {name}: FAILED after {:.1} s: {error:#}",
                    time.as_secs_f64()
                );
                println!("    rerun: {rerun}");
                self.failed.push(format!("{name}\n    rerun: {rerun}"));
            }
        }
        self.slow.push((time, name.to_owned()));
    }

    /// A step that cannot be run here. Said again at the end, where nobody overlooks it.
    pub(crate) fn skip(&mut self, name: &str, remedy: &str) {
        println!("\n==> {name}\n<== {name}: SKIPPED: {remedy}");
        self.skipped.push(format!("{name}: {remedy}"));
    }

    fn nothing_left(&self) -> Result<()> {
        let left = leftover::wait_until_gone(&self.marker, Duration::from_secs(2));
        let mut list = String::new();
        for process in &left {
            let _ = write!(list, "\n    {process}");
        }
        if !left.is_empty() {
            leftover::kill(&left);
            bail!(
                "it left {} processes running (ended now):{list}",
                left.len()
            );
        }
        Ok(())
    }

    /// Prints the sum of it all; a failure if a step failed.
    pub(crate) fn finish(mut self) -> ExitCode {
        self.slow.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        println!("\nThe slowest steps:");
        for (time, name) in self.slow.iter().take(5) {
            println!("  {:7.1} s  {name}", time.as_secs_f64());
        }
        println!("  {:7.1} s  in all", self.start.elapsed().as_secs_f64());
        for step in &self.skipped {
            println!("SKIPPED: {step}");
        }
        for step in &self.failed {
            println!("FAILED: {step}");
        }
        // The last line, alone: what CI reads.
        println!("{} passed, {} failed", self.passed, self.failed.len());
        if self.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// How a child ended, if it did so in time.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command as one would type it in the root of the repository.
fn shell(command: &Command) -> String {
    let mut text = String::new();
    let folder = command
        .get_current_dir()
        .and_then(|folder| folder.strip_prefix(root()).ok());
    if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
        let _ = write!(text, "cd {} && ", folder.display());
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value.filter(|_| name != MARKER) {
            let _ = write!(
                text,
                "{}={} ",
                name.display(),
                quote(&value.to_string_lossy())
            );
        }
    }
    let program = command.get_program().to_string_lossy();
    // Cargo hands us its full path; people have it on theirs.
    text.push_str(if program.ends_with("/cargo") {
        "cargo"
    } else {
        &program
    });
    for argument in command.get_args() {
        let _ = write!(text, " {}", quote(&argument.to_string_lossy()));
    }
    text
}

fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_one_types_it() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command
            .args(["test", "--", "it's"])
            .env("A", "b c")
            .env(MARKER, "1");
        assert_eq!(shell(&command), r"A='b c' cargo test -- 'it'\''s'");
    }

    #[test]
    fn a_skipped_step_neither_passes_nor_fails() {
        let mut steps = Steps::new();
        steps.skip("flying", "grow wings");
        assert_eq!(steps.skipped, ["flying: grow wings"]);
        assert_eq!((steps.passed, steps.failed.len()), (0, 0));
    }

    #[test]
    fn a_process_left_behind_is_found_by_its_marker() {
        let steps = Steps::new();
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        steps.prepare(&mut sleep);
        let mut child = sleep.spawn().expect("sleep runs");
        let error = steps
            .nothing_left()
            .expect_err("the process is still there")
            .to_string();
        assert!(
            error.contains("it left 1 processes") && error.contains("sleep 60"),
            "{error}"
        );
        child.wait().expect("it was killed");
        steps.nothing_left().expect("it is gone");
    }
}
