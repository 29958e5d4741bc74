//! Searches among files made for the purpose: which interpreter is found first, and why others are not. The interpreters are
//! shell scripts that answer as real ones do; real ones are found in `tests/it`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A machine with nothing but what a test puts there.
struct Machine {
    root: TempDir,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("project")).unwrap();
        let variables = vec![
            ("PATH", root.path().join("bin")),
            ("HOME", root.path().join("home")),
        ];
        Self { root, variables }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        let value = self.path(value);
        self.variables.push((name, value));
        self
    }

    /// An interpreter of this version; with a `t` it is free-threaded.
    fn install(&self, name: &str, version: &str) -> PathBuf {
        let number = version.trim_end_matches('t');
        let path = self.path(name);
        let answer = serde_json::json!({
            "version": number, "implementation": "CPython", "free_threaded_build": number != version,
            "gil_enabled": number == version, "subinterpreters": false, "executable": path, "prefix": path,
            "base_prefix": path, "virtual_environment": false, "libc": null, "libraries": {}, "import_folders": [],
        });
        script(
            &path,
            &format!("#!/bin/sh\necho 'snakepit-probe:{answer}'\n"),
        );
        path
    }

    fn finder(&self) -> Finder {
        let mut environment = Environment::empty(self.path("project"));
        for (name, value) in &self.variables {
            environment = environment.with(*name, value.clone());
        }
        Finder::new(environment)
    }

    #[track_caller]
    fn finds(&self, request: &str, expected: &Path) -> Found {
        let found = self.finder().find(&request.parse().unwrap()).unwrap();
        assert_eq!(found.path, expected, "{request}");
        found
    }

    fn misses(&self, request: &str) -> NotFound {
        self.finder().find(&request.parse().unwrap()).unwrap_err()
    }
}

/// Copied by another process: no test may hold an interpreter open for writing while another test forks, since then it
/// cannot be run.
fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    let copied = Command::new("cp").args([&draft, path]).status().unwrap();
    assert!(copied.success());
    fs::remove_file(&draft).unwrap();
}

#[test]
fn the_documented_order_is_the_order() {
    let mut machine = Machine::new()
        .set("VIRTUAL_ENV", "env")
        .set("CONDA_PREFIX", "conda");
    let steps = [
        (
            "home/.cache/snakepit/python-3.14/bin/python3",
            Provenance::Snakepit,
        ),
        ("home/.pyenv/versions/3.14.1/bin/python", Provenance::Pyenv),
        (
            "home/.local/share/uv/python/cpython-3.14.2-linux/bin/python",
            Provenance::Uv,
        ),
        ("bin/python3.14", Provenance::Path),
        ("bin/python", Provenance::Path),
        ("bin/python3", Provenance::Path),
        ("project/.venv/bin/python", Provenance::ProjectVenv),
        ("conda/bin/python", Provenance::Conda),
        ("env/bin/python", Provenance::VirtualEnv),
        ("own", Provenance::SnakepitPython),
    ];
    for (place, provenance) in steps {
        let path = machine.install(place, "3.14.0");
        if place == "own" {
            machine = machine.set("SNAKEPIT_PYTHON", "own");
        }
        for request in ["any", "3.14", ">=3.8"] {
            let found = machine.finds(request, &path);
            assert_eq!(found.provenance, provenance);
            assert_eq!(found.probe.is_some(), request != "any");
        }
    }
}

#[test]
fn the_base_environment_of_conda_gives_way_to_the_project() {
    let machine = Machine::new().set("CONDA_PREFIX", "conda");
    let conda = machine.install("conda/bin/python", "3.14.0");
    let project = machine.install("project/.venv/bin/python", "3.14.0");
    machine.finds("any", &conda);
    let environment = machine
        .finder()
        .environment
        .with("CONDA_DEFAULT_ENV", "base");
    let found = Finder::new(environment).find(&Request::Any).unwrap();
    assert_eq!(found.path, project);
}

