//! Rules on single files: opening line, size, unfinished work, words that have no place in a repository.

use std::path::Path;

use super::{Finding, is};

/// Over this a file is worth a look, over the second it is several.
const LONG: usize = 500;
const TOO_LONG: usize = 800;

/// Written in two parts so that this file does not hold them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
const HOSTS: &[&str] = &[
    concat!("py", "pi.org"),
    concat!("pythonhosted", ".org"),
    concat!("static", ".crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("deb", ".debian", ".org"),
    concat!("registry.npm", "js.org"),
];
const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(file: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(opening(file, text));
    findings.extend(size(file, text));
    let code = ["rs", "py", "toml", "sh", "yaml", "yml"]
        .iter()
        .any(|extension| is(file, extension));
    for (index, line) in text.lines().enumerate() {
        if code {
            findings.extend(unfinished(line).map(|what| {
                Finding::new(
                    file,
                    index + 1,
                    what,
                    "do it now, or name the issue: `#12` on the same line",
                )
            }));
        }
        findings.extend(place(line).map(|what| {
            Finding::new(
                file,
                index + 1,
                what,
                "say it without naming the host or path: others have their own",
            )
        }));
    }
    findings
}

fn opening(file: &Path, text: &str) -> Option<Finding> {
    let first = text.lines().next().unwrap_or_default();
    if is(file, "rs") && !first.starts_with("//! ") {
        let what = "does not open with a `//!` line";
        return Some(Finding::new(
            file,
            1,
            what,
            "say in one line what the file is for, and what it must not know",
        ));
    }
    // The bad adapters of the tests are bad on purpose, also in this.
    let bad_on_purpose = file.components().any(|part| part.as_os_str() == "tests");
    let opened = ["#!", "\"\"\"", "r\"\"\""]
        .iter()
        .any(|opening| first.starts_with(opening));
    if is(file, "py") && !text.is_empty() && !bad_on_purpose && !opened {
        let what = "does not open with a docstring or `#!`";
        return Some(Finding::new(
            file,
            1,
            what,
            "say in one line what the module is for",
        ));
    }
    None
}

fn size(file: &Path, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    if lines <= LONG || !(is(file, "rs") || is(file, "py")) {
        return None;
    }
    let finding = Finding::new(
        file,
        lines,
        format!("{lines} lines"),
        "is it one idea? Split it where it is two",
    );
    Some(if lines > TOO_LONG {
        finding
    } else {
        finding.warning()
    })
}

fn unfinished(line: &str) -> Option<String> {
    let word = UNFINISHED.iter().find(|word| contains_word(line, word))?;
    let names_issue = line
        .split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!names_issue).then(|| format!("`{word}` without an issue"))
}

fn place(line: &str) -> Option<String> {
    if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
        return Some(format!("names the host `{host}`"));
    }
    let starts_path = |(at, _): (usize, &str)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_.-}".contains(c))
    };
    let place = PLACES
        .iter()
        .find(|place| line.match_indices(**place).any(starts_path))?;
    Some(format!("names the path `{place}` of one machine"))
}

fn contains_word(line: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        boundary(line[..at].chars().next_back()) && boundary(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        check(Path::new(file), text)
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn files_say_what_they_are_for() {
        assert_eq!(found("a/src/lib.rs", "//! The lib.\n"), [""; 0]);
        assert_eq!(
            found("a/src/lib.rs", "use std;\n"),
            ["does not open with a `//!` line"]
        );
        assert_eq!(
            found("a/x.py", "import os\n"),
            ["does not open with a docstring or `#!`"]
        );
        assert_eq!(found("a/__init__.py", ""), [""; 0]);
        assert_eq!(found("tests/zoo/x.py", "import os\n"), [""; 0]);
    }

    #[test]
    fn unfinished_work_names_an_issue() {
        let word = UNFINISHED[0];
        assert_eq!(found("a.toml", &format!("# {word}: more\n")).len(), 1);
        assert_eq!(found("a.toml", &format!("# {word}(#12): more\n")), [""; 0]);
        assert_eq!(found("a.toml", &format!("# {word}NE\n")), [""; 0]);
    }

    #[test]
    fn hosts_and_machine_paths_stay_out() {
        assert_eq!(found("a.md", &format!("see {}\n", HOSTS[0])).len(), 1);
        assert_eq!(found("a.md", &format!("see {}x\n", PLACES[0])).len(), 1);
        assert_eq!(
            found("a.md", &format!("see frame{}x\n", PLACES[0])),
            [""; 0]
        );
    }

    #[test]
    fn long_files_are_named() {
        let lines = |count: usize| format!("//! Long.\n{}", "x\n".repeat(count - 1));
        let findings = |count| check(Path::new("a.rs"), &lines(count));
        assert!(findings(LONG).is_empty());
        assert!(findings(LONG + 1)[0].warning);
        assert!(!findings(TOO_LONG + 1)[0].warning);
    }
}
