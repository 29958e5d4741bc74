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
