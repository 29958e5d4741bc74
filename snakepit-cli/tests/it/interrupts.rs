//! Ctrl-C and SIGTERM, before and during a call, once and again.

use std::fs;
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::support::{BOUND, snakepit, zoo};

#[test]
fn a_signal_during_a_call_ends_it_and_its_worker() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let adapter = zoo("well.py").display().to_string();
        let mut run = snakepit(&["call", "--adapter", &adapter, "wait_for_ever"]).start();
        run.wait_for("default/1 stdout | waiting");
        run.signal(signal);
        run.end().exits(code).says(&["error[interrupted]"]);
    }
}

#[test]
fn a_signal_during_the_start_ends_it_and_what_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let door = UnixListener::bind(&socket).unwrap();
    let adapter = zoo("hangs_at_import.py").display().to_string();
    let run = snakepit(&["call", "--adapter", &adapter, "ping"]);
    let run = run.env("SNAKEPIT_TEST_SOCKET", &socket).start();
    wait_for_knock(&door);
    run.signal(Signal::INT);
    run.end().exits(130).says(&["error[interrupted]"]);
}

#[test]
fn a_signal_reaches_a_worker_that_cannot_be_interrupted() {
    for command in ["hang_in_native_code", "swallow_every_interrupt"] {
        let adapter = zoo("bad.py").display().to_string();
        let mut run = snakepit(&["call", "--adapter", &adapter, command]).start();
        run.wait_for("default/1 stdout | hanging");
        run.signal(Signal::INT);
        run.end().exits(130).says(&["error[interrupted]"]);
    }
}

#[test]
fn a_signal_lets_python_clean_up_and_says_what_was_interrupted() {
    let adapter = zoo("well.py").display().to_string();
    let mut run = snakepit(&["call", "--adapter", &adapter, "clean_up_when_interrupted"]).start();
    run.wait_for("stdout | waiting");
    run.signal(Signal::INT);
    run.end().exits(130).says(&[
        "stdout | cleaned up",
        "error[interrupted]: stopped by a signal",
        "pool `default`: 1 call was interrupted",
    ]);
}

#[test]
fn a_second_signal_kills_what_takes_long_to_clean_up() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = zoo("well.py").display().to_string();
    let text = format!("pools: [{{name: slow, adapter: '{adapter}', cancel_grace: 1h}}]");
    let file = folder.path().join("pit.yaml");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let mut run = snakepit(&["call", "--config", &file, "take_long_to_clean_up"]).start();
    run.wait_for("stdout | waiting");
    run.signal(Signal::INT);
    run.wait_for("stdout | cleaning up");
    run.wait_for("waiting for workers to clean up; a further signal kills them");
    run.signal(Signal::INT);
    run.end().exits(130).says(&[
        "error[interrupted]: stopped by a signal",
        "pool `slow`: 1 worker was killed",
    ]);
}

#[test]
fn a_call_may_finish_within_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let path = format!("path={}", file.display());
    let adapter = zoo("well.py").display().to_string();
    let call = ["call", "--adapter", &adapter, "--grace", "1h"];
    let mut run = snakepit(&[&call[..], &["finish_when_there_is", &path]].concat()).start();
    run.wait_for("stdout | waiting");
    run.signal(Signal::TERM);
    run.wait_for("finishing what runs, for 1h at most; a further signal interrupts it");
    fs::write(&file, "").unwrap();
    let stdout = run.stdout();
    run.end().exits(0);
    assert_eq!(std::io::read_to_string(stdout).unwrap(), "\"finished\"\n");
}

#[test]
fn a_second_signal_ends_the_grace() {
    let adapter = zoo("well.py").display().to_string();
    let call = ["call", "--adapter", &adapter, "--grace", "1h"];
    let mut run = snakepit(&[&call[..], &["clean_up_when_interrupted"]].concat()).start();
    run.wait_for("stdout | waiting");
    run.signal(Signal::INT);
    run.wait_for("a further signal interrupts it");
    run.signal(Signal::TERM);
    run.end().exits(130).says(&[
        "stdout | cleaned up",
        "pool `default`: 1 call was interrupted",
    ]);
}

/// The adapter tells by it that its import has begun; nothing it prints is shown before it is done.
fn wait_for_knock(door: &UnixListener) {
    let bound = Timespec::try_from(BOUND).expect("a minute is not too long");
    let knocks = poll(&mut [PollFd::new(door, PollFlags::IN)], Some(&bound));
    assert_eq!(knocks, Ok(1), "the adapter was never imported");
}
