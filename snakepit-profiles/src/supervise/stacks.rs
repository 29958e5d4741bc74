//! Finds the stacks that Python's `faulthandler` writes among other output; pure, must not know who asked for them.
//!
//! The format of CPython 3.8 to 3.14, which has grown but never changed:
//!
//! ```text
//! Fatal Python error: Segmentation fault
//! Thread 0x00007f56437d76c0 [snakepit-lane-1] (most recent call first):
//!   File "/srv/model.py", line 3 in fit
//!
//! Current thread 0x00007f5643b95740 (most recent call first):
//!   File "/srv/model.py", line 9 in <module>
//! ```

/// Lines kept of one dump: a hundred lanes, forty frames deep.
const MOST: usize = 4000;

/// Directories and files of the worker runtime, whose frames say nothing to whoever wrote the code.
const RUNTIME: [&str; 2] = ["/snakepit_bridge/", PROGRAM];

/// The program at the bottom of the main thread's stack.
const PROGRAM: &str = "/snakepit_boot.py\"";

/// What ends the line that begins a thread's stack.
const HEADING: &str = "(most recent call first):";

/// What such a line begins with.
const HEADINGS: [&str; 4] = [
    "Current thread 0x",
    "Thread 0x",
    "Stack (",
    "Current thread's C stack trace (",
];

/// Lines between the stacks of a dump.
const ASIDES: [&str; 3] = [
    "Python runtime state: ",
    "Extension modules: ",
    "<Cannot show all threads while the GIL is disabled>",
];

/// What begins the dump of a crash.
const FATAL: &str = "Fatal Python error: ";

/// The last dump in a worker's output, collected line by line.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    lines: Vec<String>,
    inside: bool,
    /// A line without text came after a stack. It belongs to the dump if more of it follows.
    gap: bool,
}

impl Stacks {
    /// Takes a line if it belongs to a dump, or gives back what does not: a line without an end may have come before.
    pub(super) fn take<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        if line.starts_with(FATAL) {
            self.clear();
        }
        let begin = begin(line);
        let part = match begin {
            Some(at) => &line[at..],
            None if self.inside && continues(line) => line,
            None if self.inside && line.is_empty() => {
                self.gap = true;
                return None;
            }
            None => {
                self.inside = false;
                return Some(line);
            }
        };
        let first = !std::mem::replace(&mut self.inside, true);
        if (std::mem::take(&mut self.gap) || first) && !self.lines.is_empty() {
            self.push("");
        }
        self.push(part);
        begin.filter(|at| *at > 0).map(|at| &line[..at])
    }

    /// Forgets what was collected, for a new dump.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The dump, as it was written.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether some of the current thread is there, without which no dump is whole.
    pub(super) fn has_current(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with(HEADINGS[0]))
    }

    /// Whether the dump ends as one of all threads does, with the bottom of the main thread's stack. Not all of them do: the
    /// main thread may have no frames.
    pub(super) fn is_whole(&self) -> bool {
        let bottom = |line: &String| line.contains(PROGRAM) && line.ends_with(" in <module>");
        self.has_current() && self.lines.last().is_some_and(bottom)
    }

    fn push(&mut self, line: &str) {
        if self.lines.len() < MOST {
            self.lines.push(line.to_owned());
        }
    }
}

/// Where in a line a stack begins, or something that comes with stacks.
fn begin(line: &str) -> Option<usize> {
    let asides = [FATAL].into_iter().chain(ASIDES);
    if asides.into_iter().any(|aside| line.starts_with(aside)) {
        return Some(0);
    }
    if !line.ends_with(HEADING) {
        return None;
    }
    // "Current thread 0x" first: "Thread 0x" is no part of it, but may follow an unfinished line as well.
    let places = HEADINGS.iter().filter_map(|heading| line.find(heading));
    places.min()
}

