//! Calls that work, and what they print.

use crate::support::{call, python, snakepit, zoo};

#[test]
fn a_result_is_one_line_of_json() {
    call("well.py", &["echo", r#"[{"a": [1, 2.5, null, "ä"]}]"#])
        .exits(0)
        .prints("{\"a\":[1,2.5,null,\"ä\"]}\n");
}

#[test]
fn arguments_are_given_by_position_and_by_name() {
    call("well.py", &["join", r#"["a", "b"]"#])
        .exits(0)
        .prints("\"a b\"\n");
    call("well.py", &["join", r#"{"first": "a", "second": "b"}"#])
        .exits(0)
        .prints("\"a b\"\n");
    call("well.py", &["join", "first=a", "second=b=c", "separator=-"])
        .exits(0)
        .prints("\"a-b=c\"\n");
    call("well.py", &["echo", "value:=-5"])
        .exits(0)
        .prints("-5\n");
    call("well.py", &["echo", "-5"]).exits(0).prints("-5\n");
}

#[test]
fn options_may_follow_the_arguments() {
    call("well.py", &["count", "to:=3", "--stream"])
        .exits(0)
        .prints("1\n2\n3\n");
    call("well.py", &["echo", "--", "--stream"])
        .exits(2)
        .says(&["the argument is not JSON"]);
}

#[test]
fn a_call_may_be_one_of_a_session() {
    call("well.py", &["--session", "ada", "remember", "text=x"])
        .exits(0)
        .prints("[\"ada\",[\"x\"]]\n");
    call("well.py", &["remember", "text=x"])
        .exits(1)
        .says(&["this call belongs to no session", "`--session`"]);
}

#[test]
fn a_tool_nobody_offers_is_an_error_with_a_hint() {
    call("well.py", &["ask_a_tool"])
        .exits(1)
        .says(&["ToolError: there is no tool `lookup`", "hint: register it"]);
}

#[test]
fn a_stream_is_one_line_per_value_and_a_list_without_stream() {
    call("well.py", &["--stream", "count", "to:=3"])
        .exits(0)
        .prints("1\n2\n3\n");
    call("well.py", &["count", "to:=3"])
        .exits(0)
        .prints("[1,2,3]\n");
    call("well.py", &["--stream", "echo", "1"])
        .exits(0)
        .prints("1\n");
}

#[test]
fn a_stream_that_raises_prints_what_came_before() {
    call("well.py", &["--stream", "count_and_raise", "to:=2"])
        .exits(1)
        .prints("1\n2\n")
        .says(&["error[call.exception]", "ValueError: that was all"]);
}

#[test]
fn an_adapter_that_prints_keeps_standard_output_clean() {
    let run = call("well.py", &["speak"])
        .exits(0)
        .prints("\"answered\"\n");
    for line in [
        "default/1 stdout | said on stdout\n",
        "default/1 stderr | said on stderr\n",
        "default/1 raw | written to descriptor 1\n",
    ] {
        assert!(run.stderr.contains(line), "no `{line}` in {run:#?}");
    }
}

#[test]
fn an_exception_is_shown_with_its_frames_and_its_cause_and_no_colour() {
    let run = call("well.py", &["fail"]).exits(1).prints("").says(&[
        "error[call.exception]: command `fail` raised ValueError: the order is not there\n",
        "well.py\", line ",
        "KeyError: 'missing'\n\nThe above exception was the direct cause of the following exception:\n\n",
        ", in fail\n    raise ValueError",
        "ValueError: the order is not there\n",
    ]);
    assert!(!run.stderr.contains('\u{1b}'), "{run:#?}");
}

#[test]
fn colours_are_for_terminals_and_those_who_ask_and_never_in_results() {
    let adapter = zoo("well.py").display().to_string();
    for (command, code) in [("speak", 0), ("fail", 1)] {
        let run = snakepit(&["call", "--adapter", &adapter, command]);
        let run = run.env("CLICOLOR_FORCE", "1").run().exits(code);
        assert!(run.stderr.contains('\u{1b}'), "{run:#?}");
        assert!(!run.stdout.contains('\u{1b}'), "{run:#?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let adapter = zoo("well.py").display().to_string();
    let mut run = snakepit(&[
        "call",
        "--adapter",
        &adapter,
        "--stream",
        "count",
        "to:=1000000",
    ])
    .start();
    drop(run.stdout());
    let run = run.end().exits(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn commands_are_listed_with_signature_and_documentation() {
    let adapter = zoo("well.py").display().to_string();
    let run = snakepit(&["commands", "--adapter", &adapter])
        .run()
        .exits(0);
    for line in [
        "echo(value)\n    Give back what came in.\n",
        "count(to: int)  streams\n",
    ] {
        assert!(run.stdout.contains(line), "no `{line}` in {run:#?}");
    }

    let run = snakepit(&["commands", "--json", "--adapter", &adapter])
        .run()
        .exits(0);
    let first: serde_json::Value =
        serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        serde_json::json!({
            "pool": "default",
            "name": "echo",
            "signature": "(value)",
            "doc": "Give back what came in.",
            "stream": false,
            "timeout": null,
            "idempotent": false,
            "params": [{
                "name": "value",
                "kind": "positional_or_keyword",
                "type": "",
                "doc": "",
                "required": true,
            }],
            "schema": {
                "type": "object",
                "properties": {"value": {}},
                "required": ["value"],
                "additionalProperties": false,
            },
        })
    );
}

#[test]
fn what_a_command_says_of_itself_is_shown() {
    let adapter = zoo("described.py").display().to_string();
    let run = snakepit(&["commands", "--adapter", &adapter])
        .run()
        .exits(0);
    let text = "repeat(word: str, times: int = 2) -> str  at most 1.5s  idempotent\n    Say it again.\n      \
                word: What to say.\n      times: How often.\n";
    assert_eq!(run.stdout, text);
    let run = snakepit(&["commands", "--json", "--adapter", &adapter])
        .run()
        .exits(0);
    let command: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert_eq!(command["params"][1]["default"], 2);
    assert_eq!(command["schema"]["properties"]["times"]["type"], "integer");
    assert_eq!(command["timeout"], 1.5);
}

#[test]
fn arguments_that_do_not_fit_are_refused_by_name() {
    let adapter = zoo("described.py").display().to_string();
    let call = ["call", "--adapter", &adapter, "repeat"];
    let refused = |args: &str, expected: &str| {
        let run = snakepit(&[&call[..], &[args]].concat()).run().exits(2);
        assert!(run.stderr.contains(expected), "{run:#?}");
        assert!(
            run.stderr.contains("repeat(word: str, times: int = 2)"),
            "{run:#?}"
        );
    };
    refused(r#"{"word": 5}"#, "`word` has to be a str, not an int (5)");
    refused(r#"["a", "3"]"#, "`times` has to be an int, not a str ('3')");
    refused(r#"{"wrod": "a"}"#, "did you mean 'word'?");
}

#[test]
fn completions_are_printed_for_a_shell() {
    let run = snakepit(&["completions", "bash"]).run().exits(0);
    assert!(run.stdout.contains("_snakepit()"), "{run:#?}");
}

#[test]
fn help_documents_every_exit_code() {
    for args in [&["--help"][..], &["call", "--help"]] {
        let run = snakepit(args).run().exits(0);
        for code in ["0  ", "1  ", "2  ", "3  ", "4  ", "130"] {
            let documented = run
                .stdout
                .lines()
                .any(|line| line.trim_start().starts_with(code));
            assert!(documented, "no {code} in {run:#?}");
        }
    }
}

#[test]
fn a_result_that_cannot_be_written_is_no_call_that_never_ran() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_snakepit"));
    command.args(["call", "--python", &python(), "--adapter"]);
    command.arg(zoo("well.py")).args(["echo", "1"]);
    let output = command.stdout(full.unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
