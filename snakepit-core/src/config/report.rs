//! All that is wrong with a configuration, shown beside the text it is about. Knows no key, no
//! colour.

use std::fmt;
use std::sync::Arc;

use super::locate::{self, Position, Spot};

/// Everything that is wrong with a configuration, in the order of the text.
///
/// Its `Display` shows each problem with its line and a caret under the place.
#[derive(Clone, Debug)]
pub struct ConfigReport {
    name: String,
    text: Arc<str>,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What is wrong, as one lower-case fragment.
    pub message: String,
    /// Where, unless it is about the file as a whole.
    pub position: Option<Position>,
    /// What was expected there, or empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ConfigReport {
    pub(crate) fn new(name: &str, text: &Arc<str>, findings: Vec<Finding>) -> Self {
        let mut problems: Vec<Problem> = findings
            .into_iter()
            .map(|finding| finding.resolve(text))
            .collect();
        problems.sort_by_key(|problem| problem.position);
        problems.dedup();
        Self {
            name: name.to_owned(),
            text: Arc::clone(text),
            problems,
        }
    }

    /// What the configuration is called: the path of its file, mostly.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The problems. At least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for ConfigReport {}

impl fmt::Display for ConfigReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            self.show(problem, f)?;
        }
        Ok(())
    }
}

impl ConfigReport {
    fn show(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", problem.message)?;
        let margin = match problem.position {
            Some(at) => " ".repeat(at.line.to_string().len()),
            None => " ".to_owned(),
        };
        write!(f, "\n{margin}--> {}", self.name)?;
        if let Some(at) = problem.position {
            write!(f, ":{}:{}", at.line, at.column)?;
        }
        match problem
            .position
            .and_then(|at| Some((at, self.text.lines().nth(at.line - 1)?)))
        {
            Some((
                Position {
                    line: number,
                    column,
                },
                line,
            )) => {
                let before: String = line.chars().take(column - 1).map(blank).collect();
                let carets = "^".repeat(width_of_token(line, column - 1));
                write!(
                    f,
                    "\n{margin} |\n{number} | {line}\n{margin} | {before}{carets}"
                )?;
                if !problem.label.is_empty() {
                    write!(f, " {}", problem.label)?;
                }
            }
            None if problem.label.is_empty() => {}
            None => write!(f, "\n{margin} = {}", problem.label)?,
        }
        match &problem.help {
            Some(help) => write!(f, "\n{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

/// Keeps the caret under its column also after tabs.
fn blank(character: char) -> char {
    if character == '\t' { '\t' } else { ' ' }
}

/// How many characters the token at `column` (from 0) has. A guess, for underlining; at least 1.
fn width_of_token(line: &str, column: usize) -> usize {
    let token: Vec<char> = line.chars().skip(column).collect();
    let end = match token.first() {
        Some(quote @ ('"' | '\'')) => token
            .iter()
            .skip(1)
            .position(|c| c == quote)
            .map_or(token.len(), |end| end + 2),
        Some('[' | '{' | '|' | '>' | '&' | '*' | '\t') | None => 1,
        Some(_) => token
            .iter()
            .enumerate()
            .position(|(index, c)| match c {
                ',' | ']' | '}' => true,
                ':' => token.get(index + 1).is_none_or(|next| next.is_whitespace()),
                '#' => index > 0 && token[index - 1].is_whitespace(),
                _ => false,
            })
            .unwrap_or(token.len()),
    };
    let trailing = token[..end.min(token.len())]
        .iter()
        .rev()
        .take_while(|c| c.is_whitespace());
    end.saturating_sub(trailing.count()).max(1)
}

/// A problem whose position is still a place in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    message: String,
    at: At,
    label: String,
    also: Option<(Spot, &'static str)>,
    help: Option<String>,
}

#[derive(Clone, Debug)]
enum At {
    Nowhere,
    Position(Position),
    Spot(Spot),
}

impl Finding {
    pub(crate) fn new(spot: Spot, message: String) -> Self {
        Self {
            message,
            at: At::Spot(spot),
            label: String::new(),
            also: None,
            help: None,
        }
    }

    pub(crate) fn at(position: Position, message: String) -> Self {
        Self {
            message,
            at: At::Position(position),
            label: String::new(),
            also: None,
            help: None,
        }
    }

    pub(crate) fn without_position(message: String) -> Self {
        Self {
            message,
            at: At::Nowhere,
            label: String::new(),
            also: None,
            help: None,
        }
    }

    pub(crate) fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn with_help<'h>(mut self, help: impl Into<Option<&'h str>>) -> Self {
        self.help = help.into().map(str::to_owned);
        self
    }

    /// Adds "`words` on line N" to the label.
    pub(crate) fn pointing_also_at(mut self, spot: Spot, words: &'static str) -> Self {
        self.also = Some((spot, words));
        self
    }

    fn resolve(self, text: &str) -> Problem {
        let position = match self.at {
            At::Nowhere => None,
            At::Position(position) => Some(position),
            At::Spot(spot) => locate::position(text, &spot),
        };
        let mut label = self.label;
        if let Some((spot, words)) = self.also
            && let Some(first) = locate::position(text, &spot)
        {
            label = format!("{words} on line {}", first.line);
        }
        Problem {
            message: self.message,
            position,
            label,
            help: self.help,
        }
    }
}
