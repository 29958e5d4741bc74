//! Runs the examples as their readers would: the commands in the `README.md` of each folder, which have to print what is
//! shown there, and nothing else.
//!
//! The line before a block may narrow it: `<!-- with a GIL -->` and `<!-- free-threaded -->` to such interpreters,
//! `<!-- needs MODULE -->` to those the module is there for. Commands run in the root of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::interpreter::Interpreter;
use crate::project::{output, root};
use crate::readme::{self, Shown};
use crate::step::Steps;

/// One step for each command. `environment` is an interpreter of the same kind that has libraries.
pub(crate) fn run(
    steps: &mut Steps,
    interpreter: &Interpreter,
    environment: Option<&Path>,
) -> Result<()> {
    for folder in folders()? {
        for shown in commands(&folder)? {
            let name = format!("{} ({})", shown.title(&folder), interpreter.tag());
            let python = match when(&shown.before) {
                When::Gil if interpreter.free_threaded => continue,
                When::FreeThreaded if !interpreter.free_threaded => continue,
                When::Always | When::Gil | When::FreeThreaded => &interpreter.path,
                When::There(module) => {
                    let Some(python) = environment.filter(|python| imports(python, module)) else {
                        let remedy = format!("there is no {module} for this interpreter");
                        steps.skip(&name, &remedy);
                        continue;
                    };
                    python
                }
            };
            let mut shell = Command::new("bash");
            let script = format!("set -euo pipefail; {}", shown.command);
            shell.args(["-c", &script]).current_dir(root());
            shell.env("SNAKEPIT_PYTHON", python);
            steps.output(&name, &mut shell, |printed| {
                let expected = shown.output.join("\n");
                ensure!(
                    printed.trim_end() == expected,
                    "it printed\n{printed}instead of\n{expected}"
                );
                Ok(())
            });
        }
    }
    Ok(())
}

/// For which interpreters a block is.
#[derive(Debug, PartialEq, Eq)]
enum When<'a> {
    Always,
    Gil,
    FreeThreaded,
    /// Those this module is there for.
    There(&'a str),
}

/// What the line before a block says.
fn when(before: &str) -> When<'_> {
    let note = before.strip_prefix("<!-- ");
    match note.and_then(|note| note.strip_suffix(" -->")) {
        Some("with a GIL") => When::Gil,
        Some("free-threaded") => When::FreeThreaded,
        Some(note) => match note.strip_prefix("needs ") {
            Some(module) => When::There(module),
            None => When::Always,
        },
        None => When::Always,
    }
}

fn imports(python: &Path, module: &str) -> bool {
    let question =
        "import sys, importlib.util; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    output(Command::new(python).args(["-c", question, module])).is_ok()
}

/// The folders of the examples, by name.
fn folders() -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root().join("examples"))? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// What the text of an example shows.
fn commands(folder: &Path) -> Result<Vec<Shown>> {
    let file = folder.join("README.md");
    let text = std::fs::read_to_string(&file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    let commands = readme::extract(&text);
    ensure!(!commands.is_empty(), "{} shows no command", file.display());
    let alone = commands.iter().find(|shown| shown.output.is_empty());
    if let Some(shown) = alone {
        anyhow::bail!(
            "{} does not say what `{}` prints",
            file.display(),
            shown.command
        );
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_says_what_it_prints() {
        for folder in folders().expect("there are examples") {
            commands(&folder).expect("it is said");
        }
    }

    #[test]
    fn a_block_may_be_for_some_interpreters_only() {
        assert_eq!(when("<!-- with a GIL -->"), When::Gil);
        assert_eq!(when("<!-- free-threaded -->"), When::FreeThreaded);
        assert_eq!(when("<!-- needs pandas -->"), When::There("pandas"));
        assert_eq!(when(""), When::Always);
        assert_eq!(when("It prints:"), When::Always);
    }
}
