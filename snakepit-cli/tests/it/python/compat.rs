//! `python compat`.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::Place;
use crate::support::{Finished, Snakepit};

/// A place where these modules can be imported, one of them known by the matrix.
fn place() -> Place {
    let place = Place::new();
    place.write("path/good.py", "");
    place.write("path/crashes.py", "import os\nos.kill(os.getpid(), 11)\n");
    place.write("path/matplotlib.py", "");
    let metadata = "Metadata-Version: 2.1\nName: matplotlib\nVersion: 3.11.2\n";
    place.write("path/matplotlib-3.11.2.dist-info/METADATA", metadata);
    place
}

fn compat(place: &Place, args: &[&str]) -> Snakepit {
    let args = [&["compat"], args].concat();
    place.snakepit(&args).env("PYTHONPATH", place.path("path"))
}

fn json(place: &Place, args: &[&str]) -> Value {
    let args = [args, &["--format", "json"]].concat();
    let run = compat(place, &args).run().exits(0);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn what_is_installed_is_judged_for_each_profile() {
    let place = place();
    for (profile, verdict) in [
        ("thread", "unsafe"),
        ("process", "ok"),
        ("interpreter", "unsafe"),
    ] {
        let answer = json(&place, &["--profile", profile]);
        assert_eq!(answer["profile"], profile);
        let libraries = answer["libraries"].as_array().unwrap();
        let library = libraries
            .iter()
            .find(|library| library["library"] == "matplotlib")
            .unwrap();
        assert_eq!(library["verdict"], verdict, "{library}");
        assert_eq!(library["version"], "3.11.2");
        assert!(!library["reasons"].as_array().unwrap().is_empty());
    }
}

#[test]
fn verdicts_come_with_reasons_and_advice() {
    let run = compat(&place(), &["--profile", "thread", "matplotlib"])
        .run()
        .exits(0);
    for text in [
        "thread profile on Python ",
        "matplotlib  3.11.2  unsafe\n    it keeps state of the whole process",
        "    hint: Use processes",
    ] {
        assert!(run.stdout.contains(text), "no `{text}` in {run:#?}");
    }
}

#[test]
fn a_library_nobody_knows_is_unknown_and_not_ok() {
    let place = place();
    for extra in [&[][..], &["--probe"]] {
        let answer = json(&place, &[&["good"], extra].concat());
        assert_eq!(answer["libraries"][0]["verdict"], "unknown");
    }
}

#[test]
fn an_import_is_tried_and_a_crash_is_a_result() {
    let place = place();
    let answer = json(
        &place,
        &[
            "--probe",
            "--profile",
            "process",
            "good",
            "crashes",
            "no_such_thing",
        ],
    );
    let probe = |index: usize| &answer["libraries"][index]["probe"];
    assert_eq!(probe(0)["outcome"], "imported");
    assert_eq!(probe(0)["fork"], "works");
    assert_eq!(probe(1)["outcome"]["crashed"], "signal SIGSEGV (11)");
    assert_eq!(answer["libraries"][1]["verdict"], "unsafe");
    assert!(
        probe(2)["outcome"]["failed"]
            .as_str()
            .unwrap()
            .starts_with("ModuleNotFoundError")
    );
    let run = compat(&place, &["--probe", "good", "crashes"])
        .run()
        .exits(0);
    assert!(run.stdout.contains("tried: imported in "), "{run:#?}");
    assert!(
        run.stdout
            .contains("tried: the import crashes: signal SIGSEGV (11)"),
        "{run:#?}"
    );
}

#[test]
fn a_check_fails_only_for_what_is_unsafe() {
    let place = place();
    let check = |libraries: &[&str]| -> Finished {
        compat(
            &place,
            &[&["--check", "--profile", "thread"], libraries].concat(),
        )
        .run()
    };
    let run = check(&["good", "matplotlib"]).exits(1);
    assert!(
        run.stdout.contains("matplotlib"),
        "the verdicts are printed all the same: {run:#?}"
    );
    run.says(&["error[unsafe]: not for the `thread` profile: matplotlib"]);
    check(&["good"]).exits(0);
}

#[test]
fn an_import_that_hangs_dies_with_the_command() {
    let place = place();
    let fifo = place.fifo();
    let text = format!("open({fifo:?}, 'w').write('importing')\nwhile True: pass\n");
    place.write("path/hangs.py", &text);
    for signal in [Signal::INT, Signal::KILL] {
        let run = compat(&place, &["--probe", "hangs"]).start();
        assert_eq!(fs::read_to_string(&fifo).unwrap(), "importing");
        run.signal(signal);
        let code = run.end().status.code();
        assert_eq!(code, (signal == Signal::INT).then_some(130));
    }
}

#[test]
fn mistakes_are_told() {
    let place = place();
    let run = compat(&place, &["--profile", "banana"]).run();
    run.exits(2)
        .says(&["expected `process`, `thread` or `interpreter`"]);
    let run = compat(&place, &["--python", "3."]).run();
    run.exits(2).says(&["error[usage]: `3.` is no interpreter"]);
    fs::remove_dir_all(place.path("path")).unwrap();
}
