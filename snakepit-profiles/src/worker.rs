//! A worker process as the pool sees it: calls on lanes, cancellation, death; must not know how it was started.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use snakepit_core::error::{CallError, ExitReport, RemoteError, RemoteKind};
use snakepit_core::{
    Call, CallId, CancelGrace, Command, Delivery, Hello, LaneId, Launched, Quiesced, Reply,
    ReplyStream, Value, Worker,
};
use tokio::time::timeout;

use crate::bodies;
use crate::boot::Recipe;
use crate::codec;
use crate::frame::{FREE_CHUNKS, Frame, Kind};
use crate::lane::{Fault, Lane, Lease};
use crate::service::Service;
use crate::supervise::{self, Handle};

/// The most chunks of one stream under way. A window begins with what a worker may send unasked, and doubles each time
/// half of it was taken: long streams of small chunks are granted rarely, short ones never, and of large chunks the socket
/// holds fewer than that in any case.
const WINDOW: u32 = 8 * FREE_CHUNKS;

/// How long a `CANCEL` may go unanswered before it is sent again, doubling. A signal can hit the moment between the last
/// check and a blocking system call, and then it takes another.
const INSIST: Duration = Duration::from_millis(20);

/// How long the stacks of a worker that is stuck may take. Its replacement waits for that.
const LAST_LOOK: Duration = Duration::from_millis(8);

/// The commands of an adapter. All of its workers tell the same, and there may be hundreds: they are kept once.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Mutex<Arc<[Command]>>);

impl Catalogue {
    /// What was told, or the same from before.
    fn shared(&self, told: Vec<Command>) -> Arc<[Command]> {
        let mut known = self.0.lock();
        if **known != *told {
            *known = told.into();
        }
        Arc::clone(&known)
    }
}

/// A worker process. Killed when dropped.
pub(crate) struct ProcessWorker {
    handle: Handle,
    /// The number of each lane's thread.
    threads: Vec<u64>,
    max_payload: u32,
}

impl ProcessWorker {
    /// The worker that has said this `hello`.
    pub(crate) fn launched(
        handle: Handle,
        mut message: supervise::Hello,
        text: &Bytes,
        launch: String,
        recipe: &Recipe,
        catalogue: &Catalogue,
    ) -> Launched {
        let mut hello = Hello::new(message.lanes);
        hello.process = Some(handle.pid());
        hello.runtime = message.facts.python.describe();
        hello.keeps_sessions = message.keeps_sessions();
        hello.commands = catalogue.shared(message.commands());
        hello.launch = launch;
        hello.memory_enforced = handle.is_limited();
        hello.facts = codec::decode(text, false).unwrap_or_default();
        if let Value::Map(facts) = &mut hello.facts {
            facts.remove("commands");
        }
        let worker = Self {
            handle,
            threads: message.lane_threads,
            max_payload: recipe.boot.max_frame,
        };
        Launched {
            worker: Arc::new(worker),
            hello,
        }
    }

    fn lane(&self, lane: LaneId) -> Option<&Arc<Lane>> {
        self.handle.lanes().get(lane.index())
    }

    /// Sends a call.
    async fn start<L>(&self, mut lease: Lease<L>, call: &mut Call) -> Result<Lease<L>, CallError>
    where
        L: std::ops::Deref<Target = Lane>,
    {
        bodies::call(call, self.max_payload, lease.outgoing()).map_err(|source| {
            CallError::Encode {
                command: call.command.to_string(),
                source,
            }
        })?;
        lease.keep_for(call.session_call.take());
        match lease.begin(call.id.get(), call.stream).await {
            Ok(()) => Ok(lease),
            Err(fault) => {
                let delivery = if lease.is_sent() {
                    Delivery::MaybeExecuted
                } else {
                    Delivery::NotSent
                };
                drop(lease);
                Err(faulty(&self.handle, fault, delivery).await)
            }
        }
    }

    /// Gets a call to let go of its lane: tells it, interrupts it, and in the end has a last look at where it is, which is
    /// for the worker's exit report. `None` if all that was in vain.
    async fn quiesce(
        &self,
        lease: &mut Lease<&Lane>,
        call: u64,
        grace: CancelGrace,
    ) -> Option<Result<(), Fault>> {
        if !grace.cooperative.is_zero() {
            self.handle.send_tell(call);
            if let Ok(result) = timeout(grace.cooperative, lease.quiesce()).await {
                return Some(result);
            }
        }
        let interrupt = async {
            let mut patience = INSIST;
            loop {
                self.handle.send_cancel(call);
                if self.handle.lanes().len() == 1 {
                    self.handle.nudge();
                }
                if let Ok(result) = timeout(patience, lease.quiesce()).await {
                    return result;
                }
                patience *= 2;
            }
        };
        if let Ok(result) = timeout(grace.interrupt, interrupt).await {
            return Some(result);
        }
        // A signal ends some system calls: the call may let go after all.
        tokio::select! {
            biased;
            result = lease.quiesce() => Some(result),
            () = self.handle.last_look(LAST_LOOK) => None,
        }
    }

    /// Takes a lane for a call.
    async fn free<L>(&self, lane: Option<L>) -> Result<Lease<L>, CallError>
    where
        L: std::ops::Deref<Target = Lane>,
    {
        match lane.and_then(Lease::take) {
            Some(lease) if lease.is_free() => Ok(lease),
            Some(lease) if lease.is_broken() => {
                drop(lease);
                Err(self.handle.lost(Delivery::NotSent).await)
            }
            // A pool that keeps its promise never comes here. One that does not gets no wrong answers.
            _ => Err(CallError::Remote(Box::new(RemoteError::new(
                RemoteKind::Expired,
                "the lane is in use",
            )))),
        }
    }
}

