//! Runs the examples as their readers would.

use crate::project::{Metadata, cargo, root};
use crate::step::Steps;

/// One step for each example that is a program; examples that are libraries have tests, run with all others.
pub(crate) fn run(steps: &mut Steps, metadata: &Metadata, tag: &str) {
    let examples = root().join("examples");
    for package in metadata
        .packages()
        .filter(|package| package.manifest().starts_with(&examples))
    {
        for (kind, option) in [("bin", "--bin"), ("example", "--example")] {
            for name in package.targets(kind) {
                let mut command = cargo();
                command.args(["run", "--quiet", "--package", package.name(), option, name]);
                steps.command(&format!("example {name} ({tag})"), &mut command);
            }
        }
    }
}
