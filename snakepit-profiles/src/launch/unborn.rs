//! A process on its way to being a worker: it becomes one, or it ends; must not know how it was started.

use std::time::Duration;

use snakepit_core::error::LaunchErrorKind;
use snakepit_core::{Delivery, LaunchError};
use tokio::time::timeout;

use crate::supervise::Handle;

/// How long a process may take to die after it said why it cannot go on.
const FAREWELL: Duration = Duration::from_secs(2);

/// A process that is not a worker yet. Killed when dropped.
#[derive(Debug)]
pub(super) struct Unborn(Option<Handle>);

impl Unborn {
    pub(super) fn new(handle: Handle) -> Self {
        Self(Some(handle))
    }

    pub(super) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("there until born")
    }

    /// It is a worker now.
    pub(super) fn born(mut self) -> Handle {
        self.0.take().expect("there until born")
    }

    /// The error of a process that ended by itself, or closed its connections.
    pub(super) async fn ended(self, stage: &'static str) -> LaunchError {
        self.handle().lost(Delivery::NotSent).await;
        let report = self.handle().exited().await;
        let kind = match self.handle().broken_rule() {
            Some(detail) => LaunchErrorKind::Protocol(detail),
            None => LaunchErrorKind::Exited {
                stage,
                status: report.status,
            },
        };
        LaunchError::new(kind).with_output(self.handle().last_words())
    }

    /// The given error, with the last words of a process that is about to end.
    pub(super) async fn autopsy(self, error: LaunchError) -> LaunchError {
        let _ = timeout(FAREWELL, self.handle().exited()).await;
        error.with_output(self.handle().last_words())
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort("its launch was abandoned");
        }
    }
}
