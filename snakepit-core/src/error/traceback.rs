//! Exceptions laid out as Python prints them, chains and groups included. Pure; knows no terminal.
//!
//! The layout is that of CPython's `traceback` module. The marks it puts under parts of a line, which differ from version to
//! version, are drawn by the worker's own.

use std::fmt::{self, Write};

use super::exception::{Frame, RemoteException, SyntaxPlace};

/// Of frames at the same place in a row, how many Python shows.
const SAME: u32 = 3;

const CAUSE: &str = "\nThe above exception was the direct cause of the following exception:\n\n";
const CONTEXT: &str = "\nDuring handling of the above exception, another exception occurred:\n\n";

/// Displays an exception with all that belongs to it.
pub(super) struct Traceback<'a>(pub(super) &'a RemoteException);

impl fmt::Display for Traceback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page {
            out: f,
            depth: 0,
            box_is_open: false,
        };
        page.chain(self.0)
    }
}

/// What is written to, and in how many boxes.
struct Page<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    depth: usize,
    /// Whether the last box begun is still to be closed.
    box_is_open: bool,
}

impl Page<'_, '_> {
    /// An exception after those it came from.
    fn chain(&mut self, last: &RemoteException) -> fmt::Result {
        let mut links = vec![(last, "")];
        let mut next = last;
        loop {
            let (before, words) = match (&next.cause, &next.context) {
                (Some(cause), _) => (cause, CAUSE),
                (None, Some(context)) => (context, CONTEXT),
                (None, None) => break,
            };
            if let Some(link) = links.last_mut() {
                link.1 = words;
            }
            links.push((before, ""));
            next = before;
        }
        for (exception, words) in links.into_iter().rev() {
            self.write(words, '|')?;
            if exception.exceptions.is_empty() {
                self.single(exception)?;
            } else {
                self.group(exception)?;
            }
        }
        Ok(())
    }

    fn single(&mut self, exception: &RemoteException) -> fmt::Result {
        if !exception.frames.is_empty() {
            self.write("Traceback (most recent call last):\n", '|')?;
        }
        self.body(exception)
    }

    fn group(&mut self, group: &RemoteException) -> fmt::Result {
        let is_outermost = self.depth == 0;
        self.depth += usize::from(is_outermost);
        if !group.frames.is_empty() {
            let margin = if is_outermost { '+' } else { '|' };
            self.write(
                "Exception Group Traceback (most recent call last):\n",
                margin,
            )?;
        }
        self.body(group)?;
        let omitted = group.exceptions_omitted;
        self.box_is_open = false;
        for (index, exception) in group.exceptions.iter().enumerate() {
            self.box_is_open = omitted == 0 && index + 1 == group.exceptions.len();
            self.open_box(index, &(index + 1).to_string())?;
            self.depth += 1;
            self.chain(exception)?;
            self.close_box()?;
        }
        if omitted > 0 {
            self.box_is_open = true;
            self.open_box(group.exceptions.len(), "...")?;
            self.depth += 1;
            let plural = if omitted > 1 { "s" } else { "" };
            self.write(&format!("and {omitted} more exception{plural}\n"), '|')?;
            self.close_box()?;
        }
        self.depth -= usize::from(is_outermost);
        Ok(())
    }

    fn open_box(&mut self, index: usize, title: &str) -> fmt::Result {
        let (width, corner) = (2 * self.depth, if index == 0 { "+-" } else { "  " });
        let indent = "";
        writeln!(
            self.out,
            "{indent:width$}{corner}+---------------- {title} ----------------"
        )
    }

    /// Leaves a box, and draws its lower side unless an inner group has done so.
    fn close_box(&mut self) -> fmt::Result {
        if self.box_is_open {
            let (indent, width) = ("", 2 * self.depth);
            writeln!(
                self.out,
                "{indent:width$}+------------------------------------"
            )?;
            self.box_is_open = false;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Frames, class and message, notes.
    fn body(&mut self, exception: &RemoteException) -> fmt::Result {
        let mut text = String::new();
        frames(&exception.frames, &mut text)?;
        match &exception.syntax {
            Some(place) => syntax(exception.short_name(), place, &mut text)?,
            None => writeln!(text, "{exception}")?,
        }
        for note in &exception.notes {
            writeln!(text, "{note}")?;
        }
        self.write(&text, '|')
    }

    /// Text within the boxes that are open.
    fn write(&mut self, text: &str, margin: char) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            if self.depth > 0 {
                let (indent, width) = ("", 2 * self.depth);
                write!(self.out, "{indent:width$}{margin} ")?;
            }
            self.out.write_str(line)?;
        }
        Ok(())
    }
}

/// Frames, those of a recursion only once or twice.
fn frames(frames: &[Frame], out: &mut String) -> fmt::Result {
    let mut same = 0;
    let mut before: Option<&Frame> = None;
    for frame in frames {
        if before.is_some_and(|before| is_same_place(before, frame)) {
            same += frame.omitted;
        } else {
            repeated(same, out)?;
            same = 0;
            if frame.omitted > 0 {
                writeln!(out, "  [{} frames left out]", frame.omitted)?;
            }
        }
        same += 1;
        if same <= SAME {
            let Frame {
                file,
                line,
                function,
                text,
                marked,
                omitted: _,
            } = frame;
            writeln!(out, "  File \"{file}\", line {line}, in {function}")?;
            let shown = if marked.is_empty() {
                text.trim()
            } else {
                marked
            };
            for line in shown.lines() {
                writeln!(out, "    {line}")?;
            }
        }
        before = Some(frame);
    }
    repeated(same, out)
}

