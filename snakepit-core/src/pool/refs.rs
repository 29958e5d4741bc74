//! Handles on objects in the hands of a pool: whose they are, which calls may have them, and what follows when they are
//! dropped. Knows no lane and no transport.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Pool;
use super::effects::Effect;
use super::request::Request;
use super::sessions::Session;
use super::shared::{Shared, State};
use crate::error::{CallError, RefError};
use crate::ids::{SessionId, WorkerId};
use crate::sched::Affinity;
use crate::session::{REF_CALL, REF_GET};
use crate::value::{Args, ObjectRef, ValueError};

/// The owner of a handle.
struct Tie {
    session: Session,
    /// The session's number: a name that is used again is another session.
    number: u64,
    worker: WorkerId,
    object: u64,
}

impl Drop for Tie {
    fn drop(&mut self) {
        self.shared().release(self.worker, self.object);
    }
}

impl Tie {
    fn shared(&self) -> &Arc<Shared> {
        &self.session.pool().shared
    }

    /// Why the object cannot be had any more, if so.
    fn expired(&self, state: &State) -> Option<String> {
        let session = self.session.id();
        if state.sched.session_number(session) != Some(self.number) {
            return Some(format!("session `{session}` has ended"));
        }
        if state.sched.serves(self.worker) {
            return None;
        }
        let why = state.departed.why(self.worker).unwrap_or("it is gone");
        Some(format!("it was on worker {}: {why}", self.worker))
    }
}

/// What a call needs because of the handles it is given: this worker, while it has this session.
pub(super) struct Needed {
    pub(super) worker: WorkerId,
    number: u64,
    type_name: String,
}

impl Needed {
    /// The error of a call that cannot have what it needs, if it is now in another session than it was made for.
    pub(super) fn check(&self, number: Option<u64>) -> Result<(), RefError> {
        if number == Some(self.number) {
            return Ok(());
        }
        Err(self.gone("its session has ended".into()))
    }

    fn gone(&self, why: String) -> RefError {
        let type_name = self.type_name.clone();
        RefError::Expired { type_name, why }
    }
}

impl Shared {
    /// Takes over a handle that a worker answered with, for the session of the call.
    pub(super) fn adopt(
        self: &Arc<Self>,
        (session, number): (&SessionId, u64),
        worker: WorkerId,
        found: &ObjectRef,
    ) -> ObjectRef {
        if found.owner::<Tie>().is_some() {
            return found.clone();
        }
        self.state.lock().sched.insist(worker, Instant::now());
        let pool = Pool {
            shared: Arc::clone(self),
        };
        found.owned(Tie {
            session: pool
                .session(session.clone())
                .affinity(Affinity::StrictQueue),
            number,
            worker,
            object: found.number(),
        })
    }

    /// What a call needs for the handles among its arguments; or why it cannot have that.
    pub(super) fn needed(
        self: &Arc<Self>,
        args: &Args,
        session: Option<&SessionId>,
    ) -> Result<Option<Needed>, RefError> {
        let mut needed: Result<Option<Needed>, RefError> = Ok(None);
        ObjectRef::each_in(args, &mut |object| {
            if let Ok(before) = &needed {
                match self.need(object, session, before.as_ref()) {
                    Ok(next) => needed = Ok(Some(next)),
                    Err(error) => needed = Err(error),
                }
            }
        });
        needed
    }

    fn need(
        self: &Arc<Self>,
        object: &ObjectRef,
        session: Option<&SessionId>,
        before: Option<&Needed>,
    ) -> Result<Needed, RefError> {
        let type_name = object.type_name().to_owned();
        let tie = object.owner::<Tie>();
        let Some(tie) =
            tie.filter(|tie| Arc::ptr_eq(tie.shared(), self) && Some(tie.session.id()) == session)
        else {
            let owner = tie.map_or_else(
                || "no session".to_owned(),
                |tie| {
                    format!(
                        "session `{}` of pool `{}`",
                        tie.session.id(),
                        tie.shared().name
                    )
                },
            );
            return Err(RefError::Foreign { type_name, owner });
        };
        let needed = Needed {
            worker: tie.worker,
            number: tie.number,
            type_name,
        };
        let mut state = self.state.lock();
        if let Some(why) = tie.expired(&state) {
            return Err(needed.gone(why));
        }
        if let Some(other) = before.filter(|before| before.worker != tie.worker) {
            return Err(RefError::Apart {
                one: other.worker,
                other: tie.worker,
            });
        }
        state.sched.insist(tie.worker, Instant::now());
        Ok(needed)
    }

