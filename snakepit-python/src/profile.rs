//! The ways of running Python that choices are made between. Knows not how they work.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A worker profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// Many processes, one call at a time in each.
    Process,
    /// Few processes, with several threads calling at a time in each.
    Thread,
    /// As `Thread`, each thread in a sub-interpreter of its own. Experimental.
    Interpreter,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Process, Self::Thread, Self::Interpreter];

    /// Its name in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Thread => "thread",
            Self::Interpreter => "interpreter",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is no profile's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no profile: expected `process`, `thread` or `interpreter`")]
pub struct InvalidProfile(String);

impl FromStr for Profile {
    type Err = InvalidProfile;

    fn from_str(name: &str) -> Result<Self, InvalidProfile> {
        let found = Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == name);
        found.ok_or_else(|| InvalidProfile(name.to_owned()))
    }
}
