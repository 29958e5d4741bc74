//! `snakepit new adapter`: what it writes works as it is, and it overwrites nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{python, snakepit};

fn new(folder: &Path, args: &[&str]) -> crate::support::Finished {
    snakepit(&[&["new", "adapter"], args].concat())
        .in_folder(folder)
        .run()
}

/// The folder of `snakepit_bridge`, as its users get it.
fn bridge() -> String {
    let finished = snakepit(&["python", "bridge"]).run().exits(0);
    let folder = finished.stdout.trim_end().to_owned();
    assert!(
        Path::new(&folder)
            .join("snakepit_bridge/testing.py")
            .is_file()
    );
    folder
}

/// Runs Python in a folder, with the bridge where the README of a new adapter says.
fn run_python(python: &str, args: &[&str], folder: &Path) -> String {
    let mut command = Command::new(python);
    command.args(args).current_dir(folder);
    command.env("PYTHONPATH", bridge());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn a_new_adapter_can_be_called_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, flags) in [
        ("greeter", &[][..]),
        ("price_model", &["--functions"]),
        ("shared", &["--class", "--thread-safe"]),
        ("both", &["--functions", "--thread-safe"]),
    ] {
        let created = new(folder.path(), &[&[name], flags].concat()).exits(0);
        assert!(
            created.stdout.contains(&format!("cd ./{name}\n")),
            "{created:#?}"
        );
        assert!(
            created.stdout.contains("snakepit call greet name=Ada"),
            "{created:#?}"
        );
        let project = folder.path().join(name);
        let call = |args: &[&str]| snakepit(args).in_folder(&project).run().exits(0);
        call(&["call", "greet", "name=Ada"])
            .prints("\"Hello, Ada!\"\n")
            .says(&["INFO adapter.greet: greeting Ada"]);
        call(&["call", "--stream", "countdown", "start:=3"]).prints("3\n2\n1\n");
        call(&["config", "check", "snakepit.yaml"]);
    }
}

#[test]
fn its_tests_pass() {
    let folder = tempfile::tempdir().unwrap();
    // An interpreter with pytest, which `cargo xtask test` provides; else the same calls without it.
    let with_pytest = std::env::var("SNAKEPIT_TEST_ENVIRONMENT").ok();
    for (name, flags) in [("greeter", &[][..]), ("functions_only", &["--functions"])] {
        new(folder.path(), &[&[name], flags].concat()).exits(0);
        let project = folder.path().join(name);
        if let Some(python) = &with_pytest {
            let args = ["-m", "pytest", "-q", "-p", "no:cacheprovider"];
            let said = run_python(python, &args, &project);
            assert!(said.contains("3 passed"), "{said}");
        }
        let code = format!(
            "from snakepit_bridge.testing import load\n\
             with load('{name}.py', {{'greeting': 'Hi'}}) as adapter:\n    \
             print(adapter.call('greet', 'Ada'), list(adapter.stream('countdown', 2)))"
        );
        let said = run_python(&python(), &["-c", &code], &project);
        assert_eq!(said, "Hi, Ada! [2, 1]\n");
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("greeter")).unwrap();
    let mine = folder.path().join("greeter/snakepit.yaml");
    fs::write(&mine, "mine").unwrap();
    new(folder.path(), &["greeter"]).exits(2).prints("").says(&[
        "error[exists]",
        "greeter/snakepit.yaml is there already",
        "hint: ",
    ]);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    let entries = fs::read_dir(folder.path().join("greeter")).unwrap();
    assert_eq!(entries.count(), 1, "all of it or nothing");
    new(folder.path(), &["greeter", "--dir", "elsewhere"]).exits(0);
    assert!(folder.path().join("elsewhere/greeter/greeter.py").is_file());
    fs::write(folder.path().join("file"), "").unwrap();
    new(folder.path(), &["greeter", "--dir", "file"])
        .exits(2)
        .says(&["error[file]: cannot write file/greeter/"]);
}

#[test]
fn a_name_that_cannot_be_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (name, why, hint) in [
        (
            "price-model",
            "is not the name of a Python module",
            "`price_model` would do",
        ),
        ("random", "which it would hide", "`random_adapter` would do"),
        (
            "class",
            "is a keyword of Python",
            "`class_adapter` would do",
        ),
        (
            "../up",
            "is not the name of a Python module",
            "`up` would do",
        ),
    ] {
        new(folder.path(), &[name])
            .exits(2)
            .says(&["error[usage]", why, hint]);
    }
    new(folder.path(), &["a", "--class", "--functions"]).exits(2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
