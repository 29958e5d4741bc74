//! Which crate may depend on which, and that every crate takes the workspace's lints.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use crate::project::{Metadata, Package, root};

/// The layers, and what each may know. Crates that are not listed may know all of them.
const LAYERS: &[(&str, &[&str])] = &[
    ("snakepit-core", &[]),
    ("snakepit-proto", &[]),
    ("snakepit-python", &[]),
    ("snakepit-lifecycle", &["snakepit-core"]),
    (
        "snakepit-profiles",
        &["snakepit-core", "snakepit-proto", "snakepit-python"],
    ),
    (
        "snakepit-diagnostics",
        &["snakepit-core", "snakepit-python"],
    ),
    ("xtask", &[]),
];

pub(super) fn check(metadata: &Metadata) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in metadata.packages() {
        let text = std::fs::read_to_string(package.manifest())?;
        let file = package
            .manifest()
            .strip_prefix(root())
            .unwrap_or(package.manifest());
        findings.extend(arrows(package, file, &text));
        findings.extend(lints(file, &text));
    }
    Ok(findings)
}

fn arrows(package: Package<'_>, file: &Path, text: &str) -> Vec<Finding> {
    let name = package.name();
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        return Vec::new();
    };
    let ours = |dependency: &&str| dependency.starts_with("snakepit-") && *dependency != name;
    let forbidden = package
        .dependencies()
        .filter(ours)
        .filter(|dependency| !allowed.contains(dependency));
    let finding = |dependency: &str| {
        let line = text
            .lines()
            .position(|line| line.starts_with(dependency))
            .map_or(1, |index| index + 1);
        let what = format!("{name} must not know {dependency}");
        Finding::new(
            file,
            line,
            what,
            "move the code to a layer that may, or the shared part down to snakepit-core",
        )
    };
    forbidden.map(finding).collect()
}

fn lints(file: &Path, text: &str) -> Option<Finding> {
    let mut lines = text.lines().map(str::trim);
    let section = lines.clone().any(|line| line == "lints.workspace = true")
        || lines.by_ref().any(|line| line == "[lints]") && lines.next() == Some("workspace = true");
    let remedy = "add `[lints]` with `workspace = true`";
    (!section).then(|| {
        Finding::new(
            file,
            1,
            "the crate does not take the workspace's lints",
            remedy,
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_crate_knows_only_layers_below() {
        let dependencies = json!([{ "name": "serde" }, { "name": "snakepit-core" }, { "name": "snakepit-profiles" }]);
        let found = |name: &str| {
            let metadata = Metadata::of(&json!([{ "name": name, "dependencies": dependencies }]));
            let package = metadata.packages().next().expect("there is one");
            let text = "[dependencies]\nserde = \"1\"\nsnakepit-profiles.workspace = true\n";
            let findings = arrows(package, Path::new("Cargo.toml"), text);
            findings
                .into_iter()
                .map(|finding| (finding.line, finding.what))
                .collect::<Vec<_>>()
        };
        assert_eq!(found("snakepit-cli"), []);
        assert_eq!(
            found("snakepit-lifecycle"),
            [(
                3,
                "snakepit-lifecycle must not know snakepit-profiles".to_owned()
            )]
        );
        assert_eq!(
            found("snakepit-core").len(),
            1,
            "a crate may name itself, as core does for its tests"
        );
        assert_eq!(found("xtask").len(), 2);
    }

    #[test]
    fn a_crate_must_take_the_lints() {
        let file = Path::new("Cargo.toml");
        assert_eq!(
            lints(file, "[package]\n\n[lints]\nworkspace = true\n"),
            None
        );
        assert_eq!(lints(file, "lints.workspace = true\n"), None);
        assert!(lints(file, "[package]\nname = \"x\"\n").is_some());
        assert!(lints(file, "[lints.clippy]\npedantic = \"warn\"\n").is_some());
    }
}