fn is_same_place(a: &Frame, b: &Frame) -> bool {
    (&a.file, a.line, &a.function) == (&b.file, b.line, &b.function)
}

fn repeated(same: u32, out: &mut String) -> fmt::Result {
    match same.saturating_sub(SAME) {
        0 => Ok(()),
        1 => out.write_str("  [Previous line repeated 1 more time]\n"),
        times => writeln!(out, "  [Previous line repeated {times} more times]"),
    }
}

fn syntax(name: &str, place: &SyntaxPlace, out: &mut String) -> fmt::Result {
    let SyntaxPlace {
        message,
        file,
        line,
        text,
        column,
        length,
    } = place;
    if *line > 0 {
        writeln!(out, "  File \"{file}\", line {line}")?;
    }
    if !text.is_empty() {
        writeln!(out, "    {text}")?;
        if let Some(before) = column.checked_sub(1) {
            let blank = |c: char| if c.is_whitespace() { c } else { ' ' };
            let blanks: String = text.chars().take(before as usize).map(blank).collect();
            // No more than the text has: what arrives is not trusted.
            let most = text.chars().count() + 1;
            let marks = "^".repeat(most.min(*length as usize));
            writeln!(out, "    {blanks}{marks}")?;
        }
    }
    writeln!(out, "{name}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(class: &str, message: &str, line: u32) -> RemoteException {
        let frame = Frame {
            file: "a.py".to_owned(),
            line,
            function: "f".to_owned(),
            text: "g()".to_owned(),
            ..Frame::default()
        };
        RemoteException {
            type_name: format!("builtins.{class}"),
            message: message.to_owned(),
            frames: if line > 0 { vec![frame] } else { Vec::new() },
            ..RemoteException::default()
        }
    }

    #[test]
    fn what_an_exception_came_from_stands_before_it() {
        let mut error = raised("KeyError", "'a'", 1);
        error.context = Some(Box::new(raised("OSError", "", 2)));
        let mut outer = raised("ValueError", "two\nlines", 3);
        outer.notes = vec!["a note".to_owned()];
        outer.cause = Some(Box::new(error));
        let expected = "\
Traceback (most recent call last):
  File \"a.py\", line 2, in f
    g()
OSError

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"a.py\", line 1, in f
    g()
KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"a.py\", line 3, in f
    g()
ValueError: two
lines
a note
";
        assert_eq!(outer.traceback().to_string(), expected);
    }

    #[test]
    fn groups_are_drawn_as_boxes_in_boxes() {
        let mut inner = raised("ExceptionGroup", "inner (1 sub-exception)", 2);
        inner.exceptions = vec![raised("KeyError", "1", 0)];
        let mut group = raised("ExceptionGroup", "outer (19 sub-exceptions)", 1);
        group.exceptions = vec![raised("ValueError", "a", 3), inner];
        let expected = "  + Exception Group Traceback (most recent call last):
  |   File \"a.py\", line 1, in f
  |     g()
  | ExceptionGroup: outer (19 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File \"a.py\", line 3, in f
    |     g()
    | ValueError: a
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File \"a.py\", line 2, in f
    |     g()
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | KeyError: 1
";
        let text = group.traceback().to_string();
        let end = "      +------------------------------------\n";
        assert_eq!(text, format!("{expected}{end}"));
        group.exceptions_omitted = 17;
        let end = "      +------------------------------------
    +---------------- ... ----------------
    | and 17 more exceptions
    +------------------------------------\n";
        assert_eq!(group.traceback().to_string(), format!("{expected}{end}"));
    }

    #[test]
    fn a_recursion_is_told_with_its_depth() {
        let mut error = raised("RecursionError", "too deep", 1);
        error.frames = vec![error.frames[0].clone(); 50];
        error.frames[10].omitted = 950;
        let expected = "\
Traceback (most recent call last):
  File \"a.py\", line 1, in f
    g()
  File \"a.py\", line 1, in f
    g()
  File \"a.py\", line 1, in f
    g()
  [Previous line repeated 997 more times]
RecursionError: too deep
";
        assert_eq!(error.traceback().to_string(), expected);
        error.frames[10].line = 2;
        error.frames.truncate(11);
        let text = error.traceback().to_string();
        let expected = "  [Previous line repeated 7 more times]
  [950 frames left out]
  File \"a.py\", line 2, in f\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn marks_are_shown_as_they_come_in_boxes_too() {
        let mut error = raised("ZeroDivisionError", "", 1);
        error.frames[0].marked = "a / 0\n~~^~~".to_owned();
        let expected = "\
Traceback (most recent call last):
  File \"a.py\", line 1, in f
    a / 0
    ~~^~~
ZeroDivisionError
";
        assert_eq!(error.traceback().to_string(), expected);
        let mut group = raised("ExceptionGroup", "g", 0);
        group.exceptions = vec![error];
        let text = group.traceback().to_string();
        assert!(
            text.contains("\n    |     a / 0\n    |     ~~^~~\n"),
            "{text}"
        );
    }

    #[test]
    fn wrong_source_text_is_marked() {
        let mut error = raised("SyntaxError", "invalid syntax (b.py, line 3)", 0);
        error.syntax = Some(Box::new(SyntaxPlace {
            message: "invalid syntax".to_owned(),
            file: "b.py".to_owned(),
            line: 3,
            text: "x =\t= 1".to_owned(),
            column: 5,
            length: u32::MAX,
        }));
        let expected = "  File \"b.py\", line 3
    x =\t= 1
       \t^^^^^^^^
SyntaxError: invalid syntax
";
        assert_eq!(error.traceback().to_string(), expected);
    }
}
