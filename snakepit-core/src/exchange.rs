//! What a running call asks of the side that made it: host tools, and items of its input. Knows no registry, no transport.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;

use crate::config::nearest;
use crate::error::ToolError;
use crate::value::{Args, Map, Value};

/// How many calls may be made inside one another, each by a tool that the one before asked for.
pub const MAX_DEPTH: u32 = 8;

/// A question of a running call to a host tool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub args: Args,
    /// How long the call waits for the answer, if it has said so. The deadline of the call holds in any case.
    pub timeout: Option<Duration>,
}

impl Ask {
    /// A question that waits for as long as its call.
    pub fn new(tool: impl Into<String>, args: Args) -> Self {
        Self {
            tool: tool.into(),
            args,
            timeout: None,
        }
    }

    /// Waits no longer than this.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// What a tool is, for whoever may ask for it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ToolSpec {
    /// The name to ask by.
    pub name: String,
    /// What it does, in a line or a few.
    pub doc: String,
    /// The JSON Schema of its arguments, if it has one.
    pub schema: Option<Value>,
}

impl ToolSpec {
    /// A tool of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// With a text that says what it does.
    pub fn with_doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = doc.into();
        self
    }

    /// With the JSON Schema of its arguments.
    pub fn with_schema(mut self, schema: impl Into<Value>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// As a value: what a worker is told.
    pub fn to_value(&self) -> Value {
        let schema = self.schema.clone().unwrap_or_default();
        Map::from([
            ("name", Value::from(self.name.as_str())),
            ("doc", self.doc.as_str().into()),
            ("schema", schema),
        ])
        .into()
    }
}

impl From<&str> for ToolSpec {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for ToolSpec {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// The side that made a call, as its worker may ask it while the call runs.
///
/// A worker asks from within [`Worker::call`](crate::Worker::call), on the task of the caller: dropping the call drops the
/// tool that works for it, and its input. A worker that never asks keeps the contract as well.
#[async_trait]
pub trait Exchange: fmt::Debug + Send + Sync + 'static {
    /// Has a tool answer. A tool that panics has failed, and nothing more.
    ///
    /// # Cancel safety
    /// Dropping the future drops the tool's.
    async fn ask(self: Arc<Self>, ask: Ask) -> Result<Value, ToolError>;

    /// The tools there are.
    fn tools(&self) -> Vec<ToolSpec>;

    /// The keyword argument that the items of the input are for, if the call has an input.
    fn input(&self) -> Option<&str> {
        None
    }

    /// The next item of the input. Nothing follows an error or the end. Is called only for items the worker wants.
    fn poll_item(&self, _cx: &mut Context<'_>) -> Poll<Option<Result<Value, ToolError>>> {
        Poll::Ready(None)
    }
}

impl ToolError {
    /// There is no such tool among those `known`. Names the nearest.
    pub fn unknown(name: &str, known: &[ToolSpec]) -> Self {
        let names = || known.iter().map(|spec| spec.name.as_str());
        let near = nearest(name, names()).map(|near| format!("; did you mean `{near}`?"));
        let message = format!("there is no tool `{name}`{}", near.unwrap_or_default());
        let error = Self::new(message).with_code("tool.unknown");
        if known.is_empty() {
            return error.with_hint(
                "register it with `Pool::tool` or `Session::tool` on the side of the host",
            );
        }
        let names = names().collect::<Vec<_>>().join(", ");
        error.with_hint(format!("the tools are: {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_tool_is_answered_with_the_nearest() {
        let known = [ToolSpec::new("lookup"), ToolSpec::new("store")];
        let error = ToolError::unknown("lokup", &known);
        assert_eq!(
            error.message,
            "there is no tool `lokup`; did you mean `lookup`?"
        );
        assert_eq!(error.hint.as_deref(), Some("the tools are: lookup, store"));
    }
}
