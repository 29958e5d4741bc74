//! Modules called without an adapter: by flags, and by a configuration.

use std::fs;

use crate::support::{Finished, snakepit};

fn run(args: &[&str]) -> Finished {
    // Elsewhere there may be a configuration.
    let folder = tempfile::tempdir().unwrap();
    snakepit(args).in_folder(folder.path()).run()
}

#[test]
fn a_function_of_a_module_is_called_without_a_file() {
    run(&[
        "call",
        "--modules",
        "math,statistics",
        "statistics.mean",
        "[[1, 2, 3]]",
    ])
    .exits(0)
    .prints("2\n");
    run(&["call", "math.sqrt", "16", "-m", "math", "-m", "os.path"])
        .exits(0)
        .prints("4.0\n");
}

#[test]
fn a_configuration_may_list_modules() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let text = "pools:\n  - name: sums\n    adapter: {modules: [statistics, beside]}\n";
    fs::write(path.join("snakepit.yaml"), text).unwrap();
    fs::write(path.join("beside.py"), "def one():\n    return 1\n").unwrap();
    let in_folder = |args: &[&str]| snakepit(args).in_folder(path).run();
    in_folder(&["call", "statistics.mean", "[[1,2,3]]"])
        .exits(0)
        .prints("2\n");
    in_folder(&["call", "beside.one"]).exits(0).prints("1\n");

    let shown = in_folder(&["config", "show", "snakepit.yaml"])
        .exits(0)
        .stdout;
    let setting = shown.lines().find(|line| line.contains("adapter:"));
    let setting = setting.expect("the adapter is shown");
    assert!(
        setting.starts_with("    adapter: {modules: [statistics, beside]} "),
        "{setting}"
    );
    assert!(setting.ends_with("# snakepit.yaml:3"), "{setting}");
    fs::write(path.join("again.yaml"), &shown).unwrap();
    in_folder(&["call", "--config", "again.yaml", "beside.one"])
        .exits(0)
        .prints("1\n");

    let advice = in_folder(&["python", "recommend", "--config", "snakepit.yaml"]).exits(0);
    assert!(advice.stdout.contains("\nprocess"), "{advice:#?}");

    let wrong = text.replace("beside", "statistics, a.py");
    fs::write(path.join("snakepit.yaml"), wrong).unwrap();
    in_folder(&["config", "check", "snakepit.yaml"])
        .exits(2)
        .says(&[
            "error[config]: invalid value of `adapter.modules[1]`\n --> snakepit.yaml:3:37\n",
            "`statistics` is there twice; remove one",
        ]);
}

#[test]
fn the_functions_of_modules_are_listed_with_signature_and_first_line() {
    let run = run(&["commands", "-m", "statistics,math"]).exits(0);
    let listed = "statistics.mean(data)\n    Return the sample arithmetic mean of data.\n";
    assert!(run.stdout.contains(listed), "{run:#?}");
    assert!(run.stdout.contains("\nmath.sqrt("), "{run:#?}");
    assert!(!run.stdout.contains("NormalDist"), "{run:#?}");
}

#[test]
fn what_the_list_does_not_allow_is_an_unknown_command() {
    for (name, near) in [
        (
            "statistics.maen",
            "; did you mean 'statistics.mean'?\nhint: the commands are: statistics.",
        ),
        (
            "mean",
            "; did you mean 'statistics.mean'?\nhint: the commands are: statistics.",
        ),
        (
            "os.system",
            "there is no command 'os.system'\nhint: the commands are: statistics.",
        ),
        (
            "statistics.sys.exit",
            "there is no command 'statistics.sys.exit'",
        ),
    ] {
        run(&["call", "-m", "statistics", name, "[[1]]"])
            .exits(2)
            .prints("")
            .says(&["error[call.unknown_command]", near]);
    }
}

#[test]
fn modules_that_cannot_be_listed_are_named() {
    run(&["call", "-m", "math,nope", "math.sqrt", "1"])
        .exits(3)
        .says(&[
            "error[launch.adapter]: pool `default` did not start: adapter `math, nope`",
            "there is no module 'nope'",
            "hint: is it installed for ",
        ]);
    run(&["call", "-m", "abc.py", "f"]).exits(2).says(&[
        "error[usage]: invalid value of `adapter.modules[0]`: expected a module as `import` names it",
        "`adapter: abc.py`",
    ]);
    run(&["call", "-m", "math,math", "f"])
        .exits(2)
        .says(&["error[usage]", "`math` is there twice; remove one"]);
}

#[test]
fn modules_stand_beside_neither_an_adapter_nor_a_configuration() {
    for other in [
        ["--adapter", "a.py"],
        ["--config", "a.yaml"],
        ["--pool", "a"],
    ] {
        let args = [&["call", "--modules", "math", "f"], &other[..]].concat();
        run(&args)
            .exits(2)
            .says(&["error: the argument '", "cannot be used with"]);
    }
    run(&["call", "--python", "3.14", "math.sqrt"])
        .exits(2)
        .says(&["<--adapter <SPEC>|--modules <NAMES>>"]);
    run(&["call", "f"]).exits(2).says(&[
        "error[usage]: there is no Python to call",
        "hint: give `--adapter path/to/adapter.py`, `--modules math` or `--config snakepit.yaml`",
    ]);
}
