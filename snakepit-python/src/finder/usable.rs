//! Whether a file can be an interpreter, by looking at files only. Runs nothing.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::outcome::Reason;

/// How many symbolic links may lead to an interpreter.
const LINKS: usize = 40;

/// Why the interpreter at `path` cannot be run, if that can be seen.
pub(super) fn check(path: &Path) -> Result<(), Reason> {
    if path.components().count() == 1 && !path.has_root() {
        // Only a name: `PATH` has none, and nobody asked for a file of the current folder.
        return Err(Reason::Missing);
    }
    match path.metadata() {
        Ok(found) if !found.is_file() || found.permissions().mode() & 0o111 == 0 => {
            return Err(Reason::NotExecutable);
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(Reason::NotExecutable);
        }
        Err(_) => {
            return Err(dangling(path).map_or(Reason::Missing, |base| Reason::Broken { base }));
        }
    }
    match base_of_environment(path) {
        Some(base) if !base.is_dir() => Err(Reason::Broken { base }),
        _ => Ok(()),
    }
}

/// The interpreter of a virtual environment or an installation, or the file itself.
pub(super) fn in_folder(path: PathBuf) -> PathBuf {
    if !path.is_dir() {
        return path;
    }
    let python = path.join("bin/python");
    let python3 = path.join("bin/python3");
    if python.symlink_metadata().is_err() && python3.symlink_metadata().is_ok() {
        return python3;
    }
    python
}

/// Where a chain of symbolic links ends in nothing.
fn dangling(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    let mut links = 0;
    while let Ok(target) = fs::read_link(&path) {
        path = path.parent()?.join(target);
        links += 1;
        if links > LINKS {
            break;
        }
    }
    (links > 0).then_some(path)
}

/// The folder of the interpreter a virtual environment was made from, as its `pyvenv.cfg` says.
fn base_of_environment(python: &Path) -> Option<PathBuf> {
    let root = python.parent()?.parent()?;
    let settings = fs::read_to_string(root.join("pyvenv.cfg")).ok()?;
    settings.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })
}

/// What tells interpreters apart without running them: the real file, and the virtual environment it is called from.
pub(super) fn identity(path: &Path) -> (PathBuf, Option<PathBuf>) {
    let environment = path.parent().and_then(Path::parent);
    let environment = environment.filter(|root| root.join("pyvenv.cfg").is_file());
    (
        super::outcome::real(path),
        environment.map(super::outcome::real),
    )
}
