//! Calls inside of tools inside of calls: what the inner ones take over from the outer. Knows no pool.

use std::sync::Arc;
use std::time::Instant;

tokio::task_local! {
    static SCOPE: Scope;
}

/// What a call made here takes over.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// How many calls are around it.
    pub(super) depth: u32,
    /// When the innermost of them ends at the latest.
    pub(super) deadline: Option<Instant>,
    /// Its trace context.
    pub(super) traceparent: Option<Arc<str>>,
}

impl Scope {
    /// That of the tool this task works for; outside of tools that of a call nobody is around.
    pub(super) fn here() -> Self {
        SCOPE.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs a tool in this scope.
    pub(super) async fn around<F: Future>(self, tool: F) -> F::Output {
        SCOPE.scope(self, tool).await
    }
}
