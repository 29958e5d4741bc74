//! `python recommend`.

use super::{Place, interpreter, version};

/// What suits an adapter that says it is thread-safe and imports nothing.
fn suits_threads() -> &'static str {
    if version().ends_with('t') {
        "thread"
    } else {
        "process"
    }
}

#[test]
fn a_profile_is_recommended_with_its_reasons() {
    let place = Place::new();
    let run = place.run(&["recommend"]).exits(0);
    let head = format!(
        "{}  on Python {} {}\n  - ",
        suits_threads(),
        version(),
        interpreter()
    );
    assert!(run.stdout.starts_with(&head), "{run:#?}");
    let advice = place.json(&["recommend"]);
    assert_eq!(advice["profile"], suits_threads());
    assert!(!advice["reasons"].as_array().unwrap().is_empty());
}

#[test]
fn an_adapter_is_read_and_not_run() {
    let place = Place::new();
    place.write("safe.py", "__thread_safe__ = True\nopen('ran', 'w')\n");
    place.write("silent.py", "import json\n");
    place.write(
        "plots.py",
        "import matplotlib.pyplot\n__thread_safe__ = True\n",
    );
    let advice = |file: &str| place.json(&["recommend", "--adapter", file]);
    assert_eq!(advice("safe.py")["profile"], suits_threads());
    assert!(!place.path("ran").exists());
    for (file, reason) in [
        ("silent.py", "does not declare"),
        ("plots.py", "`matplotlib`: it keeps state"),
    ] {
        let advice = advice(file);
        assert_eq!(advice["profile"], "process");
        assert!(advice["reasons"].to_string().contains(reason), "{advice}");
    }
}

#[test]
fn an_adapter_that_cannot_be_read_is_an_error() {
    let place = Place::new();
    place.write("broken.py", "def f(:\n");
    place
        .run(&["recommend", "--adapter", "broken.py"])
        .exits(2)
        .says(&["error[usage]: SyntaxError", "broken.py", "hint: "]);
    place
        .run(&["recommend", "--adapter", "missing.py"])
        .exits(2)
        .says(&[
            "error[usage]: no file of the adapter `missing.py`",
            "hint: ",
        ]);
}

#[test]
fn each_pool_of_a_configuration_is_looked_at() {
    let place = Place::new();
    place.write("app/safe.py", "__thread_safe__ = True\n");
    place.write("app/silent.py", "");
    let own = place.script(
        "app/own/python",
        &format!("#!/bin/sh\nexec '{}' \"$@\"\n", interpreter()),
    );
    place.write(
        "app/pit.yaml",
        "pools:\n  - {name: one, adapter: safe.py}\n  - {name: two, adapter: silent.py, python: ./own/python}\n  \
         - {name: three, adapter: elsewhere.module}\n",
    );
    let advice = place.json(&["recommend", "--config", "app/pit.yaml"]);
    let pool = |index: usize| &advice["pools"][index];
    assert_eq!(pool(0)["pool"], "one");
    assert_eq!(pool(0)["configured"], "process");
    assert_eq!(pool(0)["profile"], suits_threads());
    assert_eq!(pool(0)["python"], interpreter());
    assert_eq!(pool(1)["profile"], "process");
    assert!(own.exists());
    let unread = "no file of the adapter `elsewhere.module`";
    assert_eq!(pool(2)["profile"], "process");
    assert!(pool(2)["reasons"].to_string().contains(unread), "{advice}");
    let run = place
        .run(&["recommend", "--config", "app/pit.yaml"])
        .exits(0);
    assert!(
        run.stdout
            .starts_with("pool one (worker_profile: process)\n"),
        "{run:#?}"
    );
}

#[test]
fn a_pool_is_looked_at_with_the_variables_of_its_workers() {
    if suits_threads() == "process" {
        return;
    }
    let place = Place::new();
    place.write("safe.py", "__thread_safe__ = True\n");
    place.write(
        "pit.yaml",
        "pools:\n  - {name: one, adapter: safe.py, adapter_env: {PYTHON_GIL: '1'}}\n",
    );
    let advice = place.json(&["recommend", "--config", "pit.yaml"]);
    assert_eq!(advice["pools"][0]["profile"], "process");
}

#[test]
fn a_pool_whose_interpreter_is_not_there_is_an_error() {
    let place = Place::new();
    place.write(
        "pit.yaml",
        "pools:\n  - {name: one, adapter: a.py, python: ./gone}\n",
    );
    let run = place.run(&["recommend", "--config", "pit.yaml"]).exits(3);
    run.says(&["error[interpreter]", "gone` (as asked for) is not there"]);
    let run = place
        .run(&["recommend", "--config", "missing.yaml"])
        .exits(2);
    run.says(&["error[config]: cannot read the file"]);
}
