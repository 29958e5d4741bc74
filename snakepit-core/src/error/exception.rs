//! An exception as it crossed from a worker: its classes, where it was raised, what it came from. Knows no transport.

use std::fmt;
use std::iter::once;

use serde::Deserialize;

use super::traceback::Traceback;

/// An exception as it crossed from the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteException {
    /// The qualified name of its class (`builtins.ValueError`, `acme.errors.Broken`), or empty when no exception is
    /// behind the error.
    pub type_name: String,
    /// The qualified names of the classes that one derives from, nearest first; at most 15.
    pub bases: Vec<String>,
    /// Its text, at most 16 KiB.
    pub message: String,
    /// Where it was raised: outermost user frame first, at most 50.
    pub frames: Vec<Frame>,
    /// Notes added to it, at most 16.
    pub notes: Vec<String>,
    /// Where source text is wrong, of a `SyntaxError`.
    pub syntax: Option<Box<SyntaxPlace>>,
    /// What it was raised from, by `raise ... from ...`.
    pub cause: Option<Box<RemoteException>>,
    /// What was being handled when it was raised, unless that was suppressed or there is a cause.
    pub context: Option<Box<RemoteException>>,
    /// What an exception group holds, at most 15.
    pub exceptions: Vec<RemoteException>,
    /// How many more the group holds.
    pub exceptions_omitted: u32,
}

impl RemoteException {
    /// Whether it is of a class, or of one derived from it: `acme.errors.Broken`, `builtins.ValueError`, or `ValueError`
    /// for short. Only classes of `builtins` have a short name, so that nobody else's `TimeoutError` is taken for Python's.
    pub fn is(&self, class: &str) -> bool {
        once(&self.type_name)
            .chain(&self.bases)
            .any(|name| name == class || name.strip_prefix("builtins.") == Some(class))
    }

    /// The name of its class as Python shows it: without the module if that is `builtins` or `__main__`.
    pub fn short_name(&self) -> &str {
        let name = self.type_name.as_str();
        ["builtins.", "__main__."]
            .iter()
            .find_map(|module| name.strip_prefix(module))
            .unwrap_or(name)
    }

    /// All of it, laid out as Python does when a program ends with the exception. Several lines, the last one ended too.
    pub fn traceback(&self) -> impl fmt::Display + '_ {
        Traceback(self)
    }
}

impl fmt::Display for RemoteException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.short_name(), self.message.as_str()) {
            ("", message) => f.write_str(message),
            (name, "") => f.write_str(name),
            (name, message) => write!(f, "{name}: {message}"),
        }
    }
}

/// One line of a traceback. For serde a map, each of whose entries may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The source file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function.
    pub function: String,
    /// The source text, when known.
    pub text: String,
    /// The source text as the worker's Python shows it, in a line or several, with marks under the part that raised; empty
    /// where it draws no marks.
    pub marked: String,
    /// How many frames between the one before and this one were left out.
    pub omitted: u32,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} in {}", self.file, self.line, self.function)
    }
}

/// Where source text is wrong. For serde a map, each of whose entries may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SyntaxPlace {
    /// What is wrong, without the place.
    pub message: String,
    /// The source file.
    pub file: String,
    /// The line, from 1; 0 if it is not known.
    pub line: u32,
    /// The source text, without indentation; empty if it is not known.
    pub text: String,
    /// The first character in `text` that is meant, from 1; 0 if it is not known.
    pub column: u32,
    /// How many characters are meant.
    pub length: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(type_name: &str, bases: &[&str]) -> RemoteException {
        RemoteException {
            type_name: type_name.to_owned(),
            bases: bases.iter().map(|&name| name.to_owned()).collect(),
            message: "m".to_owned(),
            ..RemoteException::default()
        }
    }

    #[test]
    fn an_exception_is_of_its_class_and_of_those_it_derives_from() {
        let broken = raised(
            "acme.Broken",
            &["builtins.ValueError", "builtins.Exception"],
        );
        for class in [
            "acme.Broken",
            "builtins.ValueError",
            "ValueError",
            "Exception",
        ] {
            assert!(broken.is(class), "{class}");
        }
        for class in ["Broken", "KeyError", "", "builtins"] {
            assert!(!broken.is(class), "{class}");
        }
    }

    #[test]
    fn the_classes_of_python_itself_show_without_their_module() {
        assert_eq!(
            raised("builtins.ValueError", &[]).to_string(),
            "ValueError: m"
        );
        assert_eq!(raised("__main__.Mine", &[]).to_string(), "Mine: m");
        assert_eq!(raised("a.builtins.X", &[]).to_string(), "a.builtins.X: m");
        assert_eq!(raised("", &[]).to_string(), "m");
    }
}
