//! Ctrl-C and SIGTERM, before and during a call.

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

/// The adapter tells by it that its import has begun; nothing it prints is shown before it is done.
fn wait_for_knock(door: &UnixListener) {
    let bound = Timespec::try_from(BOUND).expect("a minute is not too long");
    let knocks = poll(&mut [PollFd::new(door, PollFlags::IN)], Some(&bound));
    assert_eq!(knocks, Ok(1), "the adapter was never imported");
}
