//! `cargo xtask tidy`: the rules no compiler checks. Also a test, so that `cargo test` sees them.

mod layers;
mod links;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::project::{Metadata, files, root};

/// A rule broken, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: PathBuf,
    line: usize,
    what: String,
    remedy: &'static str,
    /// Only worth a look.
    warning: bool,
}

impl Finding {
    fn new(
        file: impl Into<PathBuf>,
        line: usize,
        what: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            what: what.into(),
            remedy,
            warning: false,
        }
    }

    fn warning(mut self) -> Self {
        self.warning = true;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning: " } else { "" };
        write!(
            f,
            "{}:{}: {kind}{}\n    {}",
            self.file.display(),
            self.line,
            self.what,
            self.remedy
        )
    }
}

/// Prints every finding; fails if one is more than a warning.
pub(crate) fn run() -> Result<()> {
    let findings = check()?;
    for finding in &findings {
        println!("{finding}");
    }
    let faults = findings.iter().filter(|finding| !finding.warning).count();
    if faults > 0 {
        bail!("tidy: {faults} to mend");
    }
    println!("tidy: nothing to mend");
    Ok(())
}

fn check() -> Result<Vec<Finding>> {
    let mut findings = layers::check(&Metadata::load()?)?;
    for file in files()? {
        // Pictures and the like are no text.
        if let Ok(text) = std::fs::read_to_string(root().join(&file)) {
            findings.extend(sources::check(&file, &text));
            findings.extend(links::check(&file, &text));
        }
    }
    Ok(findings)
}

/// Whether a file is written by hand in that language.
fn is(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
        && !file.components().any(|part| part.as_os_str() == "gen")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let findings = super::check().expect("the rules can be checked");
        let faults: Vec<_> = findings
            .iter()
            .filter(|f| !f.warning)
            .map(ToString::to_string)
            .collect();
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}
