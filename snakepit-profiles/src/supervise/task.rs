//! The task that watches one worker: control connection, output, death; must not know how the worker was started.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Signal;
use snakepit_core::CallId;
use snakepit_core::error::{ExitReport, ExitStatus};
use snakepit_core::event::{LogLine, LogStream};
use tokio::io::Interest;
use tokio::sync::{oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use super::ask::Questions;
use super::messages::{self, Hello};
use super::output::Lines;
use super::words::Words;
use super::{Findings, Handle, LAST_WORD, Listener, Shared, Sink, Verdict, event};
use crate::boot::Ward;
use crate::cgroup::{self, Group};
use crate::codec::Failure;
use crate::frame::{Decoder, Frame, Kind, Link};
use crate::lane::{Lane, Socket};
use crate::leash::Leash;
use crate::polled::{Polled, polled};

/// How long the exit status may follow death: the zygote, or the reaper, has to be scheduled once.
const STATUS: Duration = Duration::from_secs(1);

/// How long a dead worker's connections are read on. They end at once, unless a process it left behind holds them.
const ECHO: Duration = Duration::from_millis(100);

/// Control frames are small; a worker that says otherwise is lying.
const CONTROL_LIMIT: u32 = 16 * 1024 * 1024;

/// Output read at once.
const READ: usize = 16 * 1024;

/// A worker process and the host's ends of its connections.
pub(crate) struct Worker {
    /// `pool/number`.
    pub(crate) label: String,
    /// The process.
    pub(crate) leash: Leash,
    /// What it starts, guarded until it is gone.
    pub(crate) ward: Ward,
    /// Its exit status, once it has been reaped. Dropped when nobody will ever know.
    pub(crate) status: oneshot::Receiver<ExitStatus>,
    /// Its control connection.
    pub(crate) control: OwnedFd,
    /// The read end of its output pipe, not blocking.
    pub(crate) output: OwnedFd,
    /// Its lanes.
    pub(crate) lanes: Vec<Arc<Lane>>,
    /// Takes its output.
    pub(crate) sink: Sink,
    /// Takes what it finds out about itself.
    pub(crate) findings: Findings,
    /// Takes what its code tells.
    pub(crate) telemetry: Listener,
    /// The zygote it was forked from, kept until the worker is gone.
    pub(crate) parent: Option<Arc<dyn Parent>>,
    /// The control group that was made for it.
    pub(crate) group: Option<Group>,
    /// Kept as long as the connections are, to count them by.
    pub(crate) place: Arc<()>,
}

/// What a worker was forked from.
pub(crate) trait Parent: Send + Sync {
    /// How it ended, if it has and somebody could say.
    fn end(&self) -> Option<ExitStatus>;
}

/// The first thing a worker says: that it is ready, or why not. Carries the text of its `HELLO` too.
pub(crate) type Birth = Result<(Hello, bytes::Bytes), Failure>;

/// Starts watching a worker. The birth never arrives if the worker ends, or breaks the protocol, before it is ready.
///
/// # Panics
/// Panics outside a tokio runtime with I/O and time enabled.
pub(crate) fn supervise(worker: Worker) -> io::Result<(Handle, oneshot::Receiver<Birth>)> {
    let Worker {
        label,
        leash,
        ward,
        status,
        control,
        output,
        lanes,
        sink,
        findings,
        telemetry,
        parent,
        group,
        place,
    } = worker;
    let control = Arc::new(control);
    let (birth, born) = oneshot::channel();
    let handle = Handle(Arc::new(Shared {
        label,
        leash,
        group,
        _place: place,
        control: Arc::clone(&control),
        lanes: lanes.into(),
        words: parking_lot::Mutex::new(Words::default()),
        stacked: watch::Sender::new(()),
        dumping: tokio::sync::Mutex::new(()),
        verdict: parking_lot::Mutex::new(None),
        exit: watch::Sender::new(None),
        pings: parking_lot::Mutex::new(0),
        pongs: watch::Sender::new(0),
        stacks: Questions::default(),
        trims: 0.into(),
        trimmed: Questions::default(),
    }));
    let task = Task {
        death: polled(handle.0.leash.pidfd(), Interest::READABLE)?,
        control: Socket::new(control)?,
        decoder: Decoder::new(Link::Control, CONTROL_LIMIT),
        output: polled(output, Interest::READABLE)?,
        chunk: Vec::with_capacity(READ),
        lines: Lines::default(),
        birth: Some(birth),
        status,
        sink,
        findings,
        telemetry,
        parent,
        ward: Some(ward),
        handle: handle.clone(),
    };
    tokio::spawn(task.run());
    Ok((handle, born))
}

struct Task {
    handle: Handle,
    death: Polled,
    control: Socket,
    decoder: Decoder,
    output: Polled,
    chunk: Vec<u8>,
    lines: Lines,
    birth: Option<oneshot::Sender<Birth>>,
    status: oneshot::Receiver<ExitStatus>,
    sink: Sink,
    findings: Findings,
    telemetry: Listener,
    parent: Option<Arc<dyn Parent>>,
    ward: Option<Ward>,
}

impl Task {
    async fn run(mut self) {
        self.watch().await;
        // Asked now: what follows may find a reason that is not ours, such as the end of its zygote.
        let was_ours = self.handle.0.verdict.lock().is_some();
        // Dead, but there may be words in flight, and the status takes another process's help.
        let status = match timeout(STATUS, &mut self.status).await {
            Ok(Ok(status)) => status,
            Ok(Err(_)) => self.orphaned(),
            Err(_) => {
                // Its zygote is stopped, or hangs, and has not buried it: its number is still its own.
                self.handle.0.leash.kill_group();
                ExitStatus::Unknown
            }
        };
        if let Some(ward) = self.ward.take() {
            ward.buried();
        }
        let _ = timeout(ECHO, self.drain()).await;
        let memory = (!was_ours).then(|| self.memory(status)).flatten();
        self.publish(status, memory);
        if let Some(group) = &self.handle.0.group {
            group.remove().await;
        }
    }

    /// What shows that the worker, or its zygote, was killed for want of memory, if it was not us who killed it.
    fn memory(&self, status: ExitStatus) -> Option<String> {
        if status != ExitStatus::Signal(Signal::KILL.as_raw()) {
            return None;
        }
        let own = self.handle.0.group.as_ref().and_then(Group::evidence);
        own.or_else(cgroup::recent_kills)
    }

    /// The zygote died, and the worker of that: the kernel kills it with its parent. There is nobody left to tell its
    /// status, or to kill what it started.
    fn orphaned(&mut self) -> ExitStatus {
        let reason = match self.parent.as_ref().and_then(|parent| parent.end()) {
            Some(ExitStatus::Signal(9)) => "its zygote was killed".to_owned(),
            Some(status) => format!("its zygote ended with {status}"),
            None => "its zygote ended".to_owned(),
        };
        self.handle.end(|| Verdict::Reason(reason));
        let leash = &self.handle.0.leash;
        // A child of this process, if that adopts orphans.
        leash.reap().unwrap_or_else(|| {
            leash.kill_group();
            ExitStatus::Signal(Signal::KILL.as_raw())
        })
    }

    /// Serves the worker until it is dead.
    async fn watch(&mut self) {
        let (mut output, mut deaf_since) = (true, None);
        loop {
            tokio::select! {
                _ = self.death.readable() => return,
                more = control(&self.control, &mut self.decoder), if deaf_since.is_none() => {
                    if !(more && self.hear()) {
                        deaf_since = Some(Instant::now());
                    }
                    yield_now().await;
                }
                more = read(&self.output, &mut self.chunk), if output => {
                    output = more;
                    self.print();
                    // A worker that writes faster than we read would otherwise keep the runtime from its timers.
                    yield_now().await;
                }
                // Whoever closes its control connection is dying. If that takes long, it is not.
                () = sleep_until(deaf_since.unwrap_or_else(Instant::now) + LAST_WORD), if deaf_since.is_some() => {
                    self.handle.abort("it closed its control connection");
                    let _ = self.death.readable().await;
                    return;
                }
            }
        }
    }

    /// Reads what a dead worker has left.
    async fn drain(&mut self) {
        while read(&self.output, &mut self.chunk).await {
            self.print();
        }
        self.print();
        while control(&self.control, &mut self.decoder).await && self.hear() {}
    }

    fn print(&mut self) {
        let call = match self.handle.lanes() {
            [lane] => lane.current(),
            _ => 0,
        };
        let Self {
            lines,
            chunk,
            handle,
            sink,
            ..
        } = self;
        lines.feed(chunk, |line| print(handle, sink, line, call));
        chunk.clear();
    }

    /// Takes the frames that have arrived on control; false when there must not be more.
    fn hear(&mut self) -> bool {
        loop {
            let violation = match self.decoder.next() {
                Ok(None) => return true,
                Ok(Some(frame)) => match self.take(&frame) {
                    Ok(()) => continue,
                    Err(violation) => violation,
                },
                Err(error) => error.to_string(),
            };
            self.handle.violation(&format!("control: {violation}"));
            return false;
        }
    }

    fn take(&mut self, frame: &Frame) -> Result<(), String> {
        let body = &frame.body[..];
        let malformed = |error| format!("malformed {}: {error}", frame.header.kind.name());
        match (frame.header.kind, &self.birth) {
            (Kind::Log, _) => {
                let line = messages::log(body, frame.header.id).map_err(malformed)?;
                self.handle.0.words.lock().note(&line.text);
                (self.sink)(line);
            }
            (Kind::Event, _) => {
                (self.telemetry)(event(body, frame.header.id).map_err(malformed)?);
            }
            (Kind::Stack, None) => {
                let stack = messages::stack(body).map_err(malformed)?;
                if !self.handle.0.stacks.answer(frame.header.id, stack) {
                    return Err("STACK without a WHERE".to_owned());
                }
            }
            (Kind::Trimmed, None) => {
                let collected = messages::trimmed(body).map_err(malformed)?;
                if !self.handle.0.trimmed.answer(frame.header.id, collected) {
                    return Err("TRIMMED without a TRIM".to_owned());
                }
            }
            (Kind::Pong, None) => {
                let asked = *self.handle.0.pings.lock();
                self.handle.0.pongs.send_modify(|count| *count += 1);
                if *self.handle.0.pongs.borrow() > asked {
                    return Err("PONG without a PING".to_owned());
                }
            }
            (Kind::Notice, _) => {
                (self.findings)(serde_json::from_slice(body).map_err(malformed)?);
            }
            (Kind::Hello, Some(_)) => {
                let hello = serde_json::from_slice(body).map_err(malformed)?;
                self.bear(Ok((hello, frame.body.clone())));
            }
            (Kind::Failed, Some(_)) => self.bear(Err(
                Failure::decode(body).map_err(|error| error.to_string())?
            )),
            (kind, None) => return Err(format!("{} from a worker that is ready", kind.name())),
            (kind, Some(_)) => return Err(format!("{} before HELLO", kind.name())),
        }
        Ok(())
    }

    fn bear(&mut self, birth: Birth) {
        if let Some(sender) = self.birth.take() {
            let _ = sender.send(birth);
        }
    }

    fn publish(&mut self, status: ExitStatus, memory: Option<String>) {
        let Self {
            handle,
            lines,
            sink,
            ..
        } = self;
        lines.finish(|line| print(handle, sink, line, 0));
        let shared = &handle.0;
        let mut report = {
            let words = shared.words.lock();
            let report = ExitReport::new(&shared.label, status).with_output(words.tail());
            report.with_stacks(words.stacks())
        };
        report.memory = memory;
        report.reason = match (&*shared.verdict.lock(), status) {
            (Some(Verdict::Reason(reason)), _) => Some(reason.clone()),
            (Some(Verdict::Violation(detail)), _) => {
                Some(format!("it broke the protocol: {detail}"))
            }
            (None, ExitStatus::Code(70)) => Some("its runtime saw the protocol broken".to_owned()),
            (None, ExitStatus::Code(71)) => Some("its runtime lost a connection".to_owned()),
            (None, _) => None,
        };
        shared.exit.send_replace(Some(Arc::new(report)));
        shared.stacks.close();
        shared.trimmed.close();
        // After the report, so that whoever is woken by it finds the report.
        for lane in handle.lanes() {
            lane.shut_down();
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.handle.0.exit.borrow().is_none() {
            // The runtime is shutting down, and nobody will watch this process any more.
            self.handle.abort("the async runtime ended");
            self.publish(ExitStatus::Unknown, None);
        }
    }
}

/// Passes a line of raw output on, unless it is the answer to a question.
fn print(handle: &Handle, sink: &Sink, line: String, call: u64) {
    let heard = {
        let mut words = handle.0.words.lock();
        let heard = words.take(line);
        if words.has_answer() {
            handle.0.stacked.send_replace(());
        }
        heard
    };
    if let Some(text) = heard {
        let mut line = LogLine::new(LogStream::Raw, text);
        line.call = (call != 0).then(|| CallId::new(call));
        sink(line);
    }
}

/// Reads control once; false at its end.
async fn control(socket: &Socket, decoder: &mut Decoder) -> bool {
    socket.read(decoder).await.is_ok_and(|count| count > 0)
}

/// Reads a pipe once into an empty buffer; false at its end.
///
/// # Cancel safety
/// Cancel safe.
pub(crate) async fn read(pipe: &Polled, chunk: &mut Vec<u8>) -> bool {
    debug_assert!(chunk.is_empty());
    loop {
        let Ok(mut ready) = pipe.readable().await else {
            return false;
        };
        match retry_on_intr(|| rustix::io::read(pipe.get_ref(), spare_capacity(chunk))) {
            Ok(count) => return count > 0,
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(_) => return false,
        }
    }
}
