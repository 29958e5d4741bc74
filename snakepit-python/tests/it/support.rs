//! Interpreters to test with, and a look for what was left behind. Knows no test.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use snakepit_python::{Environment, Finder, Prober, Request};
use tempfile::TempDir;

/// Inherited by everything a test starts.
const MARKER: &str = "SNAKEPIT_PYTHON_TEST_RUN";
/// Far beyond what anything here takes: a bound on hanging, not a measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// For programs that are to be killed.
pub(crate) const SOON: Duration = Duration::from_millis(300);

/// A folder for one test, with a cache and a home of its own. Dropping it looks for processes that were left.
pub(crate) struct Place {
    root: TempDir,
    run: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        Self {
            root: tempfile::tempdir().unwrap(),
            run: format!("{}-{run}", std::process::id()),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A program. Copied by another process: no test may hold it open for writing while another test forks.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let draft = self.write(&format!("{name}.draft"), text);
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        let path = self.path(name);
        assert!(
            Command::new("cp")
                .args([&draft, &path])
                .status()
                .unwrap()
                .success()
        );
        path
    }

    /// This process's environment, without what the machine's user has chosen.
    pub(crate) fn environment(&self) -> Environment {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Environment::empty(self.root.path())
            .with("PATH", path)
            .with("HOME", self.path("home"))
            .with("PYTHONDONTWRITEBYTECODE", "1")
            .with(MARKER, &self.run)
    }

    pub(crate) fn prober(&self) -> Prober {
        Prober::new(self.environment()).with_time_limit(BOUND)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_none_left(&format!("{MARKER}={}", self.run));
        }
    }
}

/// The interpreter to test with, past any shim.
pub(crate) fn python() -> PathBuf {
    let name = std::env::var("SNAKEPIT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let request: Request = name.parse().unwrap();
    let (_, probe) = Finder::of_this_process().find_and_probe(&request).unwrap();
    probe.executable
}

/// An interpreter of the kind under test that has numpy, if there is one.
pub(crate) fn environment_with_numpy() -> Option<PathBuf> {
    std::env::var_os("SNAKEPIT_TEST_ENVIRONMENT").map(PathBuf::from)
}

/// Says why a test did not test anything, past the capture of its output.
pub(crate) fn skipped(why: &str) {
    let line = format!("skipped: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What the interpreter to test with prints.
pub(crate) fn prints(code: &str) -> String {
    let output = Command::new(python()).args(["-c", code]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A virtual environment without pip, which takes long.
pub(crate) fn virtual_environment(place: &Place, name: &str) -> PathBuf {
    let folder = place.path(name);
    let made = Command::new(python())
        .args(["-m", "venv", "--without-pip"])
        .arg(&folder)
        .status();
    assert!(made.unwrap().success());
    folder
}

/// The folder of an environment that libraries are installed in.
pub(crate) fn site_packages(environment: &Path) -> PathBuf {
    let library = fs::read_dir(environment.join("lib"))
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    library.path().join("site-packages")
}

/// Waits for what is just ending, and fails if something is not.
fn assert_none_left(wanted: &str) {
    while let Some(pid) = find(wanted.as_bytes()) {
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let mut ends = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        let bound = Timespec::try_from(BOUND).unwrap();
        assert!(
            poll(&mut ends, Some(&bound)).unwrap() > 0,
            "{pid:?} is left"
        );
    }
}

fn find(wanted: &[u8]) -> Option<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).find(|pid| {
        let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        environ.is_ok_and(|environ| {
            environ
                .split(|byte| *byte == 0)
                .any(|entry| entry == wanted)
        })
    })
}
