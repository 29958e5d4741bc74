//! What imports do, each in a process of its own: good ones, and the worst.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use snakepit_python::{ImportOutcome, ImportReport, Prober, SubCheck, import_probe};

use crate::support::{BOUND, Place, SOON, environment_with_numpy, python, skipped};

fn imported(place: &Place, module: &str, text: &str) -> ImportReport {
    imported_within(place, module, text, BOUND)
}

fn imported_within(
    place: &Place,
    module: &str,
    text: &str,
    limit: std::time::Duration,
) -> ImportReport {
    place.write(&format!("path/{module}.py"), text);
    let environment = place.environment().with("PYTHONPATH", place.path("path"));
    import_probe(&Prober::new(environment), &python(), module, limit)
}

#[test]
fn a_good_one_is_reported_with_its_facts() {
    let place = Place::new();
    let report = imported(&place, "good", "__version__ = '1.2'\nprint('noise')\n");
    assert_eq!(report.outcome, ImportOutcome::Imported);
    assert_eq!(report.version.as_deref(), Some("1.2"));
    assert_eq!(report.fork, SubCheck::Works);
    assert!(report.threads.is_empty() && !report.turned_gil_on());
    assert!(report.seconds.is_some() && report.memory_kib.is_some());
    let probe = place.prober().probe(python()).unwrap();
    assert_eq!(report.gil_before, Some(probe.gil_enabled));
    let expected = if probe.subinterpreters {
        SubCheck::Works
    } else {
        SubCheck::NotTried
    };
    assert_eq!(report.subinterpreter, expected);
}

#[test]
fn one_that_fails_says_how() {
    let place = Place::new();
    let report = imported(&place, "bad", "raise RuntimeError('no\\nlicence')\n");
    let expected = ImportOutcome::Failed("RuntimeError: no licence".to_owned());
    assert_eq!(report.outcome, expected);
    assert_eq!(report.fork, SubCheck::NotTried);
    let report = imported(&place, "quits", "raise SystemExit(3)\n");
    assert_eq!(
        report.outcome,
        ImportOutcome::Failed("SystemExit: 3".to_owned())
    );
}

#[test]
fn one_that_crashes_is_a_result() {
    let place = Place::new();
    let report = imported(&place, "crashes", "import os\nos.kill(os.getpid(), 11)\n");
    assert_eq!(
        report.outcome,
        ImportOutcome::Crashed("signal SIGSEGV (11)".to_owned())
    );
    let report = imported(&place, "exits", "import os\nos._exit(7)\n");
    assert_eq!(
        report.outcome,
        ImportOutcome::Crashed("exit code 7".to_owned())
    );
}

#[test]
fn one_that_hangs_is_killed_with_all_it_started() {
    let place = Place::new();
    let text = "import subprocess, threading\nsubprocess.Popen(['sleep', '1000'])\nthreading.Event().wait()\n";
    let report = imported_within(&place, "hangs", text, SOON);
    assert_eq!(report.outcome, ImportOutcome::Hung(SOON.as_secs_f64()));
}

#[test]
fn threads_it_starts_are_named() {
    let place = Place::new();
    let text =
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n";
    let report = imported(&place, "threads", text);
    assert_eq!(report.outcome, ImportOutcome::Imported);
    assert_eq!(report.threads.len(), 1, "{report:?}");
}

#[test]
fn a_thread_that_never_ends_holds_nothing_up() {
    let place = Place::new();
    let text = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n";
    let report = imported(&place, "threads", text);
    assert_eq!(report.outcome, ImportOutcome::Imported);
    let supported = place.prober().probe(python()).unwrap().subinterpreters;
    let expected = if supported {
        SubCheck::Works
    } else {
        SubCheck::NotTried
    };
    assert_eq!(report.subinterpreter, expected, "{report:?}");
}

#[test]
fn a_fork_it_does_not_survive_is_noticed() {
    let place = Place::new();
    let text = "import os, threading\nos.register_at_fork(after_in_child=threading.Event().wait)\n";
    // A third of it is for the fork; the rest leaves room for a busy machine.
    let report = imported_within(&place, "forks", text, SOON * 40);
    assert_eq!(report.fork, SubCheck::Hangs, "{report:?}");
    let text = "import os\nos.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), 11))\n";
    let report = imported(&place, "dies", text);
    assert_eq!(
        report.fork,
        SubCheck::Fails("ended by signal 11".to_owned())
    );
}

#[test]
fn a_fork_that_hangs_ends_with_whoever_tries_it() {
    let place = Place::new();
    let text = "import os, threading\n\
                def hang():\n    os.write(1, b'hangs\\n')\n    threading.Event().wait()\n\
                os.register_at_fork(after_in_child=hang)\n";
    place.write("path/forks.py", text);
    let environment = place.environment().with("PYTHONPATH", place.path("path"));
    let script = include_str!("../../src/imports/imports.py");
    let mut running = Command::new(python())
        .args(["-c", script, "marker:", "import", "forks", "1000"])
        .env_clear()
        .envs(environment.variables())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(running.stdout.take().unwrap());
    assert!(stdout.lines().any(|line| line.unwrap() == "hangs"));
    // As when the command is killed, which leaves it no time for anything. The place looks for what is left.
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn what_refuses_a_sub_interpreter_is_noticed() {
    let place = Place::new();
    let prober = place.prober();
    let Some(python) = environment_with_numpy() else {
        return skipped("no libraries; set SNAKEPIT_TEST_ENVIRONMENT");
    };
    if !prober.probe(&python).unwrap().subinterpreters {
        return skipped("no sub-interpreters before Python 3.14");
    }
    let report = import_probe(&prober, &python, "numpy", BOUND);
    assert_eq!(report.outcome, ImportOutcome::Imported);
    assert!(
        matches!(report.subinterpreter, SubCheck::Fails(_)),
        "{report:?}"
    );
}

#[test]
fn no_module_and_no_interpreter_are_told_apart() {
    let place = Place::new();
    let report = import_probe(&place.prober(), &python(), "os; print(1)", BOUND);
    assert!(
        matches!(report.outcome, ImportOutcome::NotTried(_)),
        "{report:?}"
    );
    let report = import_probe(&place.prober(), &place.path("nothing"), "os", BOUND);
    assert!(
        matches!(report.outcome, ImportOutcome::NotTried(_)),
        "{report:?}"
    );
}
