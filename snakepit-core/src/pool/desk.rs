//! What one call may ask of its caller's side: tools, its input. Knows no worker.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::nesting::Scope;
use super::tools::Reach;
use crate::error::{CallError, ToolError};
use crate::exchange::{Ask, Exchange, ToolSpec};
use crate::value::{Args, Value, ValueError};

/// The items of an input, converted.
pub(super) type Items = Pin<Box<dyn Stream<Item = Result<Value, ToolError>> + Send>>;

/// A stream that a command takes as an argument.
pub(super) struct InputStream {
    /// The keyword argument.
    pub(super) name: String,
    /// `None` after the end.
    items: Mutex<Option<Items>>,
}

impl InputStream {
    pub(super) fn new(name: String, items: Items) -> Self {
        Self {
            name,
            items: Mutex::new(Some(items)),
        }
    }

    /// Whether its argument is free.
    pub(super) fn check(&self, command: &str, args: &Args) -> Result<(), CallError> {
        if args.keyword.iter().all(|(name, _)| *name != self.name) {
            return Ok(());
        }
        let problem = ValueError::new("is an argument and the input as well").in_key(&self.name);
        Err(CallError::Encode {
            command: command.to_owned(),
            source: problem,
        })
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Value, ToolError>>> {
        let mut items = self.items.lock();
        let Some(stream) = items.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = stream.as_mut().poll_next(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            *items = None;
        }
        polled
    }
}

/// What one call may ask for.
pub(super) struct Desk {
    /// As they were when the call was made.
    pub(super) tools: Reach,
    pub(super) input: Option<Arc<InputStream>>,
    /// What calls that a tool makes take over.
    pub(super) scope: Scope,
}

#[async_trait]
impl Exchange for Desk {
    async fn ask(self: Arc<Self>, ask: Ask) -> Result<Value, ToolError> {
        let Some(tool) = self.tools.get(&ask.tool) else {
            return Err(ToolError::unknown(&ask.tool, &self.tools.specs()));
        };
        let scope = self.scope.clone();
        // Made inside of the scope: the tool may make its calls before it is polled first.
        let work = scope.around(async move { tool.run(ask.args).await });
        let Some(patience) = ask.timeout else {
            return work.await;
        };
        timeout(patience, work).await.unwrap_or_else(|_elapsed| {
            let name = ask.tool;
            let message = format!("tool `{name}` did not answer within {patience:?}");
            Err(ToolError::new(message).with_code("tool.timeout"))
        })
    }

    fn tools(&self) -> Vec<ToolSpec> {
        self.tools.specs()
    }

    fn input(&self) -> Option<&str> {
        self.input.as_ref().map(|input| input.name.as_str())
    }

    fn poll_item(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Value, ToolError>>> {
        match &self.input {
            Some(input) => input.poll(cx),
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}
