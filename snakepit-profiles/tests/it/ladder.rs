//! Calls that are given up, and what a worker tells of calls that go on: each rung of the ladder, on processes and threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snakepit_core::error::ExitStatus;
use snakepit_core::{
    Args, CallId, CancelGrace, LaneId, Limits, Quiesced, Value, Worker, WorkerProfile,
};

use crate::support::{LANE, LIMIT, Pit, eventually, gil_is_on};

/// Long enough for a worker that will do it, short enough to wait for one that will not.
const SHORT: Duration = Duration::from_millis(100);

/// A worker with a call that runs, and has been given up by whoever made it.
struct Busy {
    worker: Arc<dyn Worker>,
    call: CallId,
    lane: LaneId,
}

impl Busy {
    async fn start(pit: &Pit, profile: &dyn WorkerProfile, command: &str) -> Self {
        let worker = pit.launch(profile).await.worker;
        Self::begin(pit, worker, LANE, command).await
    }

    async fn begin(pit: &Pit, worker: Arc<dyn Worker>, lane: LaneId, command: &str) -> Self {
        let request = pit.request(command, Args::none());
        let call = request.id;
        let running = || {
            pit.lines()
                .iter()
                .any(|line| line.text == "running" && line.call == Some(call))
        };
        let mut future = worker.call(lane, request);
        let start = Instant::now();
        while !running() {
            assert!(start.elapsed() < LIMIT, "{:?}", pit.lines());
            let _ = tokio::time::timeout(Duration::from_millis(5), &mut future).await;
        }
        drop(future);
        Self { worker, call, lane }
    }

    async fn cancel(&self, grace: CancelGrace) -> Quiesced {
        self.worker.cancel(self.lane, self.call, grace).await
    }

    async fn stack(&self) -> Vec<String> {
        self.worker.stack(self.lane, self.call).await
    }
}

fn profiles(pit: &Pit) -> [Box<dyn WorkerProfile>; 2] {
    [
        Box::new(pit.profile("zoo.py")),
        Box::new(pit.threads("zoo.py").build()),
    ]
}

async fn answers(pit: &Pit, worker: &dyn Worker) {
    let answer = pit.call(worker, "echo", Args::positional([1])).await;
    assert_eq!(answer.unwrap(), 1.into());
}

#[tokio::test]
async fn a_call_that_listens_is_told_and_not_interrupted() {
    let pit = Pit::new();
    for profile in profiles(&pit) {
        let busy = Busy::start(&pit, &*profile, "listen").await;
        let grace = CancelGrace {
            cooperative: LIMIT,
            interrupt: Duration::ZERO,
        };
        assert_eq!(busy.cancel(grace).await, Quiesced::Clean);
        let told = || {
            pit.lines()
                .iter()
                .any(|line| line.text == "told" && line.call == Some(busy.call))
        };
        eventually(told, || format!("{:?}", pit.lines())).await;
        answers(&pit, &*busy.worker).await;
    }
}

#[tokio::test]
async fn a_call_that_does_not_listen_is_interrupted_after_that() {
    let pit = Pit::new();
    for profile in profiles(&pit) {
        for command in ["spin", "hang"] {
            if command == "hang" && profile.kind() == "thread" {
                continue; // nothing interrupts a system call of a thread
            }
            let busy = Busy::start(&pit, &*profile, command).await;
            let grace = CancelGrace {
                cooperative: SHORT,
                interrupt: LIMIT,
            };
            assert_eq!(busy.cancel(grace).await, Quiesced::Clean);
            answers(&pit, &*busy.worker).await;
        }
    }
}

#[tokio::test]
async fn a_call_that_keeps_the_gil_steps_aside_to_be_interrupted() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let busy = Busy::start(&pit, &profile, "never_lets_go").await;
    let grace = CancelGrace::interrupt(LIMIT);
    assert_eq!(busy.cancel(grace).await, Quiesced::Clean);
    answers(&pit, &*busy.worker).await;
}

#[tokio::test]
async fn a_call_stuck_in_native_code_leaves_its_stack_in_the_report() {
    let pit = Pit::new();
    for profile in profiles(&pit) {
        for command in ["deadlock", "deadlock_with_the_gil"] {
            let began = Instant::now();
            // There are but a few milliseconds for the last look, in which a busy machine may have no time for it.
            let report = loop {
                let busy = Busy::start(&pit, &*profile, command).await;
                assert_eq!(
                    busy.cancel(CancelGrace::interrupt(SHORT)).await,
                    Quiesced::Stuck
                );
                busy.worker.abort("the test wants it so");
                let report = busy.worker.exited().await;
                let mut stacks = report.stacks.iter();
                if stacks.any(|line| line.ends_with(" in _deadlock")) {
                    break report;
                }
                assert!(began.elapsed() < LIMIT, "{command}: {report:?}");
            };
            assert!(
                report
                    .stacks
                    .iter()
                    .any(|line| line.starts_with("Current thread 0x"))
            );
            assert!(
                !report.output.iter().any(|line| line.contains("_deadlock")),
                "{report:?}"
            );
        }
    }
    let heard = pit
        .lines()
        .iter()
        .any(|line| line.text.contains("thread 0x"));
    assert!(!heard, "nobody else had asked");
}

