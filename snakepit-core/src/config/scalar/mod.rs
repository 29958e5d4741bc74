//! Scalars written for people: durations, sizes in bytes and bounded numbers. Knows no key.
//!
//! Each says in its `expecting` text what it wants, because that text is what the user reads when
//! the value is something else.

mod bounded;
mod duration;
mod size;

pub use bounded::Bounded;
pub use duration::HumanDuration;
pub use size::ByteSize;

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}
