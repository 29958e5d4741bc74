//! Commands that misbehave: each ends in one typed error and leaves nothing behind.

use crate::support::call;

#[test]
fn a_command_that_writes_to_random_descriptors_breaks_the_protocol() {
    call("bad.py", &["scribble"]).exits(3).prints("").says(&[
        "error[call.protocol]: worker default/1 broke the protocol",
        "hint: code in the worker wrote to",
    ]);
}

#[test]
fn a_command_that_sends_a_lying_frame_breaks_the_protocol() {
    call("bad.py", &["lie"]).exits(3).prints("").says(&[
        "error[call.protocol]: worker default/1 broke the protocol",
        "hint: ",
    ]);
}

#[test]
fn a_command_that_closes_its_descriptors_loses_its_worker() {
    call("bad.py", &["close_every_descriptor"])
        .exits(3)
        .prints("")
        .says(&["error[call."]);
}

#[test]
fn a_forked_copy_of_a_worker_answers_nothing() {
    call("bad.py", &["fork_and_answer_twice"])
        .exits(0)
        .prints("\"parent\"\n");
}

#[test]
fn a_forked_child_that_stays_is_killed_with_its_worker() {
    call("bad.py", &["fork_and_stay"])
        .exits(0)
        .prints("\"parent\"\n");
}

#[test]
fn a_command_that_calls_sys_exit_is_an_error_of_the_call() {
    call("bad.py", &["leave"]).exits(1).prints("").says(&[
        "error[call.exception]",
        "SystemExit: 3",
        "bad.py\", line ",
        "in leave",
    ]);
}

#[test]
fn a_command_that_ends_the_process_loses_its_worker() {
    let run = call("bad.py", &["leave_at_once"])
        .exits(3)
        .prints("")
        .says(&[
            "goodbye",
            "error[call.worker_lost]: worker default/1 was lost: exit code 7",
            "in call 1 of `leave_at_once`\n",
            "after ",
            " and 0 calls\n",
        ]);
    assert_eq!(run.stderr.matches("goodbye").count(), 1, "{run:#?}");
}

#[test]
fn a_command_that_crashes_the_interpreter_is_shown_with_its_stack() {
    call("bad.py", &["crash"]).exits(3).prints("").says(&[
        "Segmentation fault",
        "in crash",
        "error[call.worker_lost]: worker default/1 was lost: SIGSEGV",
        "hint: ",
    ]);
}

#[test]
fn a_result_nothing_can_carry_is_named_with_its_path() {
    call("bad.py", &["opaque"]).exits(1).prints("").says(&[
        "error[call.unserialisable]: command `opaque`: result['items'][1]",
        "object cannot be carried; return plain data",
        "hint: or keep it in its worker",
    ]);
}

#[test]
fn a_result_that_is_too_large_says_how_large_it_may_be() {
    call("bad.py", &["huge"])
        .exits(1)
        .prints("")
        .says(&["error[call.too_large]", "hint: "]);
}

#[test]
fn endless_recursion_is_an_exception_with_a_bounded_traceback() {
    let run = call("bad.py", &["recurse"]).exits(1).prints("").says(&[
        "error[call.exception]",
        "RecursionError",
        "bad.py\", line ",
        "in recurse",
        "[Previous line repeated ",
    ]);
    // A line that says what failed, and Python's: three frames of three lines, four lines around them.
    assert!(run.stderr.lines().count() <= 13, "{run:#?}");
}

#[test]
fn a_command_that_takes_too_long_is_interrupted() {
    call("well.py", &["--timeout", "500ms", "wait_for_ever"])
        .exits(4)
        .prints("")
        .says(&[
            "error[call.timeout]: `wait_for_ever` timed out after 500ms running",
            "hint: ",
        ]);
}

#[test]
fn a_command_that_takes_too_long_may_clean_up() {
    call(
        "well.py",
        &["--timeout", "500ms", "clean_up_when_interrupted"],
    )
    .exits(4)
    .prints("")
    .says(&["stdout | cleaned up", "error[call.timeout]: "]);
}

#[test]
fn a_command_that_cannot_be_interrupted_is_killed() {
    for command in ["hang_in_native_code", "swallow_every_interrupt"] {
        call("bad.py", &["--timeout", "500ms", command])
            .exits(4)
            .prints("")
            .says(&["error[call.timeout]"]);
    }
}
