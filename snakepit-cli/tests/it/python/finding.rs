//! `python list` and `python probe`.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use super::{Place, interpreter, version};

#[test]
fn interpreters_are_listed_with_their_origin_and_the_default_is_marked() {
    let place = Place::new();
    place.script("bin/python3", "#!/bin/sh\nexit 7\n");
    let run = place.run(&["list"]).exits(0);
    let first = run.stdout.lines().next().unwrap();
    assert!(first.starts_with(&format!("*  {}", version())), "{run:#?}");
    assert!(
        first.contains("from SNAKEPIT_PYTHON") && first.ends_with(&interpreter()),
        "{run:#?}"
    );
    assert!(
        run.stdout
            .contains("(in PATH) ended with exit code 7 instead"),
        "{run:#?}"
    );
    assert!(
        !run.stdout.contains(".venv"),
        "what is not there is not listed: {run:#?}"
    );

    let listed = place.json(&["list"]);
    let found = &listed["interpreters"][0];
    assert_eq!(found["path"], interpreter());
    assert_eq!(found["default"], true);
    assert_eq!(found["provenance"], "snakepit_python");
    assert_eq!(listed["skipped"][0]["provenance"], "path");
}

#[test]
fn an_interpreter_says_what_it_is() {
    let place = Place::new();
    let run = place.run(&["probe"]).exits(0);
    assert!(
        run.stdout.contains(&format!("CPython {}\n", version())),
        "{run:#?}"
    );
    let probe = place.json(&["probe", "--fresh"]);
    assert_eq!(probe["executable"], interpreter());
    assert_eq!(probe["free_threaded_build"], version().ends_with('t'));
    assert!(probe["cpu"]["affinity"].as_u64().unwrap() >= 1);
    for key in [
        "gil_enabled",
        "subinterpreters",
        "prefix",
        "libc",
        "libraries",
        "virtual_environment",
    ] {
        assert!(probe.get(key).is_some(), "{key} in {probe}");
    }
}

#[test]
fn a_version_is_found_and_another_is_not() {
    let place = Place::new();
    let version = version();
    let probe = place.json(&["probe", &version]);
    assert_eq!(probe["path"], interpreter());
    let run = place.run(&["probe", ">=3.99"]).exits(3).prints("");
    run.says(&[
        "error[interpreter]: no Python interpreter is `>=3.99`, of ",
        "(from SNAKEPIT_PYTHON) is 3.",
        "`python3` (in PATH) is not there",
        "hint: install one",
    ]);
}

#[test]
fn nonsense_is_refused_with_what_would_make_sense() {
    let place = Place::new();
    for request in ["3.", "banana!", ">=", ""] {
        let run = place.run(&["probe", request]).exits(2).prints("");
        run.says(&[
            "error[usage]",
            "is no interpreter",
            "hint: write a version (`3.14`",
        ]);
    }
    let run = place.run(&["probe", "banana"]).exits(3);
    run.says(&[
        "error[interpreter]: `banana` (as asked for) is not there",
        "hint: ",
    ]);
}

#[test]
fn a_variable_that_names_nothing_is_an_error() {
    let place = Place::new();
    let run = place
        .snakepit(&["probe"])
        .env("SNAKEPIT_PYTHON", "/no/such/python")
        .run();
    run.exits(3).says(&[
        "error[interpreter]: `/no/such/python` (from SNAKEPIT_PYTHON) is not there",
        "hint: set SNAKEPIT_PYTHON",
    ]);
}

#[test]
fn a_broken_virtual_environment_is_named_as_such() {
    let place = Place::new();
    fs::create_dir_all(place.path("env/bin")).unwrap();
    symlink("/no/such/python3", place.path("env/bin/python")).unwrap();
    place.run(&["probe", "./env"]).exits(3).says(&[
        "error[interpreter]",
        "belongs to a broken virtual environment: /no/such/python3 is gone",
        "hint: make the virtual environment anew",
    ]);
}

#[test]
fn one_that_prints_something_else_is_no_interpreter() {
    let place = Place::new();
    let path = place
        .script("fake", "#!/bin/sh\necho 'I am a teapot'\n")
        .display()
        .to_string();
    place.run(&["probe", &path]).exits(3).says(&[
        "error[interpreter]",
        "answers like no Python interpreter: it prints \"I am a teapot\"",
        "hint: is it a Python interpreter?",
    ]);
}

#[test]
fn a_signal_ends_a_probe_that_hangs() {
    let place = Place::new();
    let fifo = place.fifo();
    let text = format!(
        "#!/bin/sh\necho running > '{}'\n/bin/sleep 1000\n",
        fifo.display()
    );
    let path = place.script("hangs", &text).display().to_string();
    let run = place.snakepit(&["probe", &path]).start();
    assert_eq!(fs::read_to_string(fifo).unwrap(), "running\n");
    run.signal(Signal::INT);
    run.end().exits(130).says(&["error[interrupted]"]);
}
