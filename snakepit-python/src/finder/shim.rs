//! What a shim of pyenv stands for. Reads the files pyenv reads; runs nothing, since a shim is a slow shell script.

use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// The folder pyenv lives in.
pub(super) fn root(environment: &Environment) -> Option<PathBuf> {
    let set = environment.path("PYENV_ROOT");
    set.or_else(|| Some(environment.path("HOME")?.join(".pyenv")))
}

/// Whether this is a folder of shims.
pub(super) fn is_shims(folder: &Path, environment: &Environment) -> bool {
    root(environment).is_some_and(|root| folder == root.join("shims"))
        || folder.ends_with(".pyenv/shims")
        || folder.ends_with("pyenv-virtualenv/shims")
}

/// The interpreter a shim would run here, if that is one of pyenv's.
///
/// Not when pyenv would look further: for `system`, or for a version written short.
pub(super) fn resolve(name: &str, environment: &Environment) -> Option<PathBuf> {
    let versions = root(environment)?.join("versions");
    let selected = selected(environment)?;
    selected
        .split([':', '\n', ' '])
        .filter(|version| !version.is_empty() && !version.contains(['/', '#']))
        .map(|version| versions.join(version).join("bin").join(name))
        .find(|path| path.is_file())
}

/// `PYENV_VERSION`, the nearest `.python-version`, or the global choice.
fn selected(environment: &Environment) -> Option<String> {
    if let Some(version) = environment.get("PYENV_VERSION") {
        return version.to_str().map(str::to_owned);
    }
    let folder = std::path::absolute(environment.folder().join(".")).ok()?;
    let local = folder
        .ancestors()
        .map(|folder| folder.join(".python-version"));
    local
        .chain(root(environment).map(|root| root.join("version")))
        .find_map(|file| fs::read_to_string(file).ok())
}

/// Whether a command is a shim, of pyenv or of another that calls its folder so. A wrapper of somebody's own is none: it may
/// set variables the interpreter needs.
pub(super) fn is_shim(command: &Path) -> bool {
    let folder = command.parent().and_then(Path::file_name);
    folder.is_some_and(|name| name == "shims")
}
