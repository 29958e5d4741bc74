//! `snakepit python`: what is found, said, recommended and judged, with the interpreter under test.

mod compat;
mod finding;
mod recommend;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Finished, Snakepit, python, snakepit};

/// A folder to run in, with a home of its own, and a `PATH` without interpreters.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("bin")).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A program. Copied by another process: no test may hold it open for writing while another test forks.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let draft = self.write(&format!("{name}.draft"), text);
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        let path = self.path(name);
        let copied = Command::new("cp").args([&draft, &path]).status();
        assert!(copied.unwrap().success());
        path
    }

    /// A pipe with a name: reading it waits until somebody writes, so a test knows that he runs.
    fn fifo(&self) -> PathBuf {
        let path = self.path("fifo");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        path
    }

    /// `snakepit python`, where only the interpreter under test is to be found, by its variable.
    fn snakepit(&self, args: &[&str]) -> Snakepit {
        snakepit(&[&["python"], args].concat())
            .in_folder(self.root.path())
            .env("SNAKEPIT_PYTHON", interpreter())
            .env("HOME", self.path("home"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("PYENV_ROOT", self.path("pyenv"))
            .env("UV_PYTHON_INSTALL_DIR", "")
            .env("VIRTUAL_ENV", "")
            .env("CONDA_PREFIX", "")
            .env(
                "PATH",
                format!("{}:/usr/sbin:/sbin", self.path("bin").display()),
            )
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.snakepit(args).run()
    }

    /// Runs it with `--format json`.
    fn json(&self, args: &[&str]) -> Value {
        let run = self.run(&[args, &["--format", "json"]].concat()).exits(0);
        assert_eq!(run.stdout.lines().count(), 1, "{run:#?}");
        serde_json::from_str(&run.stdout).unwrap()
    }
}

/// The interpreter under test, past any shim, which needs more of `PATH` than there is.
fn interpreter() -> String {
    let code = "import sys; print(sys.executable)";
    let output = Command::new(python()).args(["-c", code]).output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    assert!(Path::new(path.trim()).is_absolute(), "{path}");
    path.trim().to_owned()
}

/// Its version, with a `t` if it is free-threaded.
fn version() -> String {
    let code = "import sys, sysconfig; \
                print('%d.%d.%d' % sys.version_info[:3] + 't' * (sysconfig.get_config_var('Py_GIL_DISABLED') or 0))";
    let output = Command::new(python()).args(["-c", code]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
