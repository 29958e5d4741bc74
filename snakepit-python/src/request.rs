//! What a user may ask for when naming an interpreter. Knows no file and runs nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// What asks for a free-threaded build of any version.
const FREE_THREADED: &str = "free-threaded";

/// The interpreter somebody wants.
///
/// | written | means |
/// |---|---|
/// | `any` | the first one found |
/// | `3`, `3.14`, `3.14.2` | that version, the ordinary build |
/// | `3.14t`, `3.14.2t` | that version, the free-threaded build |
/// | `>=3.11`, `>=3.11,<3.14` | a version in the range, either build |
/// | `free-threaded`, `>=3.14 free-threaded` | a free-threaded build, of any version or in the range |
/// | `python3.12`, `pypy3` | a command, looked up in `PATH` |
/// | `/usr/bin/python3`, `./env`, `.venv` | an interpreter, or the folder of a virtual environment |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// The first one found.
    #[default]
    Any,
    /// One with these properties.
    Version(VersionRequest),
    /// A command to look up in `PATH`.
    Name(String),
    /// An interpreter, or the folder of a virtual environment. Relative paths start from the current folder.
    Path(PathBuf),
}

/// Which versions and which builds will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRequest {
    /// As written, in the one form that is read back as the same.
    text: String,
    versions: VersionSpecifiers,
    build: BuildRequest,
}

/// Which builds of `CPython` will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuildRequest {
    Either,
    Ordinary,
    FreeThreaded,
}

/// Why an interpreter is not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Version,
    FreeThreaded,
    NotFreeThreaded,
}

impl VersionRequest {
    pub(crate) fn check(&self, version: &Version, free_threaded: bool) -> Result<(), Mismatch> {
        if !self.versions.contains(version) {
            return Err(Mismatch::Version);
        }
        match self.build {
            BuildRequest::Ordinary if free_threaded => Err(Mismatch::FreeThreaded),
            BuildRequest::FreeThreaded if !free_threaded => Err(Mismatch::NotFreeThreaded),
            _ => Ok(()),
        }
    }

    /// A command that gets one.
    pub(crate) fn how_to_install(&self) -> String {
        let version = match self.build {
            BuildRequest::FreeThreaded if self.text.contains(FREE_THREADED) => "3.14t",
            _ => &self.text,
        };
        format!("uv python install '{version}'")
    }
}

/// A request that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no interpreter: {problem}")]
pub struct InvalidRequest {
    text: String,
    problem: String,
}

impl InvalidRequest {
    /// What would mean something.
    pub fn hint(&self) -> &'static str {
        "write a version (`3.14`, `3.14t`, `>=3.11`), `free-threaded`, a command (`python3.12`), a path, or `any`"
    }
}

impl Request {
    /// As written in a file of this folder, from which a relative path starts.
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::Path(path) => Self::Path(folder.join(path)),
            other => other,
        }
    }
}

impl FromStr for Request {
    type Err = InvalidRequest;

