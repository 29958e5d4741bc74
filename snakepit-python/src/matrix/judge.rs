//! From facts to a verdict. Pure.

use std::fmt::Write as _;

use pep440_rs::Version;

use super::facts::{
    ForkAfterImport, ForkAfterUse, Gil, Library, ReleasesGil, Sharing, SubInterpreters,
};
use super::verdict::{Build, Installed, Judgement, Verdict};
use crate::profile::Profile;

/// The version that is judged.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Version(&'a Version),
    /// One that nobody knows the version of.
    Unversioned,
}

impl Subject<'_> {
    /// What holds of it, when `now` holds from some version on and something else before; `None` if that cannot be told.
    fn answer<T>(self, since: Option<&Version>, before: T, now: T) -> Option<T> {
        match (self, since) {
            (Self::Version(version), Some(since)) if version < since => Some(before),
            (Self::Unversioned, Some(_)) => None,
            _ => Some(now),
        }
    }
}

pub(super) fn judge(
    library: &Library,
    installed: Installed<'_>,
    profile: Profile,
    build: &Build,
) -> Judgement {
    let version = match installed {
        Installed::Version(version) => Some(version),
        Installed::No | Installed::Unversioned => None,
    };
    let mut judgement = Judgement::new(library, version);
    let parsed = version.and_then(|version| version.parse::<Version>().ok());
    if let (Some(version), None) = (version, &parsed) {
        judgement.note(
            Verdict::Unknown,
            format!("`{version}` is no version one can compare"),
            None,
        );
    }
    let subject = match installed {
        Installed::No => library.newest.as_ref(),
        Installed::Unversioned | Installed::Version(_) => parsed.as_ref(),
    };
    let subject = subject.map_or(Subject::Unversioned, Subject::Version);
    match profile {
        Profile::Thread => {
            sharing(library, subject, &mut judgement);
            if build.free_threaded {
                gil(library, subject, &mut judgement);
            }
            if build.gil_enabled {
                overlap(library, &mut judgement);
            }
        }
        Profile::Process => fork(library, &mut judgement),
        Profile::Interpreter => subinterpreter(library, build, &mut judgement),
    }
    if build.free_threaded {
        let is_there = installed != Installed::No;
        availability(library, subject, is_there, &mut judgement);
    }
    judgement
}

fn sharing(library: &Library, subject: Subject<'_>, judgement: &mut Judgement) {
    let fact = &library.sharing;
    let answer = subject.answer(fact.since.as_ref(), fact.before, fact.answer);
    let (verdict, reason) = match answer {
        Some(Sharing::Safe) => (Verdict::Ok, "threads may share its objects"),
        Some(Sharing::ReadOnly) => (
            Verdict::Ok,
            "threads may share its objects while nobody changes them",
        ),
        Some(Sharing::PerThread) => (Verdict::Caution, "each thread needs objects of its own"),
        Some(Sharing::Unsafe) => (
            Verdict::Unsafe,
            "it keeps state of the whole process, which threads would change under each other",
        ),
        Some(Sharing::Unknown) => (
            Verdict::Unknown,
            "nobody says whether threads may share its objects",
        ),
        None => (
            Verdict::Unknown,
            "whether threads may share its objects depends on its version, which it does not say",
        ),
    };
    let mut reason = reason.to_owned();
    if let (Subject::Version(version), Some(since)) = (subject, &fact.since)
        && version < since
    {
        let _ = write!(reason, " (not so from {since} on)");
    }
    judgement.note(verdict, reason, fact.note.as_ref());
}

/// What it does to the GIL of a free-threaded build; `None` if that depends on a version nobody knows.
fn answer(library: &Library, subject: Subject<'_>) -> Option<Gil> {
    let fact = &library.free_threading;
    subject.answer(fact.since.as_ref(), fact.before, fact.answer)
}

fn gil(library: &Library, subject: Subject<'_>, judgement: &mut Judgement) {
    let fact = &library.free_threading;
    match answer(library, subject) {
        Some(Gil::StaysOff) => {
            judgement.note(Verdict::Ok, "it leaves the GIL off", fact.note.as_ref());
        }
        Some(Gil::PurePython) => judgement.note(
            Verdict::Ok,
            "it is Python code and leaves the GIL off",
            fact.note.as_ref(),
        ),
        Some(Gil::TurnedOn) => {
            let mut reason = "importing it turns the GIL on for the whole process".to_owned();
            if let Some(since) = fact.since.as_ref().filter(|_| fact.answer == Gil::StaysOff) {
                let _ = write!(reason, " (not from {since} on)");
            }
            judgement.turns_gil_on = Some(reason.clone());
            judgement.note(Verdict::Caution, reason, fact.note.as_ref());
        }
        // Said by `availability`, for every profile.
        Some(Gil::NoBuild) => {}
        None => {
            judgement.note(
                Verdict::Unknown,
                "what it does to the GIL depends on its version, which it does not say",
                fact.note.as_ref(),
            );
        }
        Some(Gil::Unknown) => {
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
    subject: Subject<'_>,
    is_there: bool,
    judgement: &mut Judgement,
) {
    let fact = &library.free_threading;
    if let (Subject::Version(version), Some(useless)) = (subject, &fact.useless)
        && useless.contains(version)
    {
        let reason = format!("version {version} is only a stand-in on free-threaded Python");
        judgement.note(Verdict::Unsafe, reason, fact.note.as_ref());
        return;
    }
    let answer = answer(library, subject);
    let may_be_none = answer.is_none() && fact.before == Gil::NoBuild;
    let may_be_useless = matches!(subject, Subject::Unversioned) && fact.useless.is_some();
    if may_be_none || may_be_useless {
        let reason = "whether there is a build of it for free-threaded Python depends on its version, which it does not say";
        judgement.note(Verdict::Unknown, reason, None);
        return;
    }
    if answer != Some(Gil::NoBuild) {
        return;
    }
    let mut reason = if is_there {
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
