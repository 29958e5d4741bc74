//! JSON: for people, for the command line, and the parts a codec is built from. Knows no wire format.

mod base64;
mod from_json;
mod reader;
#[cfg(test)]
mod tests;
mod to_json;

pub use from_json::{JsonError, from_json};
pub use reader::{Malformed, Reader};
pub use to_json::{to_json, write_float, write_json, write_string};

/// Where the first byte stands that cannot stand for itself in a string.
fn first_special(text: &[u8]) -> Option<usize> {
    const CHUNK: usize = 32;
    // Whole chunks without a branch per byte, written so that the compiler makes vector instructions of it.
    let mark = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    let plain = |chunk: &&[u8]| chunk.iter().fold(0, |marks, byte| marks | mark(*byte)) == 0;
    let start = text.chunks_exact(CHUNK).take_while(plain).count() * CHUNK;
    text[start..]
        .iter()
        .position(|byte| mark(*byte) != 0)
        .map(|index| start + index)
}
