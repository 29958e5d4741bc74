//! What the tests share: a profile on a test adapter, and the search for processes left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use snakepit_core::event::LogLine;
use snakepit_core::{
    Args, Call, CallError, CallId, LaneId, LaunchContext, LaunchError, Launched, Reply, Value,
    Worker, WorkerId, WorkerProfile,
};
use snakepit_profiles::{Builder, InterpreterProfile, ProcessProfile, SpawnMode, ThreadProfile};

/// The environment variable by which the processes of one test are found.
const MARK: &str = "SNAKEPIT_TEST_MARK";

/// How long anything may take that the tests wait for. Far more than it ever does.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// One test: a mark on its processes, and what they print.
pub(crate) struct Pit {
    mark: String,
    lines: Arc<Mutex<Vec<LogLine>>>,
    workers: AtomicU64,
    calls: AtomicU64,
}

impl Pit {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::with_mark(&format!("{}-{number}", std::process::id()))
    }

    /// A test whose processes another process looks for.
    pub(crate) fn with_mark(mark: &str) -> Self {
        Self {
            mark: mark.to_owned(),
            lines: Arc::default(),
            workers: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    /// The interpreter to test with.
    pub(crate) fn python() -> String {
        std::env::var("SNAKEPIT_TEST_PYTHON").unwrap_or_else(|_| "python3".into())
    }

    /// An interpreter of the same kind that has libraries, if there is one: `cargo xtask test` makes it.
    pub(crate) fn environment() -> Option<String> {
        std::env::var("SNAKEPIT_TEST_ENVIRONMENT").ok()
    }

    /// The environment variable that marks the processes of this test.
    pub(crate) fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.mark)
    }

    /// A profile on an adapter of the tests.
    pub(crate) fn builder(&self, adapter: &str) -> Builder<ProcessProfile> {
        ProcessProfile::builder(self::adapter(adapter))
            .python(Self::python())
            .env(MARK, &self.mark)
    }

    /// The same with four lanes in each worker.
    pub(crate) fn threads(&self, adapter: &str) -> Builder<ThreadProfile> {
        ThreadProfile::builder(self::adapter(adapter))
            .python(Self::python())
            .env(MARK, &self.mark)
    }

    /// The same with an interpreter for each lane.
    pub(crate) fn interpreters(&self, adapter: &str) -> Builder<InterpreterProfile> {
        InterpreterProfile::builder(self::adapter(adapter))
            .python(Self::python())
            .env(MARK, &self.mark)
    }

    pub(crate) fn profile(&self, adapter: &str) -> ProcessProfile {
        self.builder(adapter).build()
    }

    pub(crate) fn exec(&self, adapter: &str) -> ProcessProfile {
        self.builder(adapter).spawn(SpawnMode::Exec).build()
    }

    pub(crate) fn context(&self) -> LaunchContext {
        let worker = WorkerId::new(self.workers.fetch_add(1, Ordering::Relaxed) + 1);
        let lines = Arc::clone(&self.lines);
        LaunchContext::new(
            "test".into(),
            worker,
            LIMIT,
            Arc::new(move |line| lines.lock().push(line)),
        )
    }

    pub(crate) async fn try_launch(
        &self,
        profile: &dyn WorkerProfile,
    ) -> Result<Launched, LaunchError> {
        profile.launch(self.context()).await
    }

    pub(crate) async fn launch(&self, profile: &dyn WorkerProfile) -> Launched {
        self.try_launch(profile)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.output))
    }

    /// A call with an id of its own.
    pub(crate) fn request(&self, command: &str, args: impl Into<Args>) -> Call {
        let id = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        Call::new(CallId::new(id), command, args.into())
    }

    pub(crate) async fn call(
        &self,
        worker: &dyn Worker,
        command: &str,
        args: impl Into<Args>,
    ) -> Result<Value, CallError> {
        match worker.call(LANE, self.request(command, args)).await? {
            Reply::One(value) => Ok(value),
            Reply::Stream(_) => panic!("a stream nobody asked for"),
        }
    }

    /// What the workers have printed so far.
    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().clone()
    }

    /// Waits until that many calls of the zoo have said that they run.
    pub(crate) async fn running(&self, calls: usize) {
        let said = || {
            self.lines()
                .iter()
                .filter(|line| line.text == "running")
                .count()
        };
        eventually(|| said() >= calls, || format!("{:?}", self.lines())).await;
    }

    /// The processes of this test.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        let needle = format!("{MARK}={}\0", self.mark);
        let marked = |pid: &u32| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes())
            })
        };
        numbers().filter(marked).collect()
    }

    /// The processes of this test that are children of this one.
    pub(crate) fn children(&self) -> Vec<u32> {
        let mut children = children(std::process::id());
        let marked = self.processes();
        children.retain(|pid| marked.contains(pid));
        children
    }

    /// How many processes of this test are not children of this one: what a zygote forked, and what that started.
    pub(crate) fn grandchildren(&self) -> usize {
        self.processes().len().saturating_sub(self.children().len())
    }

    /// Waits until the test has no processes, nor zombies.
    pub(crate) async fn assert_empty(&self) {
        eventually(
            || self.processes().is_empty(),
            || format!("left over: {:?}", self.processes()),
        )
        .await;
        eventually(
            || zombies().is_empty(),
            || format!("not reaped: {:?}", zombies()),
        )
        .await;
    }

    /// As [`assert_empty`](Self::assert_empty), when the runtime is gone.
    pub(crate) fn assert_empty_blocking(&self) {
        wait_for(
            || self.processes().is_empty(),
            || format!("left over: {:?}", self.processes()),
        );
        wait_for(
            || zombies().is_empty(),
            || format!("not reaped: {:?}", zombies()),
        );
    }
}