/// The error for a lane that failed, which is the end of its worker.
async fn faulty(handle: &Handle, fault: Fault, delivery: Delivery) -> CallError {
    match fault {
        Fault::Closed => handle.lost(delivery).await,
        Fault::Violation(detail) => handle.violation(&detail),
    }
}

/// Serves a call that has asked for something, until its answer.
async fn serve(
    mut service: Service,
    lease: &mut Lease<&Lane>,
    question: &Frame,
) -> Result<Frame, Fault> {
    service.take(question)?;
    service.answer(lease).await
}

/// The value of a `RESULT` or `CHUNK`.
fn value(handle: &Handle, frame: &Frame) -> Result<Value, CallError> {
    bodies::value(frame).map_err(|problem| {
        handle.violation(&format!(
            "malformed {}: {problem}",
            frame.header.kind.name()
        ))
    })
}

/// The error in an `ERROR`.
fn remote(handle: &Handle, frame: &Frame) -> CallError {
    match bodies::error(frame) {
        Ok(error) => CallError::Remote(Box::new(error)),
        Err(problem) => handle.violation(&format!("malformed ERROR: {problem}")),
    }
}

#[async_trait]
impl Worker for ProcessWorker {
    async fn call(&self, lane: LaneId, mut call: Call) -> Result<Reply, CallError> {
        if call.stream {
            let lease = self.free(self.lane(lane).cloned()).await?;
            let lease = self.start(lease, &mut call).await?;
            let handle = self.handle.clone();
            let service = Service::new(call.exchange, call.id.get(), self.max_payload);
            return Ok(Reply::Stream(
                Chunks {
                    lease,
                    service,
                    handle,
                    window: FREE_CHUNKS,
                    taken: 0,
                }
                .into_stream(),
            ));
        }
        let lease = self.free(self.lane(lane).map(|lane| &**lane)).await?;
        let mut lease = self.start(lease, &mut call).await?;
        let mut answer = lease.answer().await;
        if let Ok(question) = &answer
            && question.header.kind.asks()
        {
            let service = Service::new(call.exchange, call.id.get(), self.max_payload);
            // Apart: most calls ask for nothing, and are spared its size.
            answer = Box::pin(serve(service, &mut lease, question)).await;
        }
        drop(lease);
        match answer {
            Ok(frame) if frame.header.kind == Kind::Result => {
                value(&self.handle, &frame).map(Reply::One)
            }
            Ok(frame) => Err(remote(&self.handle, &frame)),
            Err(fault) => Err(faulty(&self.handle, fault, Delivery::MaybeExecuted).await),
        }
    }

    async fn cancel(&self, lane: LaneId, call: CallId, grace: CancelGrace) -> Quiesced {
        let Some(mut lease) = self.lane(lane).and_then(|lane| Lease::take(&**lane)) else {
            return Quiesced::Stuck; // whoever called has not let go
        };
        match lease.abandoned() {
            None if lease.is_broken() => return Quiesced::Stuck,
            None => return Quiesced::Clean,
            Some(id) if id != call.get() => return Quiesced::Stuck,
            Some(_) => {}
        }
        match self.quiesce(&mut lease, call.get(), grace).await {
            Some(Ok(())) => Quiesced::Clean,
            Some(Err(Fault::Violation(detail))) => {
                self.handle.violation(&detail);
                Quiesced::Stuck
            }
            Some(Err(Fault::Closed)) | None => Quiesced::Stuck,
        }
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        self.handle.ping().await
    }

    async fn trim(&self) {
        self.handle.trim().await;
    }

    async fn stack(&self, lane: LaneId, call: CallId) -> Vec<String> {
        let thread = self.threads.get(lane.index()).copied();
        self.handle.stack(call.get(), thread).await
    }

    async fn stop(&self, grace: Duration) -> ExitReport {
        self.handle.send_stop();
        let report = match timeout(grace, self.handle.exited()).await {
            Ok(report) => report,
            Err(_) => {
                self.handle
                    .abort(&format!("it did not stop within {grace:?}"));
                self.handle.buried().await
            }
        };
        ExitReport::clone(&report)
    }

    fn abort(&self, reason: &str) {
        self.handle.abort(reason);
    }

    async fn exited(&self) -> ExitReport {
        ExitReport::clone(&*self.handle.exited().await)
    }
}

impl Drop for ProcessWorker {
    fn drop(&mut self) {
        self.handle.abort("the pool let go of it");
    }
}

/// The values of a stream, as its consumer asks for them.
struct Chunks {
    lease: Lease<Arc<Lane>>,
    service: Service,
    handle: Handle,
    /// Chunks that may be under way.
    window: u32,
    /// Chunks taken since the last grant.
    taken: u32,
}

impl Chunks {
    fn into_stream(self) -> ReplyStream {
        Box::pin(futures_util::stream::unfold(Some(self), |chunks| async {
            let mut chunks = chunks?;
            match chunks.next().await {
                Ok(Some(value)) => Some((Ok(value), Some(chunks))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// The next value. Being asked for it means that the one before was consumed.
    async fn next(&mut self) -> Result<Option<Value>, CallError> {
        // Half of what may be under way: the worker never runs dry.
        if self.taken >= self.window / 2 {
            let more = self.window.min(WINDOW - self.window);
            self.service.grant(self.taken + more);
            self.window += more;
            self.taken = 0;
        }
        match self.service.answer(&mut self.lease).await {
            Ok(frame) => match frame.header.kind {
                Kind::Chunk => {
                    self.taken += 1;
                    value(&self.handle, &frame).map(Some)
                }
                Kind::End => Ok(None),
                _ => Err(remote(&self.handle, &frame)),
            },
            Err(fault) => Err(faulty(&self.handle, fault, Delivery::MaybeExecuted).await),
        }
    }
}