#[tokio::test]
async fn a_running_call_says_where_it_is() {
    let pit = Pit::new();
    for profile in profiles(&pit) {
        for command in ["hang", "spin", "deadlock", "deadlock_with_the_gil"] {
            let busy = Busy::start(&pit, &*profile, command).await;
            let function = if command.starts_with("dead") {
                "_deadlock"
            } else {
                command
            };
            for _ in 0..3 {
                let stack = busy.stack().await;
                let innermost = stack.last().unwrap_or_else(|| panic!("{command}"));
                assert!(innermost.contains("zoo.py:"), "{stack:?}");
                assert!(innermost.contains(&format!(" in {function}")), "{stack:?}");
                assert!(
                    !stack.iter().any(|frame| frame.contains("snakepit_bridge")),
                    "{stack:?}"
                );
            }
            // It was looked at, no more: neither its end nor anything else tells of it.
            busy.worker.abort("the test wants it so");
            let report = busy.worker.exited().await;
            assert_eq!(report.status, ExitStatus::Signal(9));
            assert!(report.stacks.is_empty(), "{report:?}");
        }
    }
}

#[tokio::test]
async fn each_lane_has_a_stack_of_its_own() {
    let pit = Pit::new();
    let profile = pit.threads("zoo.py").threads_per_worker(12).build();
    let worker = pit.launch(&profile).await.worker;
    let begin = |lane, command| Busy::begin(&pit, Arc::clone(&worker), LaneId::new(lane), command);
    let (first, last) = (
        begin(1, "spin").await,
        begin(10, "deadlock_with_the_gil").await,
    );
    assert!(last.stack().await.last().unwrap().contains(" in _deadlock"));
    assert!(first.stack().await.last().unwrap().contains(" in spin"));
}

#[tokio::test]
async fn nobody_dies_of_being_asked() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let busy = Busy::start(&pit, &profile, "deadlock_unseen").await;
    // Without a GIL it answers by itself.
    assert_eq!(busy.stack().await.is_empty(), gil_is_on());
    assert_eq!(
        busy.cancel(CancelGrace::interrupt(SHORT)).await,
        Quiesced::Stuck
    );
    busy.worker.abort("the test wants it so");
    assert_eq!(busy.worker.exited().await.status, ExitStatus::Signal(9));
    // Nor of a question that comes too late.
    assert!(busy.stack().await.is_empty());
    busy.worker.trim().await;
}

#[tokio::test]
async fn a_call_that_is_over_is_nowhere() {
    let pit = Pit::new();
    let worker = pit.launch(&pit.profile("zoo.py")).await.worker;
    answers(&pit, &*worker).await;
    assert!(worker.stack(LANE, CallId::new(1)).await.is_empty());
}

#[tokio::test]
async fn memory_is_given_back_beside_a_running_call() {
    let pit = Pit::new();
    for profile in profiles(&pit) {
        let busy = Busy::start(&pit, &*profile, "hang").await;
        for _ in 0..3 {
            busy.worker.trim().await;
        }
        busy.worker.ping().await.unwrap();
    }
}

#[tokio::test]
async fn limits_hold_from_the_start() {
    let pit = Pit::new();
    let wanted = Limits {
        open_files: Some(200),
        core_dump: Some(0),
        address_space: Some(1 << 40),
        ..Limits::default()
    };
    for profile in [pit.profile("zoo.py"), pit.exec("zoo.py")] {
        let context = pit.context().with_limits(wanted);
        let worker = profile.launch(context).await.unwrap().worker;
        let limits = pit.call(&*worker, "limits", Args::none()).await.unwrap();
        assert_eq!(
            limits,
            Value::List(vec![200.into(), 0.into(), (1_u64 << 40).into()])
        );
        answers(&pit, &*worker).await;
    }
}

#[tokio::test]
async fn a_limit_that_cannot_be_lived_with_is_named() {
    let pit = Pit::new();
    for profile in [pit.profile("zoo.py"), pit.exec("zoo.py")] {
        let limits = Limits {
            address_space: Some(4096),
            ..Limits::default()
        };
        let error = profile
            .launch(pit.context().with_limits(limits))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "launch.setup", "{error}");
        assert!(error.to_string().contains("as=4096"), "{error}");
        drop(profile);
    }
    pit.assert_empty().await;
}

/// Where no group can be made the limit is not the kernel's to enforce, and nobody is bothered with that.
#[tokio::test]
async fn a_limit_of_memory_never_keeps_a_worker_from_starting() {
    let pit = Pit::new();
    let limits = Limits {
        hard_memory: Some(1 << 30),
        ..Limits::default()
    };
    let launched = pit
        .profile("zoo.py")
        .launch(pit.context().with_limits(limits))
        .await
        .unwrap();
    answers(&pit, &*launched.worker).await;
    let pid = launched.hello.process.unwrap();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(
        launched.hello.memory_enforced,
        groups.contains("/snakepit."),
        "{groups}"
    );
}

#[tokio::test]
async fn the_ceiling_does_not_depend_on_the_workers_there_are() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let ceiling = || profile.ceiling().unwrap();
    let before = ceiling();
    assert!(
        before.workers > 0 && before.why.contains("each needs 4 of the"),
        "{before:?}"
    );
    let mut workers = Vec::new();
    for _ in 0..8 {
        workers.push(pit.launch(&profile).await);
    }
    // Other tests open files meanwhile; eight workers are 32 of them.
    let after = ceiling();
    assert!(
        before.workers.abs_diff(after.workers) < 8 * 10,
        "{before:?}, {after:?}"
    );
}