/// The only lane of a process worker.
pub(crate) const LANE: LaneId = LaneId::new(0);

/// Waits until something holds, however it came to.
pub(crate) fn wait_for(holds: impl Fn() -> bool, problem: impl Fn() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{}", problem());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`wait_for`], without blocking the runtime.
pub(crate) async fn eventually(holds: impl Fn() -> bool, problem: impl Fn() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{}", problem());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Polls a future once, then lets the runtime do something else; whether it is done.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    let done =
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_ready())).await;
    tokio::task::yield_now().await;
    done
}

/// Kills a process by its number, as a stranger would.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Stops a process by its number, as a stranger would.
pub(crate) fn stop(pid: u32) {
    signal(pid, Signal::STOP);
}

/// Lets a stopped process go on.
pub(crate) fn resume(pid: u32) {
    signal(pid, Signal::CONT);
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    let _ = kill_process(pid, signal);
}

/// The children a process has, zombies included.
pub(crate) fn children(of: u32) -> Vec<u32> {
    numbers().filter(|&pid| parent(pid) == Some(of)).collect()
}

/// The numbers of all processes.
fn numbers() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Dead children of this process that nobody has reaped for a while: the reaper needs a moment.
fn zombies() -> BTreeSet<u32> {
    let mut zombies = children(std::process::id());
    zombies.retain(|&pid| state(pid) == Some('Z'));
    zombies.into_iter().collect()
}

/// The path of an adapter of the tests.
pub(crate) fn adapter(name: &str) -> String {
    adapters().join(name).display().to_string()
}

/// Says that a test tests less than it could.
#[expect(clippy::print_stdout, reason = "or it would look like a success")]
pub(crate) fn note(what: &str) {
    println!("{what}");
}

/// Whether the interpreter to test with has a GIL.
pub(crate) fn gil_is_on() -> bool {
    ask("getattr(sys, '_is_gil_enabled', lambda: True)()") == "True"
}

/// The version of the interpreter to test with: major, minor.
pub(crate) fn python_version() -> (u32, u32) {
    let answer = ask("'%d %d' % sys.version_info[:2]");
    let (major, minor) = answer.split_once(' ').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

fn ask(question: &str) -> String {
    let program = format!("import sys; print({question})");
    let mut command = std::process::Command::new(Pit::python());
    let answer = command.args(["-c", &program]).output().unwrap().stdout;
    String::from_utf8(answer).unwrap().trim().to_owned()
}

/// The folder of the adapters.
pub(crate) fn adapters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/adapters")
}
