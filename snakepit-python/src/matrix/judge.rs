//! From facts to a verdict. Pure.

use std::fmt::Write as _;

use pep440_rs::Version;
use serde::Serialize;

use super::facts::{
    ForkAfterImport, ForkAfterUse, Gil, Library, ReleasesGil, Sharing, SubInterpreters,
};
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
    /// Importing it is known to turn the GIL of this build on.
    pub turns_gil_on: bool,
}

impl Judgement {
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
            turns_gil_on: false,
        }
    }

    /// With what happened when it was really imported, which outweighs what was known.
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
                self.turns_gil_on = true;
                (
                    Verdict::Caution,
                    "tried here, it turns the GIL on for the whole process",
                )
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

    fn note(&mut self, verdict: Verdict, reason: impl Into<String>, note: Option<&String>) {
        self.verdict = self.verdict.max(verdict);
        let mut reason = reason.into();
        if let Some(note) = note {
            reason = format!("{reason}: {note}");
        }
        self.reasons.push(reason);
    }
}

/// Whether an import failed because the module itself is not there, and not one that it needs.
fn is_missing(error: &str, module: &str) -> bool {
    let top = module.split('.').next().unwrap_or_default();
    error == format!("ModuleNotFoundError: No module named '{top}'")
}

pub(super) fn judge(
    library: &Library,
    version: Option<&str>,
    profile: Profile,
    build: &Build,
) -> Judgement {
    let mut judgement = Judgement {
        library: library.name.clone(),
        version: version.map(str::to_owned),
        verdict: Verdict::Ok,
        reasons: Vec::new(),
        advice: Some(library.advice.clone()),
        checked: Some(library.checked.clone()),
        turns_gil_on: false,
    };
    let installed = version.and_then(|version| version.parse::<Version>().ok());
    if let (Some(version), None) = (version, &installed) {
        judgement.note(
            Verdict::Unknown,
            format!("`{version}` is no version one can compare"),
            None,
        );
    }
    // Without a version the question is about the one an installer would choose.
    let version = installed.as_ref().or(library.newest.as_ref());
    match profile {
        Profile::Thread => {
            sharing(library, &mut judgement);
            if build.free_threaded {
                gil(library, version, &mut judgement);
            }
            if build.gil_enabled {
                overlap(library, &mut judgement);
            }
        }
        Profile::Process => fork(library, &mut judgement),
        Profile::Interpreter => subinterpreter(library, build, &mut judgement),
    }
    if build.free_threaded {
        availability(library, version, installed.is_some(), &mut judgement);
    }
    judgement
}

fn sharing(library: &Library, judgement: &mut Judgement) {
    let (verdict, reason) = match library.sharing.answer {
        Sharing::Safe => (Verdict::Ok, "threads may share its objects"),
        Sharing::ReadOnly => (
            Verdict::Ok,
            "threads may share its objects while nobody changes them",
        ),
        Sharing::PerThread => (Verdict::Caution, "each thread needs objects of its own"),
        Sharing::Unsafe => (
            Verdict::Unsafe,
            "it keeps state of the whole process, which threads would change under each other",
        ),
        Sharing::Unknown => (
            Verdict::Unknown,
            "nobody says whether threads may share its objects",
        ),
    };
    judgement.note(verdict, reason, library.sharing.note.as_ref());
}

/// What a version does to the GIL of a free-threaded build.
fn answer(library: &Library, version: Option<&Version>) -> Gil {
    let fact = &library.free_threading;
    match (version, &fact.since) {
        (Some(version), Some(since)) if version < since => fact.before,
        _ => fact.answer,
    }
}

fn gil(library: &Library, version: Option<&Version>, judgement: &mut Judgement) {
    let fact = &library.free_threading;
    match answer(library, version) {
        Gil::StaysOff => judgement.note(Verdict::Ok, "it leaves the GIL off", fact.note.as_ref()),
        Gil::PurePython => judgement.note(
            Verdict::Ok,
            "it is Python code and leaves the GIL off",
            fact.note.as_ref(),
        ),
        Gil::TurnedOn => {
            judgement.turns_gil_on = true;
            let mut reason = "importing it turns the GIL on for the whole process".to_owned();
            if let Some(since) = fact.since.as_ref().filter(|_| fact.answer == Gil::StaysOff) {
                let _ = write!(reason, " (not from {since} on)");
            }
            judgement.note(Verdict::Caution, reason, fact.note.as_ref());
        }
        // Said by `availability`, for every profile.
        Gil::NoBuild => {}
        Gil::Unknown => {
            judgement.note(
                Verdict::Unknown,
                "nobody tried what it does to the GIL",
                fact.note.as_ref(),
            );
        }
    }
}

