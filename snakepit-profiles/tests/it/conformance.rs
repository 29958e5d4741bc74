//! The conformance kit of the core, over each way to start a worker process.

use std::sync::Arc;

use snakepit_core::testing::Subject;
use snakepit_profiles::SpawnMode;

use crate::support::Pit;

/// The profile with its workers counted. A zygote does not count: it belongs to the profile.
fn subject(spawn: SpawnMode) -> Subject {
    let pit = Arc::new(Pit::new());
    let profile = pit.builder("conformance.py").spawn(spawn).build();
    Subject::new(profile).left_over(move || match spawn {
        SpawnMode::Exec => pit.processes().len(),
        _ => pit.grandchildren(),
    })
}

mod forked {
    snakepit_core::conformance!(|| super::subject(snakepit_profiles::SpawnMode::Zygote));
}

mod executed {
    snakepit_core::conformance!(|| super::subject(snakepit_profiles::SpawnMode::Exec));
}