#[test]
fn nothing_is_run_when_no_version_is_asked_for() {
    let machine = Machine::new();
    let path = machine.path("bin/python3");
    script(&path, "#!/bin/sh\n: > \"$HOME.ran\"\n");
    machine.finds("any", &path);
    machine.finds("python3", &path);
    machine.finds(path.to_str().unwrap(), &path);
    assert!(!machine.path("home.ran").exists());
    let error = machine.misses("3.14");
    assert!(machine.path("home.ran").exists(), "{error}");
}

#[test]
fn versions_and_builds_are_told_apart_among_many() {
    let machine = Machine::new();
    machine.install("bin/python3", "3.11.7");
    let newest = machine.install("bin/python3.14", "3.14.2");
    let free = machine.install("bin/python3.14t", "3.14.2t");
    machine.install("bin/python3.9", "3.9.1");
    let found = machine.finds("3.14", &newest);
    assert!(
        matches!(&found.skipped[1].reason, Reason::WrongVersion { found } if found.to_string() == "3.11.7")
    );
    machine.finds("3.14t", &free);
    machine.finds("free-threaded", &free);
    machine.finds(">=3.12", &newest);
    machine.finds("python3.14t", &free);
}

#[test]
fn the_newest_installation_comes_first() {
    let machine = Machine::new();
    machine.install("home/.pyenv/versions/3.9.18/bin/python", "3.9.18");
    let newest = machine.install("home/.pyenv/versions/3.13.0/bin/python", "3.13.0");
    machine.install("home/.pyenv/versions/3.10.1/bin/python", "3.10.1");
    machine.finds(">=3.8", &newest);
}

#[test]
fn a_shim_of_pyenv_is_followed_without_running_it() {
    let machine = Machine::new().set("PATH", "home/.pyenv/shims");
    let shim = machine.path("home/.pyenv/shims/python3");
    script(&shim, "#!/bin/sh\nexit 127\n");
    machine.finds("any", &shim);
    let global = machine.install("home/.pyenv/versions/3.13.0/bin/python3", "3.13.0");
    fs::write(machine.path("home/.pyenv/version"), "3.13.0\n").unwrap();
    machine.finds("any", &global);
    let local = machine.install("home/.pyenv/versions/3.9.18/bin/python3", "3.9.18");
    fs::write(machine.path(".python-version"), "3.9.18\n").unwrap();
    machine.finds("any", &local);
    machine.finds("python3", &local);
}

#[test]
fn a_variable_that_names_nothing_usable_ends_the_search() {
    let machine = Machine::new().set("SNAKEPIT_PYTHON", "gone");
    machine.install("bin/python3", "3.14.0");
    for request in ["any", "3.14"] {
        let error = machine.misses(request);
        let text = error.to_string();
        assert!(
            text.ends_with("gone` (from SNAKEPIT_PYTHON) is not there"),
            "{text}"
        );
        assert!(error.hint().contains("unset it"));
        assert_eq!(error.tried().len(), 1);
    }
    // Who names another one does not ask for that.
    machine.finds("python3", &machine.path("bin/python3"));
}

#[test]
fn a_variable_of_another_version_is_passed_over() {
    let machine = Machine::new().set("SNAKEPIT_PYTHON", "own");
    machine.install("own", "3.11.7");
    let other = machine.install("bin/python3", "3.14.0");
    let found = machine.finds("3.14", &other);
    assert_eq!(found.skipped[0].provenance, Provenance::SnakepitPython);
}

