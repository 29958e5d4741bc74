//! What an interpreter says of itself, and what becomes of those that say nothing.

use std::fs;
use std::process::Command;
use std::thread;

use snakepit_python::{ProbeErrorKind, Stop};

use crate::support::{Place, SOON, prints, python, site_packages, skipped, virtual_environment};

#[test]
fn the_facts_are_those_of_the_interpreter() {
    let place = Place::new();
    let probe = place.prober().probe(python()).unwrap();
    let facts = prints(
        "import sys, sysconfig, platform\n\
         print('%d.%d.%d' % sys.version_info[:3], platform.python_implementation(), \
         int(sysconfig.get_config_var('Py_GIL_DISABLED') == 1), \
         int(getattr(sys, '_is_gil_enabled', lambda: True)()), sys.prefix, sys.executable)",
    );
    let release: Vec<String> = probe
        .version
        .release()
        .iter()
        .map(ToString::to_string)
        .collect();
    let said = format!(
        "{} {} {} {} {} {}",
        release.join("."),
        probe.implementation,
        u8::from(probe.free_threaded_build),
        u8::from(probe.gil_enabled),
        probe.prefix.display(),
        probe.executable.display(),
    );
    assert_eq!(said, facts);
    assert_eq!(
        probe.subinterpreters,
        *probe.version.release() >= [3, 14][..]
    );
    assert!(!probe.virtual_environment && probe.base_prefix == probe.prefix);
    assert!(
        probe
            .import_folders
            .iter()
            .all(|folder| folder.is_absolute())
    );
    assert!(probe.cpu.affinity >= 1);
}

#[test]
fn a_virtual_environment_is_one_and_has_its_own_libraries() {
    let place = Place::new();
    let environment = virtual_environment(&place, "env");
    let package = site_packages(&environment).join("NumPy-1.2.3.dist-info");
    fs::create_dir_all(&package).unwrap();
    fs::write(
        package.join("METADATA"),
        "Metadata-Version: 2.1\nName: NumPy\nVersion: 1.2.3\n",
    )
    .unwrap();
    let probe = place
        .prober()
        .probe(environment.join("bin/python"))
        .unwrap();
    assert!(probe.virtual_environment);
    assert_eq!(probe.prefix, environment);
    assert_ne!(probe.base_prefix, environment);
    assert_eq!(
        probe.libraries.get("numpy").map(String::as_str),
        Some("1.2.3")
    );
}

#[test]
fn what_a_start_up_file_prints_or_shadows_does_no_harm() {
    let place = Place::new();
    // In the current folder, which nothing may be imported from.
    place.write("json.py", "raise SystemExit('shadowed')\n");
    place.write(
        "path/sitecustomize.py",
        "import sys\nprint('hello', end='')\nsys.stdout = None\n",
    );
    let environment = place.environment().with("PYTHONPATH", place.path("path"));
    let probe = snakepit_python::Prober::new(environment)
        .probe(python())
        .unwrap();
    assert!(probe.import_folders.contains(&place.path("path")));
}

#[test]
fn one_that_hangs_is_killed_with_all_it_started() {
    let place = Place::new();
    let path = place.script("python3", "#!/bin/sh\nsleep 1000 &\nsleep 1000\n");
    let error = place
        .prober()
        .with_time_limit(SOON)
        .probe(&path)
        .unwrap_err();
    assert!(
        matches!(error.kind(), ProbeErrorKind::TimedOut(limit) if *limit == SOON),
        "{error}"
    );
    assert!(error.hint().contains("sitecustomize"));
}

#[test]
fn one_that_leaves_processes_behind_is_not_waited_for() {
    let place = Place::new();
    let path = place.script("python3", "#!/bin/sh\nsleep 1000 &\necho done\n");
    let error = place.prober().probe(&path).unwrap_err();
    assert!(
        matches!(error.kind(), ProbeErrorKind::Garbage(_)),
        "{error}"
    );
}

#[test]
fn a_start_up_file_that_hangs_is_a_hang() {
    let place = Place::new();
    place.write(
        "path/sitecustomize.py",
        "import threading\nthreading.Event().wait()\n",
    );
    let environment = place.environment().with("PYTHONPATH", place.path("path"));
    let prober = snakepit_python::Prober::new(environment).with_time_limit(SOON);
    let error = prober.probe(python()).unwrap_err();
    assert!(
        matches!(error.kind(), ProbeErrorKind::TimedOut(_)),
        "{error}"
    );
}

#[test]
fn each_way_of_not_answering_has_its_error() {
    let place = Place::new();
    for (text, kind, message) in [
        ("#!/bin/sh\n", "Garbage", "it prints nothing"),
        ("#!/bin/sh\necho '{}'\n", "Garbage", "it prints \"{}\""),
        (
            "#!/bin/sh\necho 'snakepit-probe:{}'\n",
            "Garbage",
            "missing field `version`",
        ),
        ("#!/bin/sh\nexec yes\n", "Garbage", "prints without end"),
        (
            "#!/bin/sh\necho why >&2\nexit 3\n",
            "Exited",
            "exit code 3 instead of saying what it is (why)",
        ),
        (
            "#!/bin/sh\nkill -SEGV $$\n",
            "Exited",
            "signal SIGSEGV (11)",
        ),
        ("#!/no/such/shell\n", "Start", "does not start"),
    ] {
        let path = place.script("python3", text);
        let error = place.prober().probe(&path).unwrap_err();
        let found = format!("{:?}", error.kind());
        assert!(found.starts_with(kind), "{text}: {found}");
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert!(!error.hint().is_empty());
        assert_eq!(error.path(), path);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn one_that_is_too_old_says_so() {
    let Some(old) = std::env::var_os("SNAKEPIT_TEST_OLD_PYTHON") else {
        return skipped("no interpreter older than 3.8; set SNAKEPIT_TEST_OLD_PYTHON");
    };
    let place = Place::new();
    let error = place.prober().probe(old).unwrap_err();
    assert!(matches!(error.kind(), ProbeErrorKind::TooOld(_)), "{error}");
    assert!(error.to_string().ends_with("which is too old"));
}

#[test]
fn stopping_ends_what_is_running() {
    let place = Place::new();
    let signal = place.path("signal");
    assert!(
        Command::new("mkfifo")
            .arg(&signal)
            .status()
            .unwrap()
            .success()
    );
    let text = format!(
        "#!/bin/sh\necho running > '{}'\nsleep 1000\n",
        signal.display()
    );
    let path = place.script("python3", &text);
    let stop = Stop::new().unwrap();
    let prober = place.prober().with_stop(stop.clone());
    let probing = thread::spawn(move || prober.probe(path));
    assert_eq!(fs::read_to_string(signal).unwrap(), "running\n");
    stop.stop();
    let error = probing.join().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ProbeErrorKind::Stopped), "{error}");
}
