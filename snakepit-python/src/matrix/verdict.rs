//! A verdict on a library and its reasons; and how trying it out changes them. Knows no facts.

use pep440_rs::Version;
use serde::Serialize;

use super::facts::Library;
use crate::imports::{ImportOutcome, ImportReport, SubCheck};
use crate::probe::Probe;
use crate::profile::Profile;

/// The build of Python a verdict is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Build {
    /// The version of Python.
    pub version: Version,
    /// Built without the need for a GIL.
    pub free_threaded: bool,
    /// Whether the GIL is on.
    pub gil_enabled: bool,
}

impl Build {
    /// A build with the GIL as it comes: off in a free-threaded one.
    pub fn new(version: Version, free_threaded: bool) -> Self {
        Self {
            version,
            free_threaded,
            gil_enabled: !free_threaded,
        }
    }
}

impl From<&Probe> for Build {
    fn from(probe: &Probe) -> Self {
        Self {
            version: probe.version.clone(),
            free_threaded: probe.free_threaded_build,
            gil_enabled: probe.gil_enabled,
        }
    }
}

/// What is known of the library that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed<'a> {
    /// None: the question is about the newest one, which an installer would choose.
    No,
    /// One of an unknown version. What depends on the version is unknown too.
    Unversioned,
    /// This version.
    Version(&'a str),
}

impl<'a> Installed<'a> {
    /// Of a library that was imported, which may not say its version.
    pub fn imported(version: Option<&'a str>) -> Self {
        version.map_or(Self::Unversioned, Self::Version)
    }
}

/// Whether a library may be used, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing known speaks against it.
    Ok,
    /// Not enough is known.
    Unknown,
    /// It works under conditions, or not as well as one would think.
    Caution,
    /// It does not work, or gives wrong results.
    Unsafe,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Caution => "caution",
            Self::Unsafe => "unsafe",
        })
    }
}

/// A verdict on one library, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// The library, by the name people call it.
    pub library: String,
    /// The version judged, as it was given.
    pub version: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, each a sentence without its period.
    pub reasons: Vec<String>,
    /// What to do.
    pub advice: Option<String>,
    /// When the facts behind it were checked: year, month, day.
    pub checked: Option<String>,
    /// How importing it turns the GIL of this build on, if it is known to. One of the reasons.
    pub turns_gil_on: Option<String>,
    /// Which of the reasons was the first to come to the verdict.
    #[serde(skip)]
    decisive: usize,
}

impl Judgement {
    /// Nothing has been said about it yet.
    pub(super) fn new(library: &Library, version: Option<&str>) -> Self {
        Self {
            library: library.name.clone(),
            version: version.map(str::to_owned),
            verdict: Verdict::Ok,
            reasons: Vec::new(),
            advice: Some(library.advice.clone()),
            checked: Some(library.checked.clone()),
            turns_gil_on: None,
            decisive: 0,
        }
    }

    pub(super) fn unknown(library: &str) -> Self {
        Self {
            library: library.to_owned(),
            version: None,
            verdict: Verdict::Unknown,
            reasons: vec!["nothing is known about it".to_owned()],
            advice: Some(format!(
                "see what it does with `snakepit python compat --probe {library}`"
            )),
            checked: None,
            turns_gil_on: None,
            decisive: 0,
        }
    }

    /// The reason that made the verdict what it is.
    pub fn decisive_reason(&self) -> Option<&str> {
        self.reasons.get(self.decisive).map(String::as_str)
    }

    /// With what happened when it was really imported. That can make the verdict worse and never better: that one import
    /// went well proves nothing about threads, other builds or other uses.
    pub fn with_report(mut self, report: &ImportReport, profile: Profile) -> Self {
        match &report.outcome {
            ImportOutcome::Imported => {}
            ImportOutcome::NotTried(why) => {
                self.note(
                    Verdict::Unknown,
                    format!("it could not be tried: {why}"),
                    None,
                );
                return self;
            }
            ImportOutcome::Failed(error) if is_missing(error, &report.module) => {
                self.note(Verdict::Unknown, "it is not installed here", None);
                return self;
            }
            _ => {
                self.note(Verdict::Unsafe, "it cannot be imported here", None);
                return self;
            }
        }
        if self.version.is_none() {
            self.version.clone_from(&report.version);
        }
        let (verdict, reason) = match profile {
            Profile::Thread if report.turned_gil_on() => {
                let reason = "tried here, it turns the GIL on for the whole process";
                self.turns_gil_on = Some(reason.to_owned());
                (Verdict::Caution, reason)
            }
            Profile::Process if !matches!(report.fork, SubCheck::Works | SubCheck::NotTried) => {
                (Verdict::Unsafe, "tried here, it does not survive a fork")
            }
            Profile::Process if !report.threads.is_empty() => (
                Verdict::Caution,
                "tried here, importing it starts threads, which a forked worker would miss",
            ),
            Profile::Interpreter
                if matches!(report.subinterpreter, SubCheck::Fails(_) | SubCheck::Hangs) =>
            {
                (
                    Verdict::Unsafe,
                    "tried here, it does not load in a sub-interpreter",
                )
            }
            _ => return self,
        };
        self.note(verdict, reason, None);
        self
    }

    pub(super) fn note(
        &mut self,
        verdict: Verdict,
        reason: impl Into<String>,
        note: Option<&String>,
    ) {
        if verdict > self.verdict {
            self.verdict = verdict;
            self.decisive = self.reasons.len();
        }
        let mut reason = reason.into();
        if let Some(note) = note {
            reason = format!("{reason}; {note}");
        }
        self.reasons.push(reason);
    }
}

/// Whether an import failed because the module itself is not there, and not one that it needs.
fn is_missing(error: &str, module: &str) -> bool {
    // Of `google.protobuf` either part may be missing: other libraries bring `google` too.
    let missing = error.strip_prefix("ModuleNotFoundError: No module named '");
    let missing = missing.and_then(|rest| rest.strip_suffix('\''));
    let rest = missing.and_then(|missing| module.strip_prefix(missing));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
