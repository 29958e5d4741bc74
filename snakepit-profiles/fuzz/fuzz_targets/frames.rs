//! Feeds `snakepit_profiles::fuzzing::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| snakepit_profiles::fuzzing::frames(data));
