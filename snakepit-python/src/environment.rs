//! The surroundings of a search: environment variables and the current folder. Knows not what they are for.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Environment variables and the current folder, as they were at one moment, or as a test wants them.
///
/// Interpreters that are probed get exactly these variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    folder: PathBuf,
}

impl Environment {
    /// Nothing set, in this folder.
    pub fn empty(folder: impl Into<PathBuf>) -> Self {
        Self {
            variables: BTreeMap::new(),
            folder: folder.into(),
        }
    }

    /// What this process sees now. Relative paths stay relative to its current folder.
    pub fn of_this_process() -> Self {
        Self {
            variables: env::vars_os().collect(),
            folder: PathBuf::new(),
        }
    }

    /// With one more variable.
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The value of a variable, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    /// All variables.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The current folder; empty when it is that of this process.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// A folder of the XDG base directory specification, which ignores relative ones.
    pub(crate) fn xdg(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        let set = self.path(name).filter(|path| path.is_absolute());
        set.or_else(|| Some(self.path("HOME")?.join(below_home)))
    }

    /// The folders of `PATH`. Relative ones depend on where one is and are left out.
    pub(crate) fn search_path(&self) -> Vec<PathBuf> {
        let path = self.get("PATH").unwrap_or_default();
        env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .collect()
    }
}
