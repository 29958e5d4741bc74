//! Why a host tool, or the input of a call, failed; what Python gets to see of it. Knows no registry and no transport.

use std::any::Any;
use std::fmt;

use super::{CallError, Retry};

/// The failure of a host tool or of an input stream, as Python sees it.
///
/// Code that answers with another error need not make one: whatever can be displayed is accepted, and a [`CallError`]
/// keeps its code, advice and hint.
///
/// ```
/// use snakepit_core::Retry;
/// use snakepit_core::error::ToolError;
///
/// let error = ToolError::new("no customer 7").with_code("crm.not_found").with_retry(Retry::Never);
/// assert_eq!(error.to_string(), "no customer 7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolError {
    /// A stable code, `tool.failed` unless something else was said.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Whether asking again makes sense.
    pub retry: Retry,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ToolError {
    /// A failure with the code `tool.failed`, which asking again would not change.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: "tool.failed".to_owned(),
            message: message.into(),
            retry: Retry::Never,
            hint: None,
        }
    }

    /// With a code of its own.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// With advice whether to ask again.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With a suggestion.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Of any error. A [`ToolError`] stays as it is, a [`CallError`] keeps its code, advice and hint.
    pub fn from_error(error: impl fmt::Display + 'static) -> Self {
        let any: &dyn Any = &error;
        if let Some(error) = any.downcast_ref::<Self>() {
            return error.clone();
        }
        let Some(call) = any.downcast_ref::<CallError>() else {
            return Self::new(error.to_string());
        };
        Self {
            code: call.code().to_owned(),
            message: call.to_string(),
            retry: call.retry(),
            hint: call.hint().map(Into::into),
        }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ToolError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rejection;

    #[test]
    fn errors_keep_what_they_say_of_themselves() {
        let own = ToolError::new("m").with_code("c").with_retry(Retry::Later);
        assert_eq!(ToolError::from_error(own.clone()), own);
        let call = CallError::Rejected {
            pool: "p".into(),
            reason: Rejection::QueueFull { limit: 3 },
        };
        let of_call = ToolError::from_error(call);
        assert_eq!(of_call.code, "pool.queue_full");
        assert_eq!(of_call.retry, Retry::Later);
        assert!(of_call.hint.is_some());
        let other = ToolError::from_error("text");
        assert_eq!((&*other.code, &*other.message), ("tool.failed", "text"));
    }
}