fn overlap(library: &Library, judgement: &mut Judgement) {
    let (verdict, reason) = match library.releases_gil.answer {
        ReleasesGil::Mostly => (Verdict::Ok, "it lets other threads run while it works"),
        ReleasesGil::Partly => (
            Verdict::Ok,
            "it lets other threads run during part of its work",
        ),
        ReleasesGil::Never => (
            Verdict::Caution,
            "it holds the GIL while it works: threads take turns",
        ),
        ReleasesGil::PurePython => (
            Verdict::Ok,
            "it is Python code: threads overlap only while it waits",
        ),
        ReleasesGil::Unknown => (
            Verdict::Unknown,
            "nobody tried whether it lets other threads run",
        ),
    };
    judgement.note(verdict, reason, library.releases_gil.note.as_ref());
}

fn fork(library: &Library, judgement: &mut Judgement) {
    let fork = &library.fork;
    let (verdict, reason) = match (fork.after_import, fork.after_use) {
        (ForkAfterImport::Unknown, _) => {
            (Verdict::Unknown, "nobody tried to fork after importing it")
        }
        (ForkAfterImport::StartsThreads, _) => (
            Verdict::Caution,
            "importing it starts threads, so workers may have to be started one by one instead of forked",
        ),
        (ForkAfterImport::Works, ForkAfterUse::Hangs) => (
            Verdict::Caution,
            "forking after importing it works, but hangs after using it: compute in `setup`, never at import",
        ),
        (ForkAfterImport::Works, ForkAfterUse::Breaks) => (
            Verdict::Caution,
            "forking after importing it works, but what was opened before is broken: open it in `setup`",
        ),
        (ForkAfterImport::Works, ForkAfterUse::Works) => {
            (Verdict::Ok, "it survives a fork, imported or used")
        }
        (ForkAfterImport::Works, ForkAfterUse::Unknown) => {
            (Verdict::Ok, "forking after importing it works")
        }
    };
    judgement.note(verdict, reason, fork.note.as_ref());
}

fn subinterpreter(library: &Library, build: &Build, judgement: &mut Judgement) {
    if *build.version.release() < [3, 14][..] {
        let reason = format!(
            "sub-interpreters need Python 3.14, this is {}",
            build.version
        );
        judgement.note(Verdict::Unsafe, reason, None);
        return;
    }
    let (verdict, reason) = match library.subinterpreters.answer {
        SubInterpreters::Loads => (Verdict::Ok, "it loads in a sub-interpreter"),
        SubInterpreters::FallsBack => (
            Verdict::Caution,
            "in a sub-interpreter it does without its compiled part and is slow",
        ),
        SubInterpreters::Refuses => (Verdict::Unsafe, "it does not work in a sub-interpreter"),
        SubInterpreters::Unknown => (Verdict::Unknown, "nobody tried it in a sub-interpreter"),
    };
    judgement.note(verdict, reason, library.subinterpreters.note.as_ref());
}

/// Whether there is anything of use to install on a free-threaded build.
fn availability(
    library: &Library,
    version: Option<&Version>,
    installed: bool,
    judgement: &mut Judgement,
) {
    let fact = &library.free_threading;
    if let (Some(version), Some(useless)) = (version, &fact.useless)
        && useless.contains(version)
    {
        let reason = format!("version {version} is only a stand-in on free-threaded Python");
        judgement.note(Verdict::Unsafe, reason, fact.note.as_ref());
        return;
    }
    if answer(library, version) != Gil::NoBuild {
        return;
    }
    let mut reason = if installed {
        "there is no build of this version for free-threaded Python, so what is installed was compiled from source or \
         is incomplete"
    } else {
        "there is no build of it for free-threaded Python"
    }
    .to_owned();
    if let Some(since) = fact.since.as_ref().filter(|_| fact.answer != Gil::NoBuild) {
        let _ = write!(reason, " (there is from {since} on)");
    }
    judgement.note(Verdict::Caution, reason, fact.note.as_ref());
}
