//! From facts to a verdict. Pure.

use std::fmt::Write as _;

use pep440_rs::Version;

use super::facts::{
    ForkAfterImport, ForkAfterUse, Gil, Library, ReleasesGil, Sharing, SubInterpreters,
};
use super::verdict::{Build, Judgement, Verdict};
use crate::profile::Profile;

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
