//! Mistakes made before any command runs: each ends in one error that names the place and the
//! remedy.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{call, snakepit, zoo};

#[test]
fn an_unknown_command_is_told_its_nearest_neighbour() {
    call("well.py", &["ehco", "1"]).exits(2).prints("").says(&[
        "error[call.unknown_command]",
        "'ehco'",
        "did you mean 'echo'?",
    ]);
}

#[test]
fn text_where_json_was_meant_is_answered_with_what_to_write() {
    call("described.py", &["repeat", "word=a", "times=2"])
        .exits(2)
        .prints("")
        .says(&[
            "`times` has to be",
            "`times=2` passes text; write `times:=2`",
        ]);
}

#[test]
fn a_file_in_place_of_a_command_is_told_where_it_belongs() {
    let file = zoo("well.py");
    let written = format!(
        "hint: name the file first: `snakepit call --adapter {} echo`",
        file.display()
    );
    snakepit(&["call", file.to_str().unwrap(), "echo"])
        .run()
        .exits(2)
        .prints("")
        .says(&["is a file, not a command", &written]);
}

#[test]
fn missing_arguments_are_answered_with_the_signature() {
    call("well.py", &["join", "first=a"])
        .exits(2)
        .prints("")
        .says(&[
            "error[call.bad_arguments]",
            "second",
            "hint: ",
            "(first, second, separator=' ')",
        ]);
}

#[test]
fn extra_arguments_are_answered_with_the_signature() {
    call("well.py", &["echo", "[1, 2]"])
        .exits(2)
        .prints("")
        .says(&["error[call.bad_arguments]", "hint: ", "(value)"]);
    call("well.py", &["echo", "value=1", "colour=red"])
        .exits(2)
        .prints("")
        .says(&["error[call.bad_arguments]", "colour", "hint: ", "(value)"]);
}

#[test]
fn wrong_json_is_refused_before_anything_starts() {
    call("no_such_file.py", &["echo", "{value: 1}"])
        .exits(2)
        .prints("")
        .says(&[
            "error[usage]: the argument is not JSON",
            "hint: give one JSON value, or `name=text` and `name:=json` pairs",
        ]);
    call("no_such_file.py", &["echo", "Ada"])
        .exits(2)
        .says(&["error[usage]: the argument is not JSON", "hint: quote text"]);
    call("no_such_file.py", &["echo", "value:=nope"])
        .exits(2)
        .says(&[
            "the value of `value` is not JSON",
            "hint: write `value=nope`",
        ]);
}

#[test]
fn an_adapter_file_that_is_missing_is_named() {
    call("no_such_file.py", &["echo", "1"])
        .exits(3)
        .prints("")
        .says(&[
            "error[launch.adapter]: pool `default` did not start",
            "no_such_file.py",
            "hint: ",
        ]);
}

#[test]
fn a_syntax_error_is_shown_with_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = folder.path().join("broken.py");
    std::fs::write(&adapter, "def ping():\n    return (\n").unwrap();
    snakepit(&["call", "--adapter", adapter.to_str().unwrap(), "ping"])
        .run()
        .exits(3)
        .prints("")
        .says(&["error[launch.adapter]", "SyntaxError", "broken.py", "2"]);
}

#[test]
fn an_exception_at_import_is_shown_with_its_file_and_line() {
    call("raises_at_import.py", &["ping"])
        .exits(3)
        .prints("")
        .says(&[
            "error[launch.adapter]: pool `default` did not start",
            "KeyError: 'host'",
            "raises_at_import.py\", line 5",
            "HOST = settings[\"host\"]",
        ]);
}

#[test]
fn an_adapter_that_ends_the_process_at_import_is_reported() {
    call("leaves_at_import.py", &["ping"])
        .exits(3)
        .prints("")
        .says(&["exit code 5"]);
}

#[test]
fn an_adapter_without_commands_is_refused() {
    call("empty.py", &["ping"])
        .exits(3)
        .prints("")
        .says(&["error[launch.adapter]", "empty.py"]);
}

#[test]
fn an_adapter_that_is_never_done_importing_runs_out_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = zoo("hangs_at_import.py").display().to_string();
    let file = folder.path().join("snakepit.yaml");
    std::fs::write(
        &file,
        format!("adapter: {adapter}\nstartup_timeout: 500ms\n"),
    )
    .unwrap();
    snakepit(&["call", "--config", file.to_str().unwrap(), "ping"])
        .run()
        .exits(3)
        .prints("")
        .says(&[
            "error[launch.timeout]",
            "not ready within",
            "hint: raise `startup_timeout`",
        ]);
}

#[test]
fn an_interpreter_that_is_missing_is_named() {
    call("well.py", &["--python", "/no/such/python", "echo", "1"])
        .exits(3)
        .prints("")
        .says(&["error[launch.", "/no/such/python", "hint: "]);
}

#[test]
fn an_interpreter_that_is_too_old_is_told_what_is_needed() {
    let Some(old) = old_python() else {
        // Shown with --nocapture.
        let skipped = "skipped: no interpreter older than 3.8; set SNAKEPIT_TEST_OLD_PYTHON\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    };
    call("well.py", &["--python", &old, "echo", "1"])
        .exits(3)
        .prints("")
        .says(&["error[launch.interpreter]", "3.8"]);
}

#[test]
fn something_that_is_no_interpreter_is_reported() {
    call("well.py", &["--python", "/bin/true", "echo", "1"])
        .exits(3)
        .prints("")
        .says(&[
            "error[launch.exited]",
            "ended before it was ready",
            "exit code 0",
        ]);
}

#[test]
fn a_worker_profile_nobody_registered_is_told_which_there_are() {
    call("well.py", &["--profile", "proces", "echo", "1"])
        .exits(2)
        .prints("")
        .says(&[
            "error[usage]: invalid value of `worker_profile`: did you mean `process`?",
            "hint: this program knows",
            "`process`",
        ]);
}

#[test]
fn a_call_without_a_source_is_told_where_to_name_one() {
    let folder = tempfile::tempdir().unwrap();
    snakepit(&["call", "echo"])
        .in_folder(folder.path())
        .run()
        .exits(2)
        .prints("")
        .says(&[
            "error[usage]: there is no Python to call",
            "--adapter",
            "--config",
        ]);
}

#[test]
fn a_timeout_without_a_unit_is_refused() {
    call("well.py", &["--timeout", "5", "echo", "1"])
        .exits(2)
        .says(&["--timeout", "`5s`"]);
}

fn old_python() -> Option<String> {
    if let Ok(old) = std::env::var("SNAKEPIT_TEST_OLD_PYTHON") {
        return Some(old);
    }
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command
            .args(["-c", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let old = ["python3.7", "python3.6", "python2.7"]
        .into_iter()
        .find(|program| runs(program));
    old.map(str::to_owned)
}
