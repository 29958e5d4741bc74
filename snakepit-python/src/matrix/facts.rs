//! One row of the matrix, as it is written in `libraries.yaml`. Judges nothing.

use pep440_rs::{Version, VersionSpecifiers};
use serde::{Deserialize, Serialize};

/// What is known about a library.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Library {
    /// What people call it, and its distribution unless that is named otherwise.
    pub name: String,
    /// Its distributions, where they are named otherwise, or there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    distributions: Vec<String>,
    /// What else people call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    /// What is imported, where that is named otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    imports: Vec<String>,
    /// The module that shows what the library does, where importing the first one loads nothing compiled.
    #[serde(default, rename = "try", skip_serializing_if = "Option::is_none")]
    try_out: Option<String>,
    /// It comes with Python.
    #[serde(default)]
    pub standard_library: bool,
    /// The newest version when the facts were checked; `None` for the standard library.
    pub newest: Option<Version>,
    /// When the facts were checked: year, month, day.
    pub checked: String,
    /// Does it let other threads run while it computes?
    pub releases_gil: Fact<ReleasesGil>,
    /// May threads use the same objects?
    pub sharing: SharingFact,
    /// Does the GIL of a free-threaded build stay off?
    pub free_threading: FreeThreading,
    /// Does it survive a fork?
    pub fork: Fork,
    /// Does it load in a sub-interpreter with a GIL of its own?
    pub subinterpreters: Fact<SubInterpreters>,
    /// What to do.
    pub advice: String,
    /// Where the facts come from, besides those of `sharing`.
    pub sources: Vec<String>,
}

impl Library {
    /// The names it is installed by; none if it comes with Python.
    pub fn distributions(&self) -> &[String] {
        if self.standard_library {
            return &[];
        }
        or_name(&self.distributions, &self.name)
    }

    /// The modules it is imported by.
    pub fn imports(&self) -> &[String] {
        or_name(&self.imports, &self.name)
    }

    /// The module to import to see what the library does.
    pub fn module(&self) -> &str {
        self.try_out.as_ref().unwrap_or(&self.imports()[0])
    }

    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        let names = std::iter::once(&self.name)
            .chain(self.distributions())
            .chain(self.imports())
            .chain(&self.aliases);
        names.map(String::as_str)
    }
}

fn or_name<'a>(names: &'a [String], name: &'a String) -> &'a [String] {
    if names.is_empty() {
        std::slice::from_ref(name)
    } else {
        names
    }
}

/// An answer, and what there is to add to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fact<T> {
    /// In one word.
    #[serde(rename = "is")]
    pub answer: T,
    /// In a sentence without its period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// May threads use the same objects, from which version on, and who says so?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SharingFact {
    /// In one word.
    #[serde(rename = "is")]
    pub answer: Sharing,
    /// The first version of which that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Version>,
    /// What holds of versions before that.
    #[serde(default)]
    pub before: Sharing,
    /// In a sentence without its period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where its authors say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// Does it let other threads run while it computes?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReleasesGil {
    /// In all that takes long.
    Mostly,
    /// In some of what takes long, or while it waits.
    Partly,
    /// It holds the GIL throughout.
    Never,
    /// It is Python code, and waits where Python waits.
    PurePython,
    /// Nobody has looked.
    Unknown,
}

/// May threads use the same objects?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sharing {
    /// Yes.
    Safe,
    /// As long as nobody changes them.
    ReadOnly,
    /// No: each thread needs its own.
    PerThread,
    /// Not even with objects of its own: the library keeps state of the whole process.
    Unsafe,
    /// Nobody has said.
    #[default]
    Unknown,
}

/// Does the GIL of a free-threaded build stay off?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FreeThreading {
    /// In one word.
    #[serde(rename = "is")]
    pub answer: Gil,
    /// The first version of which that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Version>,
    /// What holds of versions before that.
    #[serde(default)]
    pub before: Gil,
    /// Versions an installer may choose that are of no use: placeholders, old snapshots, slow stand-ins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub useless: Option<VersionSpecifiers>,
    /// In a sentence without its period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What importing a library does to the GIL of a free-threaded build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gil {
    /// It stays off.
    StaysOff,
    /// It is Python code: it stays off as far as this library is concerned.
    PurePython,
    /// It is turned on for the whole process.
    TurnedOn,
    /// There is no build of the library for such a Python.
    #[default]
    NoBuild,
    /// Nobody has tried.
    Unknown,
}

/// Does it survive a fork?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fork {
    /// When it was only imported before.
    pub after_import: ForkAfterImport,
    /// When it was used before.
    pub after_use: ForkAfterUse,
    /// In a sentence without its period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What becomes of a process forked after the library was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ForkAfterImport {
    /// It works.
    Works,
    /// The import starts threads, which the new process would miss.
    StartsThreads,
    /// Nobody has tried.
    Unknown,
}

/// What becomes of a process forked after the library was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ForkAfterUse {
    /// It works.
    Works,
    /// It hangs at the next use.
    Hangs,
    /// It fails, or shares what it must not share.
    Breaks,
    /// Nobody has tried.
    Unknown,
}

/// What a library does in a sub-interpreter with a GIL of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubInterpreters {
    /// It loads.
    Loads,
    /// It loads without its fast part.
    FallsBack,
    /// It refuses to load, or fails at its first use.
    Refuses,
    /// Nobody has tried.
    Unknown,
}
