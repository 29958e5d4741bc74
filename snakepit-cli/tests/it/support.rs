//! Runs `snakepit` with a bound on its time, and looks for what it left behind. Knows no test.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::leftover;

/// Far beyond what anything here takes: a bound on hanging, not a measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A run of the binary, being put together.
pub(crate) struct Snakepit {
    command: Command,
    marker: String,
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run that may not have ended yet.
pub(crate) struct Running {
    child: Child,
    stderr: Receiver<String>,
    /// What came from it so far.
    said: String,
    marker: String,
}

/// A file of the zoo.
pub(crate) fn zoo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/zoo")
        .join(name)
}

/// The interpreter to test with.
pub(crate) fn python() -> String {
    std::env::var("SNAKEPIT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// `snakepit` with these arguments.
pub(crate) fn snakepit(args: &[&str]) -> Snakepit {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let marker = format!("{}-{run}", std::process::id());
    let mut command = Command::new(env!("CARGO_BIN_EXE_snakepit"));
    command
        .args(args)
        .env(leftover::MARKER, &marker)
        .env("SNAKEPIT_PYTHON", python());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Snakepit { command, marker }
}

/// `snakepit call --adapter` with an adapter of the zoo.
pub(crate) fn call(adapter: &str, args: &[&str]) -> Finished {
    let adapter = zoo(adapter).display().to_string();
    snakepit(&[&["call", "--adapter", &adapter], args].concat()).run()
}

impl Snakepit {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Has its standard input written by the test, [`Running::stdin`].
    pub(crate) fn interactive(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Runs it to its end, and makes sure that no process is left.
    pub(crate) fn run(self) -> Finished {
        let mut running = self.start();
        let stdout = running.child.stdout.take().map(read_all);
        running.finish(stdout)
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the binary starts");
        let stderr = lines(child.stderr.take().expect("it is piped"));
        Running {
            child,
            stderr,
            said: String::new(),
            marker: self.marker,
        }
    }
}

impl Running {
    /// The standard output, to be read, or closed, by the test.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("nobody took it before")
    }

    /// The standard input, to be written, or closed, by the test.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is interactive")
    }

    /// Reads standard error until it has this text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !self.said.contains(text) {
            match self.stderr.recv_timeout(BOUND) {
                Ok(line) => self.said += &line,
                Err(error) => panic!("no `{text}` in {}: {error}", self.said),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits until it has ended and left no process.
    pub(crate) fn end(self) -> Finished {
        self.finish(None)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn finish(self, stdout: Option<JoinHandle<String>>) -> Finished {
        let pid = self.pid();
        let (ended, end) = channel();
        let mut child = self.child;
        let waiting = thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            // The receiver is gone when the test has failed.
            let _ = ended.send(status);
        });
        let Ok(status) = end.recv_timeout(BOUND) else {
            // It was not waited for yet, so this is still the same process.
            let _ = kill_process(pid, Signal::KILL);
            panic!("snakepit hangs");
        };
        waiting.join().expect("waiting does not panic");
        leftover::assert_none(&self.marker);
        let stdout = stdout.map(|thread| thread.join().expect("reading does not panic"));
        let stderr = self
            .stderr
            .iter()
            .fold(self.said, |said, line| said + &line);
        Finished {
            status,
            stdout: stdout.unwrap_or_default(),
            stderr,
        }
    }
}

/// Reads a pipe to its end, line by line.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while pipe
            .read_line(&mut line)
            .expect("what snakepit prints is UTF-8")
            > 0
        {
            // Read on when nobody listens: a full pipe would stop the run.
            let _ = sender.send(std::mem::take(&mut line));
        }
    });
    receiver
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8(bytes).expect("what snakepit prints is UTF-8")
    })
}

impl Finished {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Checks everything on standard output.
    #[track_caller]
    pub(crate) fn prints(self, stdout: &str) -> Self {
        assert_eq!(self.stdout, stdout, "{self:#?}");
        self
    }

    /// Checks that standard error has each of these, in this order.
    #[track_caller]
    pub(crate) fn says(self, expected: &[&str]) -> Self {
        let mut rest = self.stderr.as_str();
        for text in expected {
            let at = rest.find(text);
            rest = &rest[at.unwrap_or_else(|| panic!("no `{text}` in {self:#?}")) + text.len()..];
        }
        self
    }
}
