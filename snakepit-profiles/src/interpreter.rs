//! The interpreter a pool runs: asked for in words, found once; must not know what is run with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use snakepit_core::LaunchError;
use snakepit_core::error::LaunchErrorKind;
use snakepit_python::{Finder, InvalidRequest, NotFound, Probe, Request};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// What a pool's `python` asks for, and what that came to. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interpreter {
    wanted: Option<String>,
    found: Arc<OnceCell<PathBuf>>,
}

impl Interpreter {
    /// What a request means on this machine, which is found out when it is needed.
    pub(crate) fn wanted(request: impl Into<String>) -> Self {
        Self {
            wanted: Some(request.into()),
            found: Arc::default(),
        }
    }

    /// The interpreter. Once found it stays the same.
    ///
    /// # Cancel safety
    /// Cancel safe: the next one to ask searches again.
    pub(crate) async fn path(&self) -> Result<&Path, LaunchError> {
        let search = || async {
            let request = self.request()?;
            if matches!(request, Request::Version(_)) {
                // Runs interpreters.
                let search = spawn_blocking(move || Finder::of_this_process().find(&request));
                return Ok(search
                    .await
                    .map_err(|error| broken_off(&error))?
                    .map_err(|error| not_found(&error))?
                    .path);
            }
            let found = Finder::of_this_process().find(&request);
            Ok(found.map_err(|error| not_found(&error))?.path)
        };
        self.found
            .get_or_try_init(search)
            .await
            .map(PathBuf::as_path)
    }

    /// The interpreter, and what it says of itself when it is asked.
    ///
    /// # Cancel safety
    /// As [`path`](Self::path).
    pub(crate) async fn probe(&self) -> Result<Probe, LaunchError> {
        let request = self.request()?;
        let search = spawn_blocking(move || Finder::of_this_process().find_and_probe(&request));
        let (found, probe) = search
            .await
            .map_err(|error| broken_off(&error))?
            .map_err(|error| not_found(&error))?;
        self.found.get_or_init(|| async { found.path }).await;
        Ok(probe)
    }

    fn request(&self) -> Result<Request, LaunchError> {
        let request = self.wanted.as_deref().map_or(Ok(Request::Any), str::parse);
        request.map_err(|error: InvalidRequest| failure(error.to_string(), error.hint()))
    }
}

fn not_found(error: &NotFound) -> LaunchError {
    failure(error.in_full(), error.hint())
}

fn broken_off(error: &tokio::task::JoinError) -> LaunchError {
    failure(
        format!("the search for one was broken off: {error}"),
        "start again",
    )
}

fn failure(message: String, hint: impl Into<String>) -> LaunchError {
    LaunchError::new(LaunchErrorKind::Interpreter(message)).with_hint(hint)
}
