//! Which Python is asked for: `3.14`, `3.14t`. Knows nothing of the machine.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// The oldest Python whose programs the worker runtime runs.
pub(crate) const OLDEST: (u32, u32) = (3, 8);

/// The first Python that can be built without its global lock.
const FIRST_FREE_THREADED: (u32, u32) = (3, 13);

/// One minor version, in one of its two builds. Reads and prints as `3.14`, or `3.14t` for the free-threaded build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) version: (u32, u32),
    pub(crate) free_threaded: bool,
}

impl Request {
    /// What to try on a path, the surest name first; each may turn out to be another Python.
    pub(crate) fn program_names(self) -> Vec<String> {
        let (major, minor) = self.version;
        let mut names = vec![
            self.program_name(),
            format!("python{major}.{minor}"),
            format!("python{major}"),
        ];
        names.dedup();
        names
    }

    /// What an installation calls it: `python3.14t`.
    pub(crate) fn program_name(self) -> String {
        format!("python{self}")
    }
}

impl FromStr for Request {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = "give a version such as 3.14, or 3.14t for the free-threaded build";
        let (number, free_threaded) = text
            .strip_suffix('t')
            .map_or((text, false), |number| (number, true));
        let (major, minor) = number.split_once('.').context(wanted)?;
        let part = |digits: &str| {
            // `parse` alone would take a sign too.
            ensure!(digits.bytes().all(|b| b.is_ascii_digit()), wanted);
            digits.parse::<u32>().context(wanted)
        };
        let version = (part(major)?, part(minor)?);
        ensure!(version.0 == 3, wanted);
        ensure!(version >= OLDEST, "workers need Python 3.8 or newer");
        ensure!(
            !free_threaded || version >= FIRST_FREE_THREADED,
            "free-threaded builds begin with 3.13t"
        );
        Ok(Self {
            version,
            free_threaded,
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version;
        let suffix = if self.free_threaded { "t" } else { "" };
        write!(f, "{major}.{minor}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_it_prints() {
        for text in ["3.8", "3.13t", "3.14", "3.14t", "3.100t"] {
            let request: Request = text.parse().expect("a version");
            assert_eq!(request.to_string(), text);
        }
    }

    #[test]
    fn a_request_that_nothing_can_fit_is_refused() {
        for text in [
            "", "t", "3", "3.", ".14", "3.14.1", "3.14tt", "3.+14", "3.x", "4.0", "2.7", "3.7",
            "3.12t", "3.14-t", " 3.14",
        ] {
            assert!(text.parse::<Request>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_surest_name_is_tried_first() {
        let names = |text: &str| text.parse::<Request>().expect("valid").program_names();
        assert_eq!(names("3.14t"), ["python3.14t", "python3.14", "python3"]);
        assert_eq!(names("3.14"), ["python3.14", "python3"]);
    }
}
