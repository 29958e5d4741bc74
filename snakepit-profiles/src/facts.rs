//! What a Python process says about itself in HELLO; must not judge it.

use serde::Deserialize;

/// What a worker's HELLO says of its interpreter and adapter; `docs/protocol.md`, section 6.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Facts {
    pub(crate) python: Python,
    /// Modules that were imported for the adapter, and their versions where they have one.
    #[serde(default)]
    pub(crate) imports: Vec<(String, Option<String>)>,
    /// What the adapter declares.
    #[serde(default)]
    pub(crate) thread_safe: Option<bool>,
}

/// What a worker says of its interpreter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Python {
    pub(crate) version: String,
    pub(crate) implementation: String,
    pub(crate) free_threaded_build: bool,
    pub(crate) gil_enabled: bool,
    /// The modules that turned it on.
    pub(crate) gil_enabled_by: Vec<String>,
    pub(crate) executable: String,
}

impl Python {
    /// One line, such as `CPython 3.14.0 (free-threaded, GIL off)`.
    pub(crate) fn describe(&self) -> String {
        let name = self.name();
        match (self.free_threaded_build, self.gil_enabled) {
            (false, _) => name,
            (true, true) => format!("{name} (free-threaded, GIL on)"),
            (true, false) => format!("{name} (free-threaded, GIL off)"),
        }
    }

    /// `CPython 3.14.0`.
    pub(crate) fn name(&self) -> String {
        let name = match self.implementation.as_str() {
            "cpython" => "CPython",
            "" => "Python",
            other => other,
        };
        format!("{name} {}", self.version)
    }
}

/// What a worker found out after its HELLO: the body of `NOTICE`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    /// The modules to blame.
    #[serde(default)]
    pub(crate) modules: Vec<String>,
    /// The command that was running.
    #[serde(default)]
    pub(crate) command: String,
    /// What two threads used at once, and where each of them did.
    #[serde(default)]
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) uses: Vec<String>,
}
