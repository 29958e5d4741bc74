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
    /// The stacks are a last look at a worker that is stuck, for its exit report.
    is_last_look: bool,
    /// The last look before, which questions about other calls must not cost.
    last_look: Vec<String>,
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
        if std::mem::take(&mut self.is_last_look) && !self.stacks.lines().is_empty() {
            self.last_look = self.stacks();
        }
        self.stacks.clear();
        self.asked = true;
    }

    /// The stacks that are there, or on their way, are to stay: only a later last look is better.
    pub(super) fn keep(&mut self) {
        self.is_last_look = true;
    }

    /// The answer was heard. If it is not kept it is forgotten: it tells of no end.
    pub(super) fn heard(&mut self) {
        self.asked = false;
        if !self.is_last_look {
            self.stacks.clear();
        }
    }

    /// Whether the answer may be complete.
    pub(super) fn has_answer(&self) -> bool {
        self.asked && self.stacks.has_current()
    }

    /// Whether the answer is complete without doubt.
    pub(super) fn is_answered(&self) -> bool {
        self.asked && self.stacks.is_whole()
    }

    /// The stacks that tell of the worker's end, as they were written.
    pub(super) fn stacks(&self) -> Vec<String> {
        match self.stacks.lines() {
            [] => self.last_look.clone(),
            lines => lines.to_vec(),
        }
    }

    /// The stack of one thread among them.
    pub(super) fn stack_of(&self, thread: u64) -> Vec<String> {
        stack_of(self.stacks.lines(), thread)
    }

    /// The last lines, without stacks.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// The last lines, and the stacks after them.
    pub(super) fn all(&self) -> Vec<String> {
        let mut lines = self.tail.lines();
        lines.extend(self.stacks());
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
        assert_eq!(words.tail(), ["half", "out"]);
        assert!(words.stacks().is_empty() && words.all() == words.tail());
        for line in DUMP {
            assert_eq!(heard(&mut words, line).as_deref(), Some(line));
        }
        assert_eq!((words.tail().len(), words.stacks().len()), (2, 2));
    }

    #[test]
    fn only_a_later_last_look_replaces_a_last_look() {
        let mut words = Words::default();
        let look = |words: &mut Words, file: &str, is_last: bool| {
            words.ask();
            words.take(DUMP[0].to_owned());
            words.take(DUMP[1].replace("a.py", file));
            if is_last {
                words.keep();
            }
            words.heard();
            words.stacks().concat()
        };
        assert!(look(&mut words, "stuck.py", true).contains("stuck.py"));
        assert!(look(&mut words, "slow.py", false).contains("stuck.py"));
        assert!(look(&mut words, "stuck too.py", true).contains("stuck too.py"));
        // One that shows nothing is none.
        words.ask();
        words.keep();
        words.heard();
        assert!(words.all().concat().contains("stuck too.py"));
    }

    #[test]
    fn the_rest_of_a_last_look_may_follow() {
        let mut words = Words::default();
        words.ask();
        words.take(DUMP[0].to_owned());
        words.keep();
        words.heard();
        words.take(DUMP[1].to_owned());
        assert_eq!(words.stacks(), DUMP);
    }
}
