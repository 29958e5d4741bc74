//! Why a handle on an object is of no use to a call; knows no pool.

use thiserror::Error;

use crate::ids::WorkerId;

/// Why a handle on an object is of no use to a call. The call was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefError {
    /// The object is gone.
    #[error("the handle on a `{type_name}` has expired: {why}")]
    Expired {
        /// The type of the object.
        type_name: String,
        /// What became of it.
        why: String,
    },
    /// The handle belongs elsewhere: to another session, to one of another pool, or, if nobody owns it, nowhere.
    #[error("the handle on a `{type_name}` belongs to {owner}, not to the session of this call")]
    Foreign {
        /// The type of the object.
        type_name: String,
        /// Whom it belongs to.
        owner: String,
    },
    /// The objects that a call is given are on two workers. Calls of a session that are made at the same time may run on
    /// several, unless they are strict.
    #[error("the objects given to this call are on two workers, {one} and {other}")]
    Apart {
        /// The worker of one of them.
        one: WorkerId,
        /// The worker of another.
        other: WorkerId,
    },
    /// A call that belongs to no session was to keep its result.
    #[error("handles need a session, and the call of `{command}` belongs to none")]
    NoSession {
        /// The command.
        command: String,
    },
}

impl RefError {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "call.expired_ref",
            Self::Foreign { .. } | Self::Apart { .. } => "call.foreign_ref",
            Self::NoSession { .. } => "call.not_kept",
        }
    }

    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Expired { .. } => {
                "make the object anew; it does not go along when its session gets another worker"
            }
            Self::Foreign { .. } => {
                "make the call in the session of the handle: `handle.session()`"
            }
            Self::Apart { .. } => "make them one after the other, or use affinity `strict_queue`",
            Self::NoSession { .. } => "name a session: `pool.session(\"...\").request(..).keep()`",
        }
    }
}