/// Whether a line can be a frame, or what stands for frames that cannot be shown.
fn continues(line: &str) -> bool {
    ["  File ", "  Binary file ", "  ...", "  <"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The stack of the thread with this number (`threading.get_ident()`), innermost frame last, without frames of the runtime;
/// empty if the dump does not have it.
pub(super) fn stack_of(dump: &[String], thread: u64) -> Vec<String> {
    let mut threads = Vec::new();
    for line in dump {
        if line.ends_with(HEADING) {
            threads.push((line.as_str(), Vec::new()));
        } else if let (Some((_, frames)), true) = (threads.last_mut(), continues(line)) {
            frames.push(line.trim_start());
        }
    }
    let Some((_, frames)) = threads
        .iter()
        .find(|(heading, _)| number(heading) == Some(thread))
    else {
        return Vec::new();
    };
    let mut frames: Vec<&str> = frames.iter().rev().copied().collect();
    // What is further out than the runtime started it.
    if let Some(entry) = frames.iter().position(|frame| is_runtime(frame)) {
        frames.drain(..entry);
    }
    frames.retain(|frame| !is_runtime(frame));
    frames.into_iter().map(readable).collect()
}

fn is_runtime(frame: &str) -> bool {
    RUNTIME.iter().any(|part| frame.contains(part))
}

/// The number in `Thread 0x00007f56437d76c0 [name] (...`.
fn number(heading: &str) -> Option<u64> {
    let digits = heading.split_once("0x")?.1;
    let end = digits.find(|digit: char| !digit.is_ascii_hexdigit())?;
    u64::from_str_radix(&digits[..end], 16).ok()
}

/// `File "a.py", line 3 in f` as `a.py:3 in f`; anything else as it is.
fn readable(frame: &str) -> String {
    let parts = || {
        let (file, rest) = frame.strip_prefix("File \"")?.rsplit_once("\", line ")?;
        let (line, function) = rest.split_once(" in ")?;
        Some(super::messages::place(file, line, function, ""))
    };
    parts().unwrap_or_else(|| frame.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the output, and the dump.
    fn sort(output: &str) -> (Vec<&str>, Stacks) {
        let mut stacks = Stacks::default();
        let rest = output
            .lines()
            .filter_map(|line| stacks.take(line))
            .collect();
        (rest, stacks)
    }

    const CRASH: &str = r#"loading
half a lineThread 0x00007fd1234566c0 (most recent call first):
  File "/usr/lib/python3.8/threading.py", line 870 in run

Current thread 0x00007fd123c39b80 (most recent call first):
  File "old.py", line 5 in <module>
and on it goes

Fatal Python error: Segmentation fault

Thread 0x00007fd1234566c0 (most recent call first):
  File "/cache/snakepit_bridge/_control.py", line 40 in _listen

Current thread 0x00007fd123c39b80 (most recent call first):
  File "/usr/lib/python3.8/ctypes/__init__.py", line 514 in string_at
  File "/srv/a, line 1.py", line 9 in crash
  File "/cache/snakepit_bridge/_lane.py", line 90 in serve
  File "/cache/snakepit_boot.py", line 39 in <module>

Extension modules: numpy, pandas (total: 2)
last words"#;

    #[test]
    fn the_last_dump_is_found_and_everything_else_is_left() {
        let (rest, stacks) = sort(CRASH);
        assert_eq!(
            rest,
            ["loading", "half a line", "and on it goes", "", "last words"]
        );
        let lines = stacks.lines();
        assert_eq!(lines[0], "Fatal Python error: Segmentation fault");
        assert_eq!(lines.len(), 12, "{lines:#?}");
        assert!(
            stacks.has_current() && !stacks.is_whole(),
            "something came after the threads"
        );
        assert_eq!(
            stack_of(lines, 0x7fd1_23c3_9b80),
            [
                "/srv/a, line 1.py:9 in crash",
                "/usr/lib/python3.8/ctypes/__init__.py:514 in string_at"
            ]
        );
        assert!(stack_of(lines, 1).is_empty());
    }

    #[test]
    fn names_of_newer_versions_are_understood() {
        let (rest, stacks) = sort(
            r#"Fatal Python error: Aborted

<Cannot show all threads while the GIL is disabled>
Stack (most recent call first):
  File "a.py", line 3 in f

Current thread's C stack trace (most recent call first):
  Binary file "/bin/python3.14", at _Py_DumpStack+0x2e [0x55d3db8e6d7e]
  <truncated rest of calls>
Thread 0x00007f56437d76c0 [snakepit-lane-1] (most recent call first):
  File "a.py", line 4 in g
  ...
Thread 0x00007f56437d76c1 [snakepit-lane-10] (most recent call first):
  <no Python frame>
"#,
        );
        assert_eq!(rest, [""; 0]);
        assert_eq!(stacks.lines().len(), 14, "{:#?}", stacks.lines());
        let lane = |thread| stack_of(stacks.lines(), thread);
        assert_eq!(lane(0x7f56_437d_76c0), ["...", "a.py:4 in g"]);
        assert_eq!(lane(0x7f56_437d_76c1), ["<no Python frame>"]);
    }

    #[test]
    fn the_end_of_a_dump_shows() {
        let dump = CRASH
            .split("Fatal")
            .nth(1)
            .unwrap()
            .split("\n\nExtension")
            .next()
            .unwrap();
        assert!(sort(dump).1.is_whole());
        let part = dump.rsplit_once('\n').unwrap().0;
        assert!(!sort(part).1.is_whole());
    }

    #[test]
    fn what_only_looks_alike_is_output() {
        for line in [
            "  File \"a.py\", line 3, in f",
            "",
            "Thread 0x1",
            "Traceback (most recent call last):",
        ] {
            let (rest, stacks) = sort(line);
            assert_eq!(rest.concat(), line);
            assert!(stacks.lines().is_empty());
        }
    }

    #[test]
    fn a_dump_without_end_is_cut() {
        let mut stacks = Stacks::default();
        stacks.take("Thread 0x1 (most recent call first):");
        for _ in 0..2 * MOST {
            assert!(stacks.take("  File \"a.py\", line 1 in f").is_none());
        }
        assert_eq!(stacks.lines().len(), MOST);
    }
}