    /// The error of a call whose worker left while it waited.
    pub(super) fn left(&self, needed: &Needed) -> RefError {
        let state = self.state.lock();
        let why = state.departed.why(needed.worker).unwrap_or("it is gone");
        needed.gone(format!("it was on worker {}: {why}", needed.worker))
    }

    /// Has a worker told that nobody has a handle any more. Never called under the lock: no value with handles is there.
    fn release(self: &Arc<Self>, worker: WorkerId, object: u64) {
        let begin = self.state.lock().release(worker, object);
        if begin {
            self.perform(vec![Effect::Farewell(worker)]);
        }
    }
}

impl Request {
    /// Makes the call and has its result stay in Python, where it was made: what comes back is a handle on it.
    ///
    /// Calls of the same session can be given the handle; see [`ObjectRef`]. The result may be anything. One that nobody
    /// takes, since the caller left before the answer came, goes with its session at the latest.
    ///
    /// # Cancel safety
    /// As [`Pool::call`](crate::Pool::call).
    ///
    /// # Errors
    /// As [`call`](Self::call); `call.not_kept` if the request names no session, or that keeps as many objects as it may.
    pub async fn keep(mut self) -> Result<ObjectRef, CallError> {
        if self.session.is_none() {
            let command = self.command.to_string();
            return Err(CallError::Ref(RefError::NoSession { command }));
        }
        self.keep = true;
        self.call().await
    }
}

impl ObjectRef {
    /// The session whose calls can be given the handle. `None` for a handle that did not come from a pool.
    pub fn session(&self) -> Option<&Session> {
        Some(&self.owner::<Tie>()?.session)
    }

    /// Whether the object is known to be gone: its worker is, or its session has ended.
    pub fn is_expired(&self) -> bool {
        self.owner::<Tie>()
            .is_none_or(|tie| tie.expired(&tie.shared().state.lock()).is_some())
    }

    /// Calls a method of the object, whose name does not begin with an underscore. Arguments are as for
    /// [`Pool::call`](crate::Pool::call).
    ///
    /// # Cancel safety
    /// As [`Pool::call`](crate::Pool::call).
    ///
    /// # Errors
    /// As [`Session::call`]; `call.expired_ref` if the object is gone, `call.bad_arguments` if it has no such method.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        args: impl Serialize,
    ) -> Result<T, CallError> {
        self.request(method, args)?.call().await
    }

    /// Prepares a call of a method with options, whose result may be kept as well.
    ///
    /// # Errors
    /// `call.foreign_ref` for a handle that did not come from a pool.
    pub fn request(&self, method: &str, args: impl Serialize) -> Result<Request, CallError> {
        let args = Args::from_serialize(&args).map(|mut args| {
            args.positional.insert(0, method.into());
            args
        });
        self.with_itself(REF_CALL, args)
    }

    /// Fetches the object as a value.
    ///
    /// # Errors
    /// As [`Session::call`]; `call.unserialisable` if no value can carry it.
    pub async fn get<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        self.with_itself(REF_GET, Ok(Args::none()))?.call().await
    }

    /// A call of which the first argument is the object.
    fn with_itself(
        &self,
        command: &str,
        args: Result<Args, ValueError>,
    ) -> Result<Request, CallError> {
        let Some(session) = self.session() else {
            return Err(CallError::Ref(RefError::Foreign {
                type_name: self.type_name().to_owned(),
                owner: "no session".to_owned(),
            }));
        };
        let args = args.map(|mut args| {
            args.positional.insert(0, self.clone().into());
            args
        });
        Ok(session.request_args(command, args))
    }
}
