//! Dates and times as ISO 8601 text and back; knows no clock, no calendar arithmetic and no zone database.

mod date;
mod date_time;
mod time;

pub use date::Date;
pub use date_time::DateTime;
pub use time::{Offset, Time};

/// Reads exactly `width` digits off the front.
fn digits(text: &mut &str, width: usize) -> Option<u32> {
    let (head, tail) = text.split_at_checked(width)?;
    if !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *text = tail;
    head.parse().ok()
}

/// Reads one given character off the front.
fn mark(text: &mut &str, mark: char) -> Option<()> {
    *text = text.strip_prefix(mark)?;
    Some(())
}
