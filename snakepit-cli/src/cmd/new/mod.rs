//! `snakepit new adapter`: a project that works, to go on from. Overwrites nothing.

mod names;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::args::{NewAction, NewAdapterArgs, NewArgs};
use crate::failure::Failure;
use crate::output;

const CLASS: &str = include_str!("templates/class.py.tmpl");
const FUNCTIONS: &str = include_str!("templates/functions.py.tmpl");
const TEST: &str = include_str!("templates/test.py.tmpl");
const CONFIG: &str = include_str!("templates/snakepit.yaml.tmpl");
const PYPROJECT: &str = include_str!("templates/pyproject.toml.tmpl");
const README: &str = include_str!("templates/README.md.tmpl");
const GITIGNORE: &str = include_str!("templates/gitignore.tmpl");

/// Writes what was asked for and says what to do next.
pub(crate) fn run(args: &NewArgs) -> Result<(), Failure> {
    match &args.what {
        NewAction::Adapter(args) => adapter(args),
    }
}

fn adapter(args: &NewAdapterArgs) -> Result<(), Failure> {
    let name = &args.name;
    if let Some((message, hint)) = names::problem(name) {
        return Err(Failure::usage(message, Some(hint)));
    }
    let folder = args.dir.join(name);
    let files = files(args);
    // Looked at first, so that a project is written whole or not at all.
    for (path, _) in &files {
        let path = folder.join(path);
        if path.symlink_metadata().is_ok() {
            return Err(Failure::Exists(path));
        }
    }
    for (path, text) in &files {
        let path = folder.join(path);
        write(&path, text).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::Exists(path.clone()),
            _ => Failure::File {
                path: path.clone(),
                error,
            },
        })?;
    }
    let folder = folder.display().to_string();
    output::line(&format!(
        "{folder} is ready. Next:\n  cd {}\n  snakepit call greet name=Ada\nand README.md there says how to test it.",
        quoted(&folder)
    ))
    .map(drop)
}

/// Every file of the project, with its text.
fn files(args: &NewAdapterArgs) -> Vec<(PathBuf, String)> {
    let name = args.name.as_str();
    let fill = |template: &str| {
        let class = names::class_name(name);
        let (profile, lanes) = if args.thread_safe {
            ("thread", "    threads_per_worker: 4\n")
        } else {
            ("process", "")
        };
        let (declared, doc) = match (args.thread_safe, args.functions) {
            (false, _) => ("", ""),
            (true, false) => (
                "\n    __thread_safe__ = True\n",
                "\n\n    Lanes are threads of one process: what instances share, such as this module's variables, needs a lock.",
            ),
            (true, true) => (
                "\n# Lanes are threads of one process: what is written after `setup` needs a lock.\n__thread_safe__ = True\n",
                "",
            ),
        };
        // With a short docstring, its quotes close on the same line.
        let template = if doc.is_empty() {
            template.replace("{{thread_safe_doc}}\n    \"\"\"", "\"\"\"")
        } else {
            template.replace("{{thread_safe_doc}}", doc)
        };
        template
            .replace("{{name}}", name)
            .replace("{{class}}", &class)
            .replace("{{profile}}", profile)
            .replace("{{lanes}}\n", lanes)
            .replace("{{thread_safe}}\n", &format!("{declared}\n"))
    };
    let code = if args.functions { FUNCTIONS } else { CLASS };
    [
        (format!("{name}.py"), code),
        (format!("tests/test_{name}.py"), TEST),
        ("snakepit.yaml".to_owned(), CONFIG),
        ("pyproject.toml".to_owned(), PYPROJECT),
        ("README.md".to_owned(), README),
        (".gitignore".to_owned(), GITIGNORE),
    ]
    .into_iter()
    .map(|(path, template)| (path.into(), fill(template)))
    .collect()
}

/// Writes a file that is not there, and the folders above it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create_new(path)?.write_all(text.as_bytes())
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        for functions in [false, true] {
            for thread_safe in [false, true] {
                let args = NewAdapterArgs {
                    name: "price_model".into(),
                    dir: ".".into(),
                    class: !functions,
                    functions,
                    thread_safe,
                };
                let files = files(&args);
                for (path, text) in &files {
                    assert!(!text.contains("{{"), "{}", path.display());
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
                    assert!(!text.contains("\n\n\n\n"), "{text}");
                }
                assert_eq!(files[0].1.contains("__thread_safe__ = True"), thread_safe);
                assert_eq!(files[0].1.contains("class PriceModel"), !functions);
            }
        }
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_would_split_it() {
        assert_eq!(quoted("a/b-c.d"), "a/b-c.d");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
    }
}
