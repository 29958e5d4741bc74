//! Foreign code at arm's length: what panics, or takes too long, gives no answer and takes nothing along. Knows no pool.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::worker::Worker;

/// What it says, or what its panic said.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(last_words)
}

/// As [`caught`], for what takes its time.
pub(super) async fn caught_later<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(last_words)
}

/// What it says, unless it panics or takes longer than that.
pub(super) async fn answer<T>(patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(patience, caught_later(work)).await.ok()?.ok()
}

/// Kills a worker. If that panics there is nothing else to be done, but all the more to go on with.
pub(super) fn abort(worker: &dyn Worker, reason: &str) {
    let _ = caught(|| worker.abort(reason));
}

#[expect(clippy::needless_pass_by_value, reason = "panics come so")]
fn last_words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it did not say why".to_owned())
}
