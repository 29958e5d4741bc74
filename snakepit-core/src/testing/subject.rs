//! A profile under test, and what it cannot be asked for. Knows no test.

use std::fmt;
use std::sync::Arc;

use crate::worker::WorkerProfile;

/// A profile under test by [`conformance!`](crate::conformance).
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing a profile can do or not"
)]
pub struct Subject {
    pub(super) profile: Arc<dyn WorkerProfile>,
    pub(super) left_over: Option<Arc<dyn Fn() -> usize + Send + Sync>>,
    pub(super) json_only: bool,
    pub(super) streams: bool,
    pub(super) sessions: bool,
    pub(super) tools: bool,
    pub(super) missing: Option<String>,
}

impl Subject {
    /// A profile that keeps the whole contract.
    pub fn new(profile: impl WorkerProfile) -> Self {
        Self {
            profile: Arc::new(profile),
            left_over: None,
            json_only: false,
            streams: true,
            sessions: true,
            tools: false,
            missing: None,
        }
    }

    /// How to count what this profile, and no other, has running: processes, say. The kit waits for it to be none.
    pub fn left_over(mut self, count: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.left_over = Some(Arc::new(count));
        self
    }

    /// It carries the values that JSON has, and no others.
    pub fn json_only(mut self) -> Self {
        self.json_only = true;
        self
    }

    /// It cannot be tested here, for this reason: each test says so and passes.
    pub fn skipped_without(mut self, what: impl Into<String>) -> Self {
        self.missing = Some(what.into());
        self
    }

    /// It knows no streams: it need not offer `numbers` and `broken_numbers`.
    pub fn without_streams(mut self) -> Self {
        self.streams = false;
        self
    }

    /// Its commands can ask the host's tools, and take streams: it offers `ask` and `total`.
    pub fn with_tools(mut self) -> Self {
        self.tools = true;
        self
    }

    /// It passes no session on: it need not offer `session`.
    pub fn without_sessions(mut self) -> Self {
        self.sessions = false;
        self
    }
}

impl<P: WorkerProfile> From<P> for Subject {
    fn from(profile: P) -> Self {
        Self::new(profile)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.profile).finish()
    }
}
