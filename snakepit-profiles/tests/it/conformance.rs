//! The conformance kit of the core, over each profile and each way to start a worker process.

use std::sync::Arc;

use snakepit_core::WorkerProfile;
use snakepit_core::testing::Subject;
use snakepit_profiles::SpawnMode;

use crate::support::{Pit, python_version};

/// A profile with its workers counted. A zygote does not count: it belongs to the profile.
fn subject<P: WorkerProfile>(spawn: SpawnMode, profile: impl FnOnce(&Pit) -> P) -> Subject {
    let pit = Arc::new(Pit::new());
    let profile = profile(&pit);
    Subject::new(profile)
        .with_tools()
        .left_over(move || match spawn {
            SpawnMode::Exec => pit.processes().len(),
            _ => pit.grandchildren(),
        })
}

fn process(spawn: SpawnMode) -> Subject {
    subject(spawn, |pit| {
        pit.builder("conformance.py").spawn(spawn).build()
    })
}

fn thread(spawn: SpawnMode) -> Subject {
    subject(spawn, |pit| {
        pit.threads("conformance.py").spawn(spawn).build()
    })
}

fn interpreter(spawn: SpawnMode) -> Subject {
    let subject = subject(spawn, |pit| {
        let builder = pit.interpreters("conformance.py").threads_per_worker(2);
        builder.spawn(spawn).build()
    });
    if python_version() < (3, 14) {
        return subject.skipped_without("CPython 3.14 or newer");
    }
    subject
}

mod process_forked {
    snakepit_core::conformance!(|| super::process(snakepit_profiles::SpawnMode::Zygote));
}

mod process_executed {
    snakepit_core::conformance!(|| super::process(snakepit_profiles::SpawnMode::Exec));
}

mod thread_forked {
    snakepit_core::conformance!(|| super::thread(snakepit_profiles::SpawnMode::Zygote));
}

mod thread_executed {
    snakepit_core::conformance!(|| super::thread(snakepit_profiles::SpawnMode::Exec));
}

mod interpreter_forked {
    snakepit_core::conformance!(|| super::interpreter(snakepit_profiles::SpawnMode::Zygote));
}

mod interpreter_executed {
    snakepit_core::conformance!(|| super::interpreter(snakepit_profiles::SpawnMode::Exec));
}
