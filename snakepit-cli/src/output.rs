//! Standard output: results and nothing else. Knows not what they mean.

use std::io::{self, Write};

use crate::failure::Failure;

/// Whether it makes sense to go on writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Someone reads.
    Listening,
    /// Whoever read has gone, as `head` does when it has enough. That is not an error.
    Gone,
}

/// Writes one line, as it is, and makes sure it left.
pub(crate) fn line(text: &str) -> Result<Reader, Failure> {
    write_line(&mut io::stdout().lock(), text)
}

/// As [`line()`], for text with colours, which only a terminal gets.
pub(crate) fn coloured_line(text: &str) -> Result<Reader, Failure> {
    write_line(&mut anstream::stdout().lock(), text)
}

fn write_line(out: &mut impl Write, text: &str) -> Result<Reader, Failure> {
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(Reader::Listening),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::Output(error)),
    }
}
