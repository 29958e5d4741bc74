//! Descriptors the async runtime waits for; must not know what they are.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor the runtime waits for. Shared ownership: others may use it, none can close it too early.
pub(crate) type Polled = AsyncFd<Arc<OwnedFd>>;

/// Has the runtime wait for a descriptor.
///
/// # Panics
/// Panics outside a tokio runtime with I/O enabled.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for owners that change or close their descriptor; ours cannot"
)]
pub(crate) fn polled(fd: impl Into<Arc<OwnedFd>>, interest: Interest) -> io::Result<Polled> {
    AsyncFd::with_interest(fd.into(), interest)
}
