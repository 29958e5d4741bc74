//! Runs the commands the README shows, and compares what they print with what it shows.
//!
//! In a `console` block each line `$ command` is run, and the lines up to the next one must appear, in that order, in
//! what it prints; `...` in them stands for anything. An `sh` block is run as one script. Everything runs in the root of
//! the repository. A block is left alone when the line before its fence begins with `<!-- not tested`.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::project::root;
use crate::step::Steps;

const NOT_TESTED: &str = "<!-- not tested";

/// One step for each command.
pub(crate) fn run(steps: &mut Steps) -> Result<()> {
    let text = std::fs::read_to_string(root().join("README.md"))?;
    let examples = extract(&text);
    ensure!(!examples.is_empty(), "README.md shows no command");
    for example in examples {
        let name = example.title(&root());
        steps.check(&name, &example.command, |steps| example.run(steps));
    }
    Ok(())
}

/// A command, and the lines shown below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    line: usize,
    /// The line before its block.
    pub(crate) before: String,
    pub(crate) command: String,
    pub(crate) output: Vec<String>,
}

impl Shown {
    /// What to call it, shown in the `README.md` of this folder.
    pub(crate) fn title(&self, folder: &Path) -> String {
        let file = folder.join("README.md");
        let file = file.strip_prefix(root()).unwrap_or(&file);
        let command = self.command.lines().next().unwrap_or_default();
        format!("{}:{}: {command}", file.display(), self.line)
    }

    fn run(&self, steps: &Steps) -> Result<()> {
        let mut shell = Command::new("bash");
        // Both streams in the order a terminal shows them.
        let script = format!("set -euo pipefail\nexec 2>&1\n{}", self.command);
        shell.args(["-c", &script]).current_dir(root());
        steps.prepare(&mut shell);
        let output = shell.output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{}\n{printed}", output.status);
        let mut lines = printed.lines();
        for expected in &self.output {
            ensure!(
                lines.any(|line| matches(line, expected)),
                "no line `{expected}` where the README shows it, in\n{printed}"
            );
        }
        Ok(())
    }
}

/// The commands of every block, but for those that would run this very test.
pub(crate) fn extract(text: &str) -> Vec<Shown> {
    let mut examples = Vec::new();
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<_> = lines
                .by_ref()
                .take_while(|(_, line)| *line != "```")
                .collect();
            match language {
                _ if before.starts_with(NOT_TESTED) => {}
                "console" => examples.extend(console(before, &block)),
                "sh" => examples.push(script(number, before, &block)),
                _ => {}
            }
        }
        before = line;
    }
    examples.retain(|example| {
        !["xtask test", "xtask ci"]
            .iter()
            .any(|ours| example.command.contains(ours))
    });
    examples
}

fn console(before: &str, block: &[(usize, &str)]) -> Vec<Shown> {
    let mut examples: Vec<Shown> = Vec::new();
    for (line, text) in block {
        if let Some(command) = text.strip_prefix("$ ") {
            examples.push(Shown {
                line: *line,
                before: before.to_owned(),
                command: command.to_owned(),
                output: Vec::new(),
            });
        } else if let Some(example) = examples.last_mut() {
            // A command may go on after a backslash; anything else is output.
            if example.output.is_empty() && example.command.ends_with('\\') {
                example.command = format!("{}\n{text}", example.command);
            } else if !text.trim().is_empty() {
                example.output.push((*text).to_owned());
            }
        }
    }
    examples
}

fn script(line: usize, before: &str, block: &[(usize, &str)]) -> Shown {
    let lines: Vec<_> = block.iter().map(|(_, text)| *text).collect();
    Shown {
        line,
        before: before.to_owned(),
        command: lines.join("\n"),
        output: Vec::new(),
    }
}

/// Whether a printed line is the one shown, in which `...` stands for anything.
fn matches(printed: &str, shown: &str) -> bool {
    let (printed, shown) = (printed.trim_end(), shown.trim_end());
    let Some((head, tail)) = shown.split_once("...") else {
        return printed == shown;
    };
    let Some(rest) = printed.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| matches(&rest[at..], tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_they_print_are_found() {
        let text = "Look:\n```console\n$ echo a \\\n  b\na b\n\n$ true\n```\n```sh\ncd x\nls\n```\n```rust\nx\n```\n";
        let examples = extract(text);
        assert_eq!(examples[0].command, "echo a \\\n  b");
        assert_eq!(examples[0].output, ["a b"]);
        assert_eq!(examples[0].before, "Look:");
        assert_eq!(
            (examples[1].line, examples[1].command.as_str()),
            (7, "true")
        );
        assert_eq!(examples[2].command, "cd x\nls");
        assert_eq!(examples.len(), 3);
    }

    #[test]
    fn some_are_left_alone() {
        assert_eq!(
            extract("<!-- not tested: takes an hour -->\n```sh\nls\n```\n"),
            []
        );
        assert_eq!(extract("```console\n$ cargo xtask test\n```\n"), []);
    }

    #[test]
    fn dots_stand_for_anything() {
        assert!(matches("pid 4711, 3 calls", "pid ..., 3 calls"));
        assert!(matches("pid 4711, 3 calls", "pid ..."));
        assert!(!matches("pid 4711, 4 calls", "pid ..., 3 calls"));
        assert!(!matches("xy", "x"));
    }
}
