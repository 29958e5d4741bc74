//! What can be chosen about workers: plain data; must not know what obeys it.

use serde::{Deserialize, Serialize};

/// How worker processes are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SpawnMode {
    /// Forked from a zygote, unless the zygote finds that this is not safe; then by exec.
    #[default]
    Auto,
    /// Forked from a zygote. When that is not safe, launches fail.
    Zygote,
    /// Each by starting an interpreter, which imports everything again.
    Exec,
}

/// From which level on a worker's log records are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// All but details.
    #[default]
    Info,
    /// Only what needs attention.
    Warning,
    /// Only what went wrong.
    Error,
    /// Only what ends things.
    Critical,
}

impl LogLevel {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// What a pool thinks of the GIL, which lets only one thread of a process run Python code at a time.
///
/// It is looked at when a worker says HELLO, after all imports, and again after calls that import: one extension module
/// that does not support free threading turns it on for the rest of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GilPolicy {
    /// A worker with the GIL on does not start; one that turns it on later is replaced.
    RequireOff,
    /// A worker with the GIL on serves, and the pool gives a notice. What thread pools do by default.
    PreferOff,
    /// It does not matter. What other pools do by default.
    Any,
}

/// What a thread pool asks of adapters, whose instances share a process, and whether it watches them.
///
/// Watching finds objects that two threads use at the same time, of the adapter or of a listed library;
/// `docs/guides/thread-safe-adapters.md` says what is seen and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThreadSafety {
    /// Nothing.
    Off,
    /// One that declares `__thread_safe__ = False` is refused, one that declares nothing gives a notice. Nothing is
    /// watched, so that calls cost what they cost anyway.
    #[default]
    Declared,
    /// The same, and it is watched: each pair of places that use an object at once gives a notice.
    Warn,
    /// It has to declare `__thread_safe__ = True`, and is watched: a call that uses an object while another thread does
    /// fails with `snakepit_bridge.ThreadSafetyError`.
    Strict,
}

impl ThreadSafety {
    /// What workers are told to do about threads that use an object at once; `None` if nothing.
    pub(crate) const fn check(self) -> Option<&'static str> {
        match self {
            Self::Off | Self::Declared => None,
            Self::Warn => Some("warn"),
            Self::Strict => Some("strict"),
        }
    }
}

/// What becomes of what a worker is to send and no value can carry: an open file, an object of a class of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unserialisable {
    /// The call ends with an error that names its place.
    #[default]
    Error,
    /// An [`Opaque`](snakepit_core::value::Opaque) takes its place: its type and how it shows itself, shortened. What it shows
    /// of passwords, tokens and keys is masked.
    Placeholder,
}

/// What a lane runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaneKind {
    /// The main thread of its process, which has no other lane.
    #[default]
    Main,
    /// A thread of its own.
    Thread,
    /// A thread with an interpreter of its own.
    Interpreter,
}

impl LaneKind {
    /// What a pool thinks of the GIL unless it says so. Only threads of one interpreter wait for each other.
    pub(crate) fn usual_gil_policy(self) -> GilPolicy {
        match self {
            Self::Thread => GilPolicy::PreferOff,
            Self::Main | Self::Interpreter => GilPolicy::Any,
        }
    }
}

/// The lanes of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    pub(crate) kind: LaneKind,
    pub(crate) count: u16,
}
