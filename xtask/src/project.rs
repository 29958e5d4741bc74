//! Where things are, and what `cargo metadata` and git know about them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    // Cargo says where the crate is now; where it was compiled may be another clone with the same target directory.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    here.parent()
        .expect("xtask lies in the repository")
        .to_path_buf()
}

/// The `cargo` that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{stderr}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// What `cargo metadata --no-deps` says.
pub(crate) struct Metadata(Value);

impl Metadata {
    pub(crate) fn load() -> Result<Self> {
        let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    #[cfg(test)]
    pub(crate) fn of(packages: &Value) -> Self {
        Self(serde_json::json!({ "packages": packages }))
    }

    /// Every crate of the workspace.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        self.0["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Package)
    }

    /// Where cargo puts what it builds, and we what we make.
    pub(crate) fn target(&self) -> PathBuf {
        self.0["target_directory"]
            .as_str()
            .map_or_else(|| root().join("target"), PathBuf::from)
    }
}

/// One crate of the workspace.
#[derive(Clone, Copy)]
pub(crate) struct Package<'a>(&'a Value);

impl<'a> Package<'a> {
    pub(crate) fn name(self) -> &'a str {
        self.0["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn manifest(self) -> &'a Path {
        Path::new(self.0["manifest_path"].as_str().unwrap_or_default())
    }

    /// The names of everything it depends on, for whatever purpose.
    pub(crate) fn dependencies(self) -> impl Iterator<Item = &'a str> {
        self.0["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|d| d["name"].as_str())
    }

    pub(crate) fn features(self) -> impl Iterator<Item = &'a str> {
        self.0["features"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    pub(crate) fn has_library(self) -> bool {
        let targets = self.0["targets"].as_array().into_iter().flatten();
        targets
            .filter_map(|target| target["kind"].as_array())
            .flatten()
            .any(|kind| kind == "lib")
    }
}

/// The project's files, relative to the root: what git tracks, or would if asked.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root()).args([
        "ls-files",
        "-z",
        "-co",
        "--exclude-standard",
        "--deduplicate",
    ]);
    let names = output(&mut git)?;
    let files = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from);
    // A deleted file stays listed until the deletion is staged.
    Ok(files.filter(|file| root().join(file).is_file()).collect())
}
