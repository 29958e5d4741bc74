//! What a command says of itself: parameters, schema, defaults of its calls. Knows no worker and no language.

use std::time::Duration;

use crate::value::Value;

/// A command a worker offers.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Command {
    /// The name to call it by.
    pub name: String,
    /// Its signature as the worker's language writes it.
    pub signature: String,
    /// The first line of its documentation.
    pub doc: String,
    /// Whether it produces a stream.
    pub stream: bool,
    /// Its parameters, in order. Empty also if the worker does not tell.
    pub params: Vec<Parameter>,
    /// The JSON Schema (draft 2020-12) of its arguments by name: a map, or `Null` if the worker has none to offer.
    pub schema: Value,
    /// How long a call of it may take that does not say so itself; `None` for the pool's `request_timeout`.
    pub timeout: Option<Duration>,
    /// Whether running it twice does no harm, for calls that do not say so themselves.
    pub idempotent: bool,
}

impl Command {
    /// A command of which nothing but the name is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// A parameter of a [`Command`].
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// How an argument for it is given.
    pub kind: ParameterKind,
    /// Its type as the worker's language writes it; empty if there is none.
    pub annotation: String,
    /// What it is without an argument.
    pub default: Option<ParameterDefault>,
    /// What the documentation says of it, in one line; empty if nothing.
    pub doc: String,
    /// Whether a call without an argument for it is refused.
    pub required: bool,
}

impl Parameter {
    /// A parameter of which the name and the way of giving it are known.
    pub fn new(name: impl Into<String>, kind: ParameterKind) -> Self {
        Self {
            name: name.into(),
            kind,
            ..Self::default()
        }
    }
}

/// How an argument for a [`Parameter`] is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ParameterKind {
    /// By its place only.
    PositionalOnly,
    /// By its place or by its name.
    #[default]
    PositionalOrKeyword,
    /// It takes all further arguments given by place.
    VarPositional,
    /// By its name only.
    KeywordOnly,
    /// It takes all further arguments given by name.
    VarKeyword,
}

impl ParameterKind {
    /// The kind as `docs/protocol.md` spells it, such as `keyword_only`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PositionalOnly => "positional_only",
            Self::PositionalOrKeyword => "positional_or_keyword",
            Self::VarPositional => "var_positional",
            Self::KeywordOnly => "keyword_only",
            Self::VarKeyword => "var_keyword",
        }
    }
}

/// What a [`Parameter`] is without an argument.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParameterDefault {
    /// This value.
    Value(Value),
    /// Something that is no value, as the worker's language shows it.
    Shown(String),
}
