//! The error objects of `ERROR` and `FAILED`; must not know which frame carries them.

use serde::Deserialize;
use snakepit_core::error::{Frame, RemoteError, RemoteException, RemoteKind, SyntaxPlace};

use super::CodecError;

/// An error object, `docs/protocol.md` section 3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the kinds of the tables in that section, not checked.
    pub kind: String,
    /// The exception; where none is behind the error only its message is filled.
    pub exception: RemoteException,
    /// What the worker suggests.
    pub hint: Option<String>,
}

impl Failure {
    /// Reads the body of a frame.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let message: Message =
            serde_json::from_slice(body).map_err(|error| CodecError::Failure(error.to_string()))?;
        let Message {
            kind,
            hint,
            exception,
        } = message;
        if exception.message.is_none() {
            return Err(CodecError::Failure("missing field `message`".to_owned()));
        }
        Ok(Self {
            kind,
            exception: exception.into(),
            hint,
        })
    }

    /// As the answer to a call. Fails on a kind that answers no call.
    pub fn into_remote(self) -> Result<RemoteError, CodecError> {
        let kind = match self.kind.as_str() {
            "exception" => RemoteKind::Exception,
            "unknown_command" => RemoteKind::UnknownCommand,
            "bad_arguments" => RemoteKind::BadArguments,
            "expired" => RemoteKind::Expired,
            "cancelled" => RemoteKind::Cancelled,
            "unserialisable" => RemoteKind::Unserialisable,
            "too_large" => RemoteKind::TooLarge,
            "expired_ref" => RemoteKind::ExpiredRef,
            "not_kept" => RemoteKind::NotKept,
            _ => return Err(CodecError::Failure(format!("unknown kind `{}`", self.kind))),
        };
        let mut error = RemoteError::new(kind, String::new());
        error.exception = self.exception;
        error.hint = self.hint;
        Ok(error)
    }
}

#[derive(Deserialize)]
struct Message {
    kind: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(flatten)]
    exception: Exception,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Exception {
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// Its class and those it derives from, qualified, nearest first.
    classes: Vec<String>,
    message: Option<String>,
    frames: Vec<Frame>,
    notes: Vec<String>,
    syntax: Option<Box<SyntaxPlace>>,
    cause: Option<Box<Exception>>,
    context: Option<Box<Exception>>,
    exceptions: Vec<Exception>,
    exceptions_omitted: u32,
}

impl From<Exception> for RemoteException {
    fn from(exception: Exception) -> Self {
        let boxed = |inner: Option<Box<Exception>>| inner.map(|inner| Box::new((*inner).into()));
        let mut classes = exception.classes.into_iter();
        Self {
            type_name: classes.next().or(exception.type_name).unwrap_or_default(),
            bases: classes.collect(),
            message: exception.message.unwrap_or_default(),
            frames: exception.frames,
            notes: exception.notes,
            syntax: exception.syntax,
            cause: boxed(exception.cause),
            context: boxed(exception.context),
            exceptions: exception.exceptions.into_iter().map(Self::from).collect(),
            exceptions_omitted: exception.exceptions_omitted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_comes_with_traceback_notes_and_cause() {
        let body = br#"{"kind": "exception", "type": "ValueError", "message": "bad input", "hint": "look",
            "frames": [{"file": "a.py", "line": 3, "function": "f", "text": "return 1/0"}],
            "cause": {"type": "KeyError", "message": "'x'", "frames": [], "cause": null}, "notes": ["n"], "new": 1}"#;
        let error = Failure::decode(body).unwrap().into_remote().unwrap();
        assert_eq!(error.to_string(), "ValueError: bad input");
        assert_eq!(error.kind, RemoteKind::Exception);
        assert_eq!(error.hint.as_deref(), Some("look"));
        assert_eq!(error.exception.frames[0].to_string(), "a.py:3 in f");
        assert_eq!(error.exception.notes, ["n"]);
        assert_eq!(error.exception.cause.unwrap().type_name, "KeyError");
    }

    #[test]
    fn classes_context_and_groups_are_read() {
        let body = br#"{"kind": "exception", "type": "ExceptionGroup", "message": "g (1 sub-exception)",
            "classes": ["builtins.ExceptionGroup", "builtins.Exception"], "exceptions_omitted": 3,
            "frames": [{"file": "a.py", "line": 3, "function": "f", "text": "", "marked": "a\n^", "omitted": 7}],
            "context": {"type": "KeyError", "message": "'x'"}, "exceptions": [
            {"type": "SyntaxError", "message": "bad (b.py, line 2)", "syntax": {"message": "bad", "file": "b.py",
             "line": 2, "text": "x y", "column": 3, "length": 1}}]}"#;
        let exception = Failure::decode(body).unwrap().exception;
        assert_eq!(exception.type_name, "builtins.ExceptionGroup");
        assert!(exception.is("Exception"));
        let frame = &exception.frames[0];
        assert_eq!((frame.marked.as_str(), frame.omitted), ("a\n^", 7));
        assert_eq!((&exception.cause, exception.exceptions_omitted), (&None, 3));
        assert_eq!(exception.context.unwrap().to_string(), "KeyError: 'x'");
        let syntax = exception.exceptions[0].syntax.as_deref().unwrap();
        assert_eq!((syntax.line, syntax.column, syntax.length), (2, 3, 1));
    }

    #[test]
    fn only_kind_and_message_are_required() {
        let failure = Failure::decode(br#"{"kind": "setup", "message": "m"}"#).unwrap();
        assert_eq!(failure.exception.message, "m");
        assert!(failure.into_remote().is_err());
        assert!(Failure::decode(br#"{"kind": "setup"}"#).is_err());
        assert!(Failure::decode(br#"{"message": "m"}"#).is_err());
        assert!(Failure::decode(b"[]").is_err());
    }

    #[test]
    fn endless_causes_are_refused() {
        let body = format!(
            "{{\"kind\":\"exception\",\"message\":\"\",\"cause\":{}",
            "{\"cause\":".repeat(100_000)
        );
        assert!(Failure::decode(body.as_bytes()).is_err());
    }
}
