//! The kinds of frames and what a host accepts where; must not know bodies.

use super::header::{Codec, Flags};

/// A connection between host and worker, as the host reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Answers to calls.
    Lane,
    /// A worker's control connection.
    Control,
    /// The connection to a boot process.
    Boot,
}

impl Link {
    /// The name used in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Control => "control",
            Self::Boot => "boot link",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $wire:literal;)*) => {
        /// What a frame is for; `docs/protocol.md`, section 2.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name in the protocol.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)*
                }
            }
        }
    };
}

kinds! {
    /// A call.
    Call = 1, "CALL";
    /// Its one answer.
    Result = 2, "RESULT";
    /// Its failure.
    Error = 3, "ERROR";
    /// One value of a stream.
    Chunk = 4, "CHUNK";
    /// The end of a stream.
    End = 5, "END";
    /// Leave to send more chunks.
    Credit = 6, "CREDIT";
    /// A question to a host tool.
    Ask = 7, "ASK";
    /// What the tool answered.
    Reply = 8, "REPLY";
    /// Why it did not.
    Refusal = 9, "REFUSAL";
    /// Leave to send items of the input.
    Pull = 10, "PULL";
    /// One of them.
    Item = 11, "ITEM";
    /// There are no more, or an error in their place.
    ItemsEnd = 12, "ITEMS_END";
    /// What a session leaves as of a call, before the call's final answer.
    State = 13, "STATE";
    /// A worker is ready, or what a worker is told.
    Hello = 16, "HELLO";
    /// A call should end.
    Cancel = 17, "CANCEL";
    /// A question whether the worker answers.
    Ping = 18, "PING";
    /// The answer.
    Pong = 19, "PONG";
    /// A line of output.
    Log = 20, "LOG";
    /// The worker should end.
    Stop = 21, "STOP";
    /// A worker found out something about itself.
    Notice = 22, "NOTICE";
    /// A launch failed.
    Failed = 23, "FAILED";
    /// A call is cancelled and may end by itself.
    Tell = 24, "TELL";
    /// A question where the code of a call is.
    Where = 25, "WHERE";
    /// The answer.
    Stack = 26, "STACK";
    /// Memory that is not needed should be given back.
    Trim = 27, "TRIM";
    /// It was tried.
    Trimmed = 28, "TRIMMED";
    /// Code of the worker tells something of its work.
    Event = 29, "EVENT";
    /// What a boot process should load.
    Boot = 32, "BOOT";
    /// It has.
    Ready = 33, "READY";
    /// Make a worker.
    Fork = 34, "FORK";
    /// Made.
    Forked = 35, "FORKED";
    /// Not made.
    Refused = 36, "REFUSED";
    /// A forked worker is gone.
    Exited = 37, "EXITED";
    /// Turn into a worker.
    Become = 38, "BECOME";
}

impl Kind {
    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether a worker or boot process may send it on `link`.
    pub const fn arrives_on(self, link: Link) -> bool {
        match link {
            Link::Lane => matches!(
                self,
                Self::Result
                    | Self::Error
                    | Self::Chunk
                    | Self::End
                    | Self::Ask
                    | Self::Pull
                    | Self::State
            ),
            Link::Control => matches!(
                self,
                Self::Hello
                    | Self::Pong
                    | Self::Log
                    | Self::Notice
                    | Self::Failed
                    | Self::Stack
                    | Self::Trimmed
                    | Self::Event
            ),
            Link::Boot => {
                matches!(
                    self,
                    Self::Ready | Self::Forked | Self::Refused | Self::Exited | Self::Failed
                )
            }
        }
    }

    /// Whether a worker asks by it while its call goes on.
    pub const fn asks(self) -> bool {
        matches!(self, Self::Ask | Self::Pull)
    }

    /// The flags that mean something on it.
    pub(super) const fn flags(self) -> Flags {
        match self {
            Self::Call => Flags::BUFFERS.with(Flags::STREAM),
            Self::Result | Self::Chunk | Self::Ask | Self::Reply | Self::Item => Flags::BUFFERS,
            _ => Flags::NONE,
        }
    }

    /// Whether its body may be of this length in this codec. Without a body the codec says nothing.
    pub(super) const fn fits(self, length: u32, codec: Codec) -> bool {
        match self {
            Self::End
            | Self::Cancel
            | Self::Ping
            | Self::Stop
            | Self::Tell
            | Self::Where
            | Self::Trim => length == 0,
            // Its version, and what it leaves.
            Self::State => length >= 8 && matches!(codec, Codec::Raw),
            Self::Credit | Self::Pull => length == 4 && matches!(codec, Codec::Raw),
            Self::ItemsEnd if length == 0 => true,
            _ => length > 0 && matches!(codec, Codec::Json),
        }
    }
}
