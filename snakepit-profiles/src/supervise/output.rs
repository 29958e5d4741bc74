//! A worker's output as lines, and the last of them; pure, must not know where bytes come from or lines go.

use std::collections::VecDeque;

/// The longest line kept whole; `docs/protocol.md` has the same limit for `LOG`.
const LINE: usize = 16 * 1024;

/// Lines a tail keeps, which is how many an exit report shows.
const TAIL: usize = 40;

/// What a cut line ends with.
const CUT: &str = " [cut]";

/// Cuts bytes into lines of bounded length.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    /// The rest of an overlong line is being skipped.
    skipping: bool,
}

impl Lines {
    /// Takes bytes; gives each line they complete to `line`, without its end.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end], &mut line);
            bytes = &bytes[end + 1..];
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            line(text(&self.partial));
            self.partial.clear();
        }
        self.extend(bytes, &mut line);
    }

    /// Gives the last line to `line` if it has no end.
    pub(crate) fn finish(&mut self, line: impl FnOnce(String)) {
        if !self.partial.is_empty() {
            line(text(&std::mem::take(&mut self.partial)));
        }
    }

    fn extend(&mut self, bytes: &[u8], line: &mut impl FnMut(String)) {
        if self.skipping {
            return;
        }
        let room = LINE - self.partial.len();
        self.partial
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.skipping = true;
            line(text(&self.partial) + CUT);
            self.partial.clear();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned()
}

/// The last lines of output.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    /// Adds a line, dropping the oldest when there are too many.
    pub(crate) fn push(&mut self, line: &str) {
        if self.lines.len() == TAIL {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, |line| seen.push(line));
        }
        lines.finish(|line| seen.push(line));
        seen
    }

    #[test]
    fn lines_do_not_depend_on_how_bytes_arrive() {
        assert_eq!(
            lines(&[b"a\nb", b"c\r\n", b"\n", b"d"]),
            ["a", "bc", "", "d"]
        );
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn a_flood_without_line_ends_is_cut_once() {
        let flood = vec![b'x'; LINE];
        let seen = lines(&[&flood, &flood, &flood, b"y\nz\n"]);
        assert_eq!(seen.len(), 2);
        assert!(seen[0].ends_with(CUT) && seen[0].len() == LINE + CUT.len());
        assert_eq!(seen[1], "z");
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        for number in 0..TAIL + 3 {
            tail.push(&number.to_string());
        }
        assert_eq!(tail.lines().len(), TAIL);
        assert_eq!(tail.lines()[0], "3");
    }
}
