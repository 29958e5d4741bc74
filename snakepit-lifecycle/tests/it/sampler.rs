//! The sampler on processes that grow, work, stop and end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use snakepit_core::{Meter as _, Usage, Watch};
use snakepit_lifecycle::Sampler;

/// Far beyond what anything here takes: a bound on hanging, not a measure of speed.
const BOUND: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(5);
const MIB: u64 = 1 << 20;

/// A Python that does what it is told, line by line.
struct Python {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let python = std::env::var("SNAKEPIT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let program = "import sys\nfor line in sys.stdin:\n exec(line)\n print('done', flush=True)";
        let mut child = Command::new(python)
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a Python");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut python = Self { child, answers };
        python.run("pass");
        python
    }

    fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("it reads");
    }

    fn run(&mut self, line: &str) {
        self.tell(line);
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, "done\n");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch(sampler: &Sampler, python: &Python) -> (Watch, Receiver<Usage>) {
    let (sender, readings) = channel();
    let report = move |usage| {
        // The test may have seen enough.
        let _ = sender.send(usage);
    };
    (
        sampler.watch(python.child.id(), EVERY, Box::new(report)),
        readings,
    )
}

#[track_caller]
fn until(readings: &Receiver<Usage>, enough: impl Fn(&Usage) -> bool) -> Usage {
    let give_up = Instant::now() + BOUND;
    loop {
        let usage = readings.recv_timeout(BOUND).expect("there are readings");
        if enough(&usage) {
            return usage;
        }
        assert!(Instant::now() < give_up, "the last reading is {usage:?}");
    }
}

#[test]
fn memory_is_seen_to_grow_and_to_shrink() {
    let (sampler, mut python) = (Sampler::new(), Python::start());
    let before = sampler.read(python.child.id()).unwrap();
    assert!(before.private > 0 && before.private < 64 * MIB);
    let (_watch, readings) = watch(&sampler, &python);
    until(&readings, |usage| usage.private < 64 * MIB);
    // Mapped, as an allocator may keep what is freed.
    python.run("import mmap; anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS");
    python
        .run("block = mmap.mmap(-1, 64 << 20, flags=anonymous); block[::4096] = b'x' * (16 << 10)");
    let grown = until(&readings, |usage| usage.private >= 64 * MIB);
    assert!(grown.at > before.at && grown.cpu >= before.cpu);
    python.run("block.close()");
    until(&readings, |usage| usage.private < 64 * MIB);
}

#[test]
fn what_a_child_shares_with_its_parent_is_its_own_only_after_writing_to_it() {
    let (sampler, mut python) = (Sampler::new(), Python::start());
    python.run("block = bytearray(b'x') * (64 << 20)");
    // From here on the child reads the lines, and the parent waits for it.
    python.tell("import os; pid = os.fork(); pid and os._exit(os.waitpid(pid, 0)[1]); print(os.getpid(), flush=True)");
    let mut number = String::new();
    python.answers.read_line(&mut number).expect("it answers");
    let number = number.trim().parse().expect("it is a number");
    let mut done = String::new();
    python.answers.read_line(&mut done).expect("it answers");
    assert!(sampler.read(number).unwrap().private < 64 * MIB);
    python.run("block[:] = bytes(64 << 20)");
    assert!(sampler.read(number).unwrap().private >= 64 * MIB);
}

#[test]
fn work_is_seen_and_so_is_its_absence() {
    let (sampler, mut python) = (Sampler::new(), Python::start());
    let (_watch, readings) = watch(&sampler, &python);
    let before = until(&readings, |_| true);
    python.tell("while True: pass");
    until(&readings, |usage| {
        usage.cpu > before.cpu + Duration::from_millis(100)
    });
    python.signal(Signal::STOP);
    // Readings go on, and one day the same twice: it does not work any more.
    let mut last = until(&readings, |_| true);
    while let Ok(next) = readings.recv_timeout(BOUND) {
        if next.cpu == last.cpu && next.at > last.at + Duration::from_millis(50) {
            return;
        }
        if next.cpu != last.cpu {
            last = next;
        }
    }
    panic!("a stopped process has readings");
}

#[test]
fn a_watch_ends_with_its_process() {
    let (sampler, python) = (Sampler::new(), Python::start());
    let (_watch, readings) = watch(&sampler, &python);
    until(&readings, |_| true);
    let number = python.child.id();
    python.signal(Signal::KILL);
    // It is not waited for yet: a process that has ended has nothing to measure, whether its number is free or not.
    assert_ended(&readings);
    assert_eq!(sampler.read(number), None);
    drop(python);
    assert_eq!(sampler.read(number), None);
}

#[test]
fn a_watch_ends_when_it_is_dropped() {
    let (sampler, python) = (Sampler::new(), Python::start());
    let (watch, readings) = watch(&sampler, &python);
    until(&readings, |_| true);
    drop(watch);
    assert_ended(&readings);
}

#[test]
fn a_watch_may_be_dropped_by_its_own_report() {
    let (sampler, python) = (Sampler::new(), Python::start());
    let (give, take) = channel::<Watch>();
    let (sender, readings) = channel();
    let report = move |usage| {
        drop(take.recv());
        let _ = sender.send(usage);
    };
    let watch = sampler.watch(python.child.id(), EVERY, Box::new(report));
    give.send(watch).unwrap();
    readings.recv_timeout(BOUND).unwrap();
    assert_ended(&readings);
}

#[test]
fn a_report_that_panics_takes_no_other_along() {
    let (sampler, python) = (Sampler::new(), Python::start());
    let (sender, panicked) = channel();
    let report = move |usage| {
        let _ = sender.send(usage);
        panic!("a mistake of whoever listens; this message belongs to the test");
    };
    let _bad = sampler.watch(python.child.id(), EVERY, Box::new(report));
    let (_watch, readings) = watch(&sampler, &python);
    panicked.recv_timeout(BOUND).unwrap();
    assert_ended(&panicked);
    let after = Instant::now();
    until(&readings, |usage| usage.at > after);
}

#[test]
fn what_is_no_process_has_no_readings() {
    let sampler = Sampler::new();
    let (sender, readings) = channel::<Usage>();
    let report = move |usage| {
        let _ = sender.send(usage);
    };
    let _watch = sampler.watch(u32::MAX, EVERY, Box::new(report));
    assert_ended(&readings);
    assert_eq!(sampler.read(0), None);
    assert!(sampler.check().is_ok());
}

#[track_caller]
fn assert_ended(readings: &Receiver<Usage>) {
    let give_up = Instant::now() + BOUND;
    while readings.recv_timeout(BOUND) != Err(RecvTimeoutError::Disconnected) {
        assert!(Instant::now() < give_up, "there are readings still");
    }
}