    fn from_str(text: &str) -> Result<Self, InvalidRequest> {
        let text = text.trim();
        let invalid = |problem: String| InvalidRequest {
            text: text.to_owned(),
            problem,
        };
        if text.is_empty() {
            return Err(invalid("there is nothing".into()));
        }
        if text == "any" {
            return Ok(Self::Any);
        }
        if text.contains('/') || text.starts_with('.') {
            return Ok(Self::Path(text.into()));
        }
        let starts_version = |text: &str| text.starts_with(|c: char| "<>=!~".contains(c));
        if text.contains(FREE_THREADED) || starts_version(text) {
            return range(text).map(Self::Version).map_err(invalid);
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return exact(text).map(Self::Version).map_err(invalid);
        }
        let allowed = |c: char| c.is_alphanumeric() || "_-.+".contains(c);
        if let Some(wrong) = text.chars().find(|c| !allowed(*c)) {
            return Err(invalid(format!("a command has no {wrong:?} in its name")));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// `3`, `3.14`, `3.14t`, `3.14.2`, `3.15.0rc1`.
fn exact(text: &str) -> Result<VersionRequest, String> {
    let (number, build) = match text.strip_suffix('t') {
        Some(number) => (number, BuildRequest::FreeThreaded),
        None => (text, BuildRequest::Ordinary),
    };
    let problem = || "expected a version such as `3.14`, `3.14t` or `3.14.2`".to_owned();
    let version: Version = number.parse().map_err(|_| problem())?;
    let parts = version.release().len();
    let plain = parts <= 3 && version.epoch() == 0 && version.local().is_empty();
    if !plain || number.ends_with('.') || version.is_dev() || version.is_post() {
        return Err(problem());
    }
    // A version cut short means all that begin with it; one with a pre-release is written out.
    let pattern = if parts < 3 && version.pre().is_none() {
        format!("=={number}.*")
    } else {
        format!("=={number}")
    };
    Ok(VersionRequest {
        text: text.to_owned(),
        versions: pattern.parse().map_err(|_| problem())?,
        build,
    })
}

/// `>=3.11,<3.14`, `free-threaded`, or both with a blank between them.
fn range(text: &str) -> Result<VersionRequest, String> {
    let blank = |rest: &str| rest.is_empty() || rest.starts_with(' ') || rest.ends_with(' ');
    let (range, build) = match text
        .strip_suffix(FREE_THREADED)
        .or(text.strip_prefix(FREE_THREADED))
    {
        Some(rest) if blank(rest) => (rest.trim(), BuildRequest::FreeThreaded),
        Some(_) => return Err(format!("expected a blank beside `{FREE_THREADED}`")),
        None => (text, BuildRequest::Either),
    };
    let versions: VersionSpecifiers = range
        .parse()
        .map_err(|_| "expected a range such as `>=3.11` or `>=3.11,<3.14`".to_owned())?;
    let text = match (range, build) {
        ("", _) => FREE_THREADED.to_owned(),
        (range, BuildRequest::FreeThreaded) => format!("{range} {FREE_THREADED}"),
        (range, _) => range.to_owned(),
    };
    Ok(VersionRequest {
        text,
        versions,
        build,
    })
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Version(version) => f.write_str(&version.text),
            Self::Name(name) => f.write_str(name),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Request;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // YAML takes 3.10 for the number 3.1.
                f.write_str(
                    "an interpreter such as `\"3.14\"` (in quotes), `3.14t`, `>=3.11`, `free-threaded`, \
                     `python3.12` or a path",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Request, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, major: u64) -> Result<Request, E> {
                self.visit_str(&major.to_string())
            }
        }

        // Not `deserialize_str`, which would also take the unquoted number, and others would show it as 3.1.
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn allows(request: &str, found: &str) -> bool {
        let Request::Version(request) = request.parse().unwrap() else {
            panic!("{request} is no version");
        };
        let (number, free_threaded) = match found.strip_suffix('t') {
            Some(number) => (number, true),
            None => (found, false),
        };
        request.check(&version(number), free_threaded).is_ok()
    }

    #[test]
    fn versions_and_builds_are_told_apart() {
        for (request, good, bad) in [
            ("3", "3.8.1 3.14.0", "2.7.18 3.14.0t 4.0.0"),
            ("3.1", "3.1.5", "3.10.0 3.14.0"),
            ("3.14", "3.14.0 3.14.7 3.14.0rc1", "3.13.9 3.15.0 3.14.7t"),
            ("3.14t", "3.14.0t", "3.14.0 3.15.0t"),
            ("3.14.2", "3.14.2", "3.14.20 3.14.3 3.14.2t"),
            ("3.15.0rc1", "3.15.0rc1", "3.15.0 3.15.0rc2"),
            (">=3.11", "3.11.0 3.14.2t 3.100.0", "3.9.9 3.10.9"),
            (">=3.11,<3.14", "3.11.7 3.13.0t", "3.14.0 3.14.0rc1 3.10.0"),
            ("free-threaded", "3.13.0t 3.14.0t", "3.14.0"),
            (">=3.14 free-threaded", "3.14.2t", "3.14.2 3.13.0t"),
            ("free-threaded >=3.14", "3.14.2t", "3.14.2 3.13.0t"),
        ] {
            for found in good.split(' ') {
                assert!(allows(request, found), "{request} takes {found}");
            }
            for found in bad.split(' ') {
                assert!(!allows(request, found), "{request} refuses {found}");
            }
        }
    }

    #[test]
    fn commands_and_paths_are_what_they_look_like() {
        let name = |name: &str| Request::Name(name.to_owned());
        let path = |path: &str| Request::Path(path.into());
        for (text, expected) in [
            (" any ", Request::Any),
            ("python3.12", name("python3.12")),
            ("pypy3", name("pypy3")),
            ("python3.14t", name("python3.14t")),
            ("/usr/bin/python3", path("/usr/bin/python3")),
            ("./env", path("./env")),
            (".venv", path(".venv")),
            ("..", path("..")),
            ("a b/c", path("a b/c")),
        ] {
            assert_eq!(text.parse::<Request>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("", "nothing"),
            ("3.", "expected a version"),
            ("3.x", "expected a version"),
            ("3.14.2.1", "expected a version"),
            ("3.14tt", "expected a version"),
            ("1!3.14", "expected a version"),
            ("3.14+local", "expected a version"),
            ("banana!", "'!'"),
            ("python 3.12", "' '"),
            (">=", "expected a range"),
            (">=3.11 <4", "expected a range"),
            (">=3.11free-threaded", "blank"),
            ("free-threaded free-threaded", "expected a range"),
        ] {
            let error = text.parse::<Request>().unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert!(error.hint().contains("3.14t"));
        }
    }

    #[test]
    fn only_relative_paths_start_from_a_folder() {
        for (written, expected) in [
            ("./env", "/app/./env"),
            ("/usr/bin/python3", "/usr/bin/python3"),
            ("3.14t", "3.14t"),
            ("python3", "python3"),
        ] {
            let request: Request = written.parse().unwrap();
            assert_eq!(request.within(Path::new("/app")).to_string(), expected);
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for text in [
            "any",
            "3.14",
            "3.14t",
            ">=3.11,<3.14",
            "free-threaded",
            "free-threaded >=3.14",
            "python3",
            "./env",
        ] {
            let request: Request = text.parse().unwrap();
            assert_eq!(request.to_string().parse::<Request>().unwrap(), request);
        }
    }

    #[test]
    fn configurations_name_versions_in_quotes() {
        let read = serde_yaml::from_str::<Request>;
        assert_eq!(read("'3.10'").unwrap().to_string(), "3.10");
        assert_eq!(read("3.14t").unwrap().to_string(), "3.14t");
        assert_eq!(read("3").unwrap().to_string(), "3");
        assert!(read("3.10").unwrap_err().to_string().contains("in quotes"));
        assert!(read("banana!").unwrap_err().to_string().contains("'!'"));
    }
}
