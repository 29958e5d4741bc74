//! What pool and worker tell each other about sessions. Knows neither the table of sessions nor a transport.

use std::fmt;
use std::sync::Weak;

use bytes::Bytes;

use crate::ids::WorkerId;

/// The command by which a worker with [`keeps_sessions`](crate::worker::Hello::keeps_sessions) learns that sessions
/// ended: a call with one argument, a list of `[session, number, says_good_bye]`. A worker that finds `says_good_bye`
/// true is the one that knows most of the session, and tells its adapter; the others only forget it. A session of the
/// same name with a higher number is another one, and stays.
pub const SESSION_CLOSED: &str = "snakepit.session_closed";

/// The command by which a worker learns that nobody has a handle any more on objects it keeps
/// ([`ObjectRef`](crate::ObjectRef)): a call with one argument, a list of their numbers. Some may be gone already.
pub const REFS_RELEASED: &str = "snakepit.refs_released";

/// The command by which a method of an object that a worker keeps is called: the object, the method's name, and the arguments
/// of the method.
pub const REF_CALL: &str = "snakepit.ref_call";

/// The command that answers with an object that a worker keeps, which is its one argument.
pub const REF_GET: &str = "snakepit.ref_get";

/// What a call carries for the session it belongs to.
#[derive(Clone)]
pub struct SessionCall {
    /// The session's number. A name that is used again after its session ended has a higher one: what a worker knows
    /// under a lower number is of no use any more.
    pub number: u64,
    /// What the session left on another worker, to be loaded before the command runs.
    pub left: Option<Left>,
    keeper: Option<Weak<dyn SessionKeeper>>,
    origin: Origin,
}

/// Where, and as of what, a call of a session leaves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The worker the call runs on.
    pub worker: WorkerId,
    /// The session's edition as the call began. What another worker left after that is newer than what this call leaves.
    pub since: u64,
}

/// Keeps what sessions leave: a pool.
pub trait SessionKeeper: Send + Sync {
    /// Keeps what the session of this number leaves, as [`SessionCall::keep`] does. Must not block.
    fn keep(&self, number: u64, origin: Origin, version: u64, state: Option<Bytes>);
}

/// What a session left on a worker.
#[derive(Clone, PartialEq, Eq)]
pub struct Left {
    /// Goes up whenever the session leaves something. A worker that has loaded this edition need not again: the host goes
    /// on sending it until that worker leaves something itself.
    pub edition: u64,
    /// What the adapter made of the session's state.
    pub state: Bytes,
}

impl SessionCall {
    /// The session with this number, and nothing left elsewhere. What it leaves is not kept.
    pub fn new(number: u64) -> Self {
        Self {
            number,
            left: None,
            keeper: None,
            origin: Origin {
                worker: WorkerId::new(0),
                since: 0,
            },
        }
    }

    /// With what the session left on another worker.
    pub fn with_left(mut self, left: Option<Left>) -> Self {
        self.left = left;
        self
    }

    /// With someone who keeps what the session leaves, as long as there is such a one.
    pub fn kept_by(mut self, keeper: Weak<dyn SessionKeeper>, origin: Origin) -> Self {
        self.keeper = Some(keeper);
        self.origin = origin;
        self
    }

    /// Keeps what the session left as of this call, so that it can go on on another worker. To be called before the
    /// call's final answer is; no bytes say that there is nothing to hand over, None that it cannot be handed over, which
    /// ties the session to its worker. `version` tells later from earlier among what one worker left of one session. Does
    /// not block.
    pub fn keep(&self, version: u64, state: Option<Bytes>) {
        if let Some(keeper) = self.keeper.as_ref().and_then(Weak::upgrade) {
            keeper.keep(self.number, self.origin, version, state);
        }
    }
}

impl fmt::Debug for SessionCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCall")
            .field("number", &self.number)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Left")
            .field("edition", &self.edition)
            .field("bytes", &self.state.len())
            .finish()
    }
}
