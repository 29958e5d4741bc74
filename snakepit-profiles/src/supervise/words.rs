//! What a worker has printed that its exit report should show; pure, must not know where lines come from.

use super::output::Tail;
use super::stacks::{Stacks, stack_of};

/// The last lines of a worker and the last stacks in them, each line in one of the two.
#[derive(Debug, Default)]
pub(super) struct Words {
    tail: Tail,
    stacks: Stacks,
    /// Stacks that come now were asked for, and are nobody else's business.
    asked: bool,
}

impl Words {
    /// Takes a line of raw output; gives back what of it is to be heard by others.
    pub(super) fn take(&mut self, line: String) -> Option<String> {
        let had = self.stacks.lines().len();
        let rest = self.stacks.take(&line).map(str::to_owned);
        if let Some(rest) = &rest {
            self.tail.push(rest);
        }
        let is_dump = self.stacks.lines().len() != had || rest.is_none();
        if self.asked && is_dump {
            rest
        } else {
            Some(line)
        }
    }

    /// Takes a line that came as a frame, which cannot be a stack.
    pub(super) fn note(&mut self, line: &str) {
        self.tail.push(line);
    }

    /// From now on stacks are an answer, until [`heard`](Self::heard).
    pub(super) fn ask(&mut self) {
        self.stacks.clear();
        self.asked = true;
    }

    /// The answer was heard.
    pub(super) fn heard(&mut self) {
        self.asked = false;
    }

    /// Whether the answer may be complete.
    pub(super) fn has_answer(&self) -> bool {
        self.asked && self.stacks.has_current()
    }

    /// Whether the answer is complete without doubt.
    pub(super) fn is_answered(&self) -> bool {
        self.asked && self.stacks.is_whole()
    }

    /// The last stacks, as they were written.
    pub(super) fn stacks(&self) -> Vec<String> {
        self.stacks.lines().to_vec()
    }

    /// The stack of one thread among them.
    pub(super) fn stack_of(&self, thread: u64) -> Vec<String> {
        stack_of(self.stacks.lines(), thread)
    }

    /// Forgets the stacks: they tell of no end.
    pub(super) fn forget(&mut self) {
        self.stacks.clear();
    }

    /// The last lines, without stacks.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// The last lines, and the stacks after them.
    pub(super) fn all(&self) -> Vec<String> {
        let mut lines = self.tail.lines();
        lines.extend_from_slice(self.stacks.lines());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: [&str; 2] = [
        "Current thread 0x1 (most recent call first):",
        "  File \"a.py\", line 1 in f",
    ];

    #[test]
    fn stacks_that_were_asked_for_are_heard_by_nobody_else() {
        let mut words = Words::default();
        let heard = |words: &mut Words, line: &str| words.take(line.to_owned());
        words.ask();
        assert_eq!(
            heard(&mut words, &format!("half{}", DUMP[0])).as_deref(),
            Some("half")
        );
        assert_eq!(heard(&mut words, DUMP[1]), None);
        assert_eq!(heard(&mut words, "out").as_deref(), Some("out"));
        assert!(words.has_answer());
        assert_eq!(words.stack_of(1), ["a.py:1 in f"]);
        words.heard();
        assert_eq!(
            (words.tail(), words.stacks().len()),
            (vec!["half".to_owned(), "out".to_owned()], 2)
        );
        for line in DUMP {
            assert_eq!(heard(&mut words, line).as_deref(), Some(line));
        }
        assert_eq!(words.tail().len(), 2);
        words.forget();
        assert!(words.stacks().is_empty() && words.all() == words.tail());
    }
}
