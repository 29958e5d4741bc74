//! Feeds `snakepit_profiles::fuzzing::value`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| snakepit_profiles::fuzzing::value(data));