#[test]
fn what_was_tried_is_told_with_the_reasons() {
    let machine = Machine::new().set("VIRTUAL_ENV", "env");
    machine.install("bin/python3", "3.11.7");
    machine.install("bin/python3.14t", "3.14.2t");
    script(&machine.path("bin/python3.12"), "#!/bin/sh\necho hello\n");
    script(
        &machine.path("bin/python3.10"),
        "#!/bin/sh\necho 'no such module' >&2\nexit 3\n",
    );
    fs::create_dir_all(machine.path("env/bin")).unwrap();
    symlink("/no/such/python3", machine.path("env/bin/python")).unwrap();
    let error = machine.misses("3.14");
    let full = error.in_full();
    for expected in [
        "no Python interpreter is `3.14`, of 7 tried: ",
        "env/bin/python` (from VIRTUAL_ENV) belongs to a broken virtual environment: /no/such/python3 is gone",
        ".venv/bin/python` (from .venv) is not there",
        "bin/python3` (in PATH) is 3.11.7",
        "`python` (in PATH) is not there",
        "bin/python3.14t` (in PATH) is 3.14.2 and free-threaded",
        "bin/python3.12` (in PATH) answers like no Python interpreter: it prints \"hello\"",
        "bin/python3.10` (in PATH) ended with exit code 3 instead of saying what it is (no such module)",
    ] {
        assert!(full.contains(expected), "no `{expected}` in {full}");
    }
    assert!(error.hint().contains("uv python install '3.14'"));
    assert_eq!(error.tried().len(), 7);
}

#[test]
fn one_that_is_named_must_be_there() {
    let machine = Machine::new();
    fs::write(machine.path("project/plain"), "").unwrap();
    fs::create_dir_all(machine.path("project/env/bin")).unwrap();
    fs::write(
        machine.path("project/env/pyvenv.cfg"),
        "home = /no/such/bin\n",
    )
    .unwrap();
    machine.install("project/env/bin/python", "3.14.0");
    for (request, expected) in [
        ("banana", "`banana` (as asked for) is not there"),
        ("./plain", "plain` (as asked for) cannot be executed"),
        ("./env", "broken virtual environment: /no/such/bin is gone"),
        ("./nothing", "nothing` (as asked for) is not there"),
    ] {
        let error = machine.misses(request);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn the_folder_of_an_environment_stands_for_its_interpreter() {
    let machine = Machine::new();
    let path = machine.install("project/env/bin/python", "3.14.0");
    machine.finds("./env", &path);
    machine.finds("./env/bin/python", &path);
}

#[test]
fn every_interpreter_is_listed_once() {
    let machine = Machine::new();
    let real = machine.install("bin/python3.14", "3.14.0");
    symlink(&real, machine.path("bin/python3")).unwrap();
    symlink(&real, machine.path("bin/python")).unwrap();
    machine.install("home/.pyenv/versions/2.7.18/bin/python", "2.7.18");
    let (found, skipped): (Vec<_>, Vec<_>) = machine.finder().all().partition(Result::is_ok);
    assert_eq!(found.len(), 1, "{found:?}");
    let skipped: Vec<String> = skipped
        .into_iter()
        .map(|skipped| skipped.unwrap_err().to_string())
        .collect();
    assert!(
        skipped[1].contains("is 2.7.18, which is too old"),
        "{skipped:?}"
    );
}

#[test]
fn nothing_at_all_is_said_plainly() {
    let error = Machine::new().misses("any");
    assert!(
        error.to_string().starts_with("no Python interpreter found"),
        "{error}"
    );
    assert!(error.hint().contains("install"));
}

#[test]
fn a_command_is_the_first_in_the_path_that_can_be_run() {
    let machine = Machine::new().set("SNAKEPIT_PYTHON", "unset");
    let (first, second) = (machine.path("first"), machine.path("bin"));
    fs::create_dir(&first).unwrap();
    fs::write(first.join("python3"), "").unwrap();
    // Not in `PATH`, though in the current folder.
    machine.install("project/python9", "3.9.0");
    let path = std::env::join_paths([&first, &second]).unwrap();
    let environment = machine
        .finder()
        .environment
        .with("PATH", path)
        .with("SNAKEPIT_PYTHON", "python3");
    let finder = Finder::new(environment);
    let error = finder.find(&Request::Any).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("first/python3` (from SNAKEPIT_PYTHON) cannot be executed"),
        "{error}"
    );
    let usable = machine.install("bin/python3", "3.14.0");
    for request in [Request::Any, "python3".parse().unwrap()] {
        assert_eq!(finder.find(&request).unwrap().path, usable);
    }
    assert!(finder.find(&"python9".parse().unwrap()).is_err());
}
