//! The interpreter a pool runs: asked for in words, found once; must not know what is run with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snakepit_core::LaunchError;
use snakepit_core::error::LaunchErrorKind;
use snakepit_python::{
    AdapterSpec, Choice, Environment, Finder, InvalidRequest, NotFound, Recommendation, Request,
    Stop,
};
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

    /// The interpreter, for workers with these variables in their environment. Once found it stays the same.
    ///
    /// # Cancel safety
    /// Cancel safe: what the search runs is killed, and the next one to ask searches again.
    pub(crate) async fn path(&self, env: &BTreeMap<String, String>) -> Result<&Path, LaunchError> {
        let find = || async {
            let request = self.request()?;
            search(env, move |finder| Ok(finder.find(&request)?.path)).await
        };
        self.found.get_or_try_init(find).await.map(PathBuf::as_path)
    }

    /// Has a worker profile recommended for an adapter, and keeps the interpreter that is for.
    ///
    /// # Cancel safety
    /// As [`path`](Self::path).
    pub(crate) async fn choose(
        &self,
        env: &BTreeMap<String, String>,
        adapter: &AdapterSpec,
        folders: &[String],
    ) -> Result<Recommendation, LaunchError> {
        let (request, adapter) = (self.request()?, adapter.clone());
        let folders = folders.iter().map(String::as_str).chain(["."]);
        let folders: Vec<PathBuf> = folders.map(PathBuf::from).collect();
        let choose = move |finder: &Finder| finder.choose(&request, Some(&adapter), &folders);
        let Choice {
            found,
            recommendation,
            ..
        } = search(env, choose).await?;
        self.found.get_or_init(|| async { found.path }).await;
        Ok(recommendation)
    }

    fn request(&self) -> Result<Request, LaunchError> {
        let request = self.wanted.as_deref().map_or(Ok(Request::Any), str::parse);
        request.map_err(|error: InvalidRequest| failure(error.to_string(), error.hint()))
    }
}

/// Searches on a thread that may block, since interpreters may be run.
async fn search<T: Send + 'static>(
    env: &BTreeMap<String, String>,
    work: impl FnOnce(&Finder) -> Result<T, NotFound> + Send + 'static,
) -> Result<T, LaunchError> {
    let stop = Stop::new().map_err(|error| {
        let hint = "raise the limit of open files (`ulimit -n`)";
        failure(format!("the search for one cannot start: {error}"), hint)
    })?;
    let _guard = StopOnDrop(stop.clone());
    let own = env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let environment = own.fold(
        Environment::of_this_process(),
        |environment, (name, value)| environment.with(name, value),
    );
    let searched = spawn_blocking(move || work(&Finder::new(environment).with_stop(stop))).await;
    match searched {
        Ok(found) => found.map_err(|error| failure(error.in_full(), error.hint())),
        Err(error) => Err(failure(
            format!("the search for one was broken off: {error}"),
            "start again",
        )),
    }
}

/// Kills what a search runs once nobody waits for it: an interpreter that hangs would outlive the host.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn failure(message: String, hint: impl Into<String>) -> LaunchError {
    LaunchError::new(LaunchErrorKind::Interpreter(message)).with_hint(hint)
}
