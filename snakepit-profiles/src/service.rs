//! Serving a running call: the tools it asks, the items it pulls, leave for more chunks; must not know processes.

use std::collections::VecDeque;
use std::future::{poll_fn, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use snakepit_core::error::ToolError;
use snakepit_core::{Exchange, ToolSpec, Value};

use crate::frame::{Frame, Kind};
use crate::lane::{Fault, Lane, Lease, Outgoing};
use crate::questions;

/// Bytes after which no further item joins a write.
const ENOUGH: usize = 16 * 1024;

/// Items that are taken from the input before the task does anything else: as many as a worker asks for.
const AT_ONCE: usize = 16;

/// An answer in the making.
type Work = Pin<Box<dyn Future<Output = Result<Value, ToolError>> + Send>>;

/// What one call is served. Dropping it drops the tool that works for the call.
pub(crate) struct Service {
    exchange: Option<Arc<dyn Exchange>>,
    /// The call.
    id: u64,
    /// The largest body of a frame.
    limit: u32,
    /// The question to be answered, of which there is one: who asks anew no longer waits for the answer before.
    asked: Option<(i64, Work)>,
    /// Items the worker has pulled and not got.
    wanted: u32,
    /// Items on their way to it, `None` for the end.
    items: VecDeque<Option<Result<Value, ToolError>>>,
    /// Whether the worker was told the end of the input.
    ended: bool,
    /// Chunks it may send and does not know of.
    credit: u32,
}

/// What is ready for the worker.
enum Message {
    Credit(u32),
    Answer(i64, Result<Value, ToolError>),
    Items,
}

impl Service {
    pub(crate) fn new(exchange: Option<Arc<dyn Exchange>>, id: u64, limit: u32) -> Self {
        Self {
            exchange,
            id,
            limit,
            asked: None,
            wanted: 0,
            items: VecDeque::new(),
            ended: false,
            credit: 0,
        }
    }

    /// Lets the worker send more chunks, with the next turn.
    pub(crate) fn grant(&mut self, chunks: u32) {
        self.credit += chunks;
    }

    /// The next part of the answer; serves the call meanwhile.
    ///
    /// # Cancel safety
    /// Cancel safe: the tool and the input go on next time. The lane is busy with the call.
    pub(crate) async fn answer<L>(&mut self, lease: &mut Lease<L>) -> Result<Frame, Fault>
    where
        L: Deref<Target = Lane>,
    {
        loop {
            let frame = if self.is_idle() {
                lease.turn().await?
            } else {
                tokio::select! {
                    biased;
                    message = poll_fn(|cx| self.poll(cx)), if !lease.is_writing() => {
                        self.write(message, lease.outgoing());
                        None
                    }
                    frame = lease.turn() => frame?,
                }
            };
            if let Some(frame) = frame {
                if !frame.header.kind.asks() {
                    return Ok(frame);
                }
                self.take(&frame)?;
            }
        }
    }

    /// Takes down what the worker asks.
    pub(crate) fn take(&mut self, frame: &Frame) -> Result<(), Fault> {
        if frame.header.kind == Kind::Pull {
            self.wanted = self.wanted.saturating_add(questions::pulled(frame));
            return Ok(());
        }
        let question = questions::question(frame)
            .map_err(|problem| Fault::Violation(format!("malformed ASK: {problem}")))?;
        let work: Work = match (&self.exchange, question.ask) {
            (Some(exchange), Some(ask)) => Arc::clone(exchange).ask(ask),
            (None, Some(ask)) => Box::pin(ready(Err(ToolError::unknown(&ask.tool, &[])))),
            (exchange, None) => {
                let specs = exchange.as_ref().map(|exchange| exchange.tools());
                let specs = specs.unwrap_or_default();
                let list = specs.iter().map(ToolSpec::to_value).collect();
                Box::pin(ready(Ok(Value::List(list))))
            }
        };
        self.asked = Some((question.number, work));
        Ok(())
    }

    /// Whether nothing is to be served, so that the call has all the attention.
    fn is_idle(&self) -> bool {
        self.credit == 0
            && self.asked.is_none()
            && self.items.is_empty()
            && (self.wanted == 0 || self.ended)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        if self.credit > 0 {
            return Poll::Ready(Message::Credit(std::mem::take(&mut self.credit)));
        }
        if let Some((number, work)) = &mut self.asked
            && let Poll::Ready(answer) = work.as_mut().poll(cx)
        {
            let number = *number;
            self.asked = None;
            return Poll::Ready(Message::Answer(number, answer));
        }
        self.poll_items(cx);
        if self.items.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Message::Items)
        }
    }

    /// Takes the items that are there, as far as they are wanted, a few at a time: an input may be ready for ever.
    fn poll_items(&mut self, cx: &mut Context<'_>) {
        while self.wanted > 0 && !self.ended && self.items.len() < AT_ONCE {
            let polled = match &self.exchange {
                Some(exchange) => exchange.poll_item(cx),
                None => Poll::Ready(None),
            };
            let Poll::Ready(item) = polled else {
                return;
            };
            self.wanted -= 1;
            self.ended = !matches!(item, Some(Ok(_)));
            self.items.push_back(item);
        }
    }

    fn write(&mut self, message: Message, out: &mut Outgoing) {
        match message {
            Message::Credit(chunks) => questions::credit(self.id, chunks, out),
            Message::Answer(number, answer) => {
                questions::answer(self.id, number, answer, self.limit, out);
            }
            Message::Items => {
                while out.buffers.is_empty() && out.head.len() < ENOUGH {
                    let Some(item) = self.items.pop_front() else {
                        return;
                    };
                    if !questions::item(self.id, item, self.limit, out) {
                        self.ended = true;
                        self.items.clear();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;
    use snakepit_core::Ask;

    use super::*;
    use crate::frame::{Codec, Flags, Header};

    /// An input that is always ready, and counts how often it was polled.
    #[derive(Debug, Default)]
    struct Eager(AtomicUsize);

    #[async_trait]
    impl Exchange for Eager {
        async fn ask(self: Arc<Self>, ask: Ask) -> Result<Value, ToolError> {
            Err(ToolError::unknown(&ask.tool, &[]))
        }

        fn tools(&self) -> Vec<ToolSpec> {
            Vec::new()
        }

        fn input(&self) -> Option<&str> {
            Some("numbers")
        }

        fn poll_item(&self, _: &mut Context<'_>) -> Poll<Option<Result<Value, ToolError>>> {
            let polled = self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready((polled < 1000).then(|| Ok(Value::Null)))
        }
    }

    #[test]
    fn a_worker_that_pulls_without_end_is_served_a_few_items_at_a_time() {
        let eager = Arc::new(Eager::default());
        let mut service = Service::new(Some(eager.clone()), 1, 4096);
        let header = Header {
            length: 4,
            kind: Kind::Pull,
            flags: Flags::NONE,
            codec: Codec::Raw,
            id: 1,
        };
        let body = Bytes::copy_from_slice(&u32::MAX.to_le_bytes());
        service.take(&Frame { header, body }).unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(service.poll(&mut cx), Poll::Ready(Message::Items)));
        assert_eq!(eager.0.load(Ordering::Relaxed), AT_ONCE);
        service.write(Message::Items, &mut Outgoing::default());
        assert!(matches!(service.poll(&mut cx), Poll::Ready(Message::Items)));
        assert_eq!(eager.0.load(Ordering::Relaxed), 2 * AT_ONCE);
    }
}
