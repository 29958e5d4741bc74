//! The fake profile keeps the contract it helps to test.

use snakepit_core::testing::{FakeProfile, Subject};

mod one_lane {
    use super::*;

    snakepit_core::conformance!(|| {
        let profile = FakeProfile::new();
        Subject::new(profile.clone())
            .with_tools()
            .left_over(move || profile.alive())
    });
}

mod three_lanes {
    use super::*;

    snakepit_core::conformance!(|| FakeProfile::new().lanes(3));
}
