//! What a worker answers when it answers with an error; mirrors `docs/protocol.md`, section 3.2. Knows no transport.

use std::fmt;

use super::{Delivery, RemoteException};

/// An error answered by the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteError {
    /// What went wrong.
    pub kind: RemoteKind,
    /// The exception, or its equivalent: for other kinds only `message` is filled.
    pub exception: RemoteException,
    /// What the worker suggests.
    pub hint: Option<String>,
}

impl RemoteError {
    /// An error of the given kind with only a message.
    pub fn new(kind: RemoteKind, message: impl Into<String>) -> Self {
        let exception = RemoteException {
            message: message.into(),
            ..RemoteException::default()
        };
        Self {
            kind,
            exception,
            hint: None,
        }
    }

    /// With a suggestion.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exception.fmt(f)
    }
}

/// What kind of error a worker answered with; `docs/protocol.md`, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteKind {
    /// The command raised.
    Exception,
    /// No such command.
    UnknownCommand,
    /// The arguments do not fit the command's signature.
    BadArguments,
    /// The deadline passed before the command started.
    Expired,
    /// The command was interrupted on request.
    Cancelled,
    /// The result holds something no value can carry.
    Unserialisable,
    /// The result is larger than the limit.
    TooLarge,
    /// A handle among the arguments is on an object that is not kept any more.
    ExpiredRef,
    /// An object cannot be kept: the call has no session, or that keeps as many as it may.
    NotKept,
}

impl RemoteKind {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Exception => "call.exception",
            Self::UnknownCommand => "call.unknown_command",
            Self::BadArguments => "call.bad_arguments",
            Self::Expired => "call.expired",
            Self::Cancelled => "call.cancelled",
            Self::Unserialisable => "call.unserialisable",
            Self::TooLarge => "call.too_large",
            Self::ExpiredRef => "call.expired_ref",
            Self::NotKept => "call.not_kept",
        }
    }

    /// Whether the command ran to its end, and its result is what cannot be had.
    pub const fn is_of_result(self) -> bool {
        matches!(self, Self::Unserialisable | Self::TooLarge)
    }

    pub(super) const fn delivery(self) -> Delivery {
        match self {
            Self::UnknownCommand | Self::BadArguments | Self::Expired | Self::ExpiredRef => {
                Delivery::NotSent
            }
            Self::Exception
            | Self::Cancelled
            | Self::Unserialisable
            | Self::TooLarge
            | Self::NotKept => Delivery::MaybeExecuted,
        }
    }
}
