//! What a profile has to say that is not an error: typed, told once. Knows no profile.

use std::borrow::Cow;
use std::fmt;

/// Something the operator of a pool should know: it works, but not as well as it could, or not as it was asked to.
///
/// A pool tells each notice once, as [`EventKind::Notice`](crate::EventKind::Notice), however many workers give it, and
/// keeps it in its [`snapshot`](crate::PoolSnapshot::notices).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Notice {
    /// Stable, for logs and alerts: `gil.on`, `compat.unsafe`.
    pub code: Cow<'static, str>,
    /// One sentence fragment for people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the worker that gave it is no longer what the pool asked for: it is replaced, make before break.
    pub unfit: bool,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Notice {
    /// A notice without a hint.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            hint: None,
            unfit: false,
        }
    }

    /// With a suggestion.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Has the pool replace the worker that gives it.
    pub fn unfit(mut self) -> Self {
        self.unfit = true;
        self
    }
}
