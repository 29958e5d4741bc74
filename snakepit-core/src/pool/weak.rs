//! A handle that does not keep its pool. Knows nothing else of it.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Pool;
use super::shared::Shared;

/// A handle of a [`Pool`] that does not keep its workers, made by [`Pool::downgrade`]: for what the pool itself holds, such
/// as a tool that makes calls of it.
#[derive(Clone)]
pub struct WeakPool {
    shared: Weak<Shared>,
}

impl WeakPool {
    /// The pool, unless the last handle, request and stream of it are gone. While it is held the workers live on.
    pub fn upgrade(&self) -> Option<Pool> {
        self.shared.upgrade().map(|shared| Pool { shared })
    }
}

impl fmt::Debug for WeakPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakPool").finish_non_exhaustive()
    }
}

impl Pool {
    /// A handle that does not keep the pool.
    #[must_use = "it is a handle, and changes nothing"]
    pub fn downgrade(&self) -> WeakPool {
        WeakPool {
            shared: Arc::downgrade(&self.shared),
        }
    }
}
