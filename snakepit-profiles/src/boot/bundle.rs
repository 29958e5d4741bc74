//! The Python side, carried inside this crate and laid out on disk once; must not know what it does.
//!
//! A mismatch of versions is impossible: the folder's name is a hash of its contents, and every file is compared before
//! a process starts from it.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Every file with its name, in order of names.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// The program a boot process runs.
const PROGRAM: &str = "snakepit_boot.py";

/// The path of the program to run, unpacked beside the package it needs.
///
/// Looks each time: somebody may have tidied up since.
///
/// # Blocking
/// Reads, and perhaps writes, a few small files.
pub(crate) fn program() -> io::Result<PathBuf> {
    // Two threads, or two hosts, may both write: they write the same, and nobody sees half of it.
    Ok(unpack()?.join(PROGRAM))
}

/// The folder with the Python package `snakepit_bridge` that workers use, for tests and tools that want it on their path.
///
/// It stays, also when this version of Snakepit is gone; another version has another folder.
///
/// # Errors
/// Where neither the cache folder nor the one for temporary files can be written to.
///
/// # Blocking
/// Reads, and perhaps writes, a few small files.
pub fn bridge() -> io::Result<PathBuf> {
    unpack()
}

fn unpack() -> io::Result<PathBuf> {
    let name = format!("bridge-{}-{:016x}", env!("CARGO_PKG_VERSION"), hash());
    let mut problem = None;
    for base in bases() {
        match lay_out(&base, &name) {
            Ok(folder) => return Ok(folder),
            Err(error) => {
                problem.get_or_insert_with(|| {
                    io::Error::new(error.kind(), format!("{}: {error}", base.display()))
                });
            }
        }
    }
    Err(problem.expect("there is always the folder for temporary files"))
}

/// Where to try, best first.
fn bases() -> impl Iterator<Item = PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let user = rustix::process::geteuid().as_raw();
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("snakepit"))
        .into_iter()
        .chain([std::env::temp_dir().join(format!("snakepit-{user}"))])
}

fn lay_out(base: &Path, name: &str) -> io::Result<PathBuf> {
    private(base)?;
    let folder = base.join(name);
    private(&folder)?;
    for (name, text) in FILES {
        let path = folder.join(name);
        for parent in Path::new(name)
            .ancestors()
            .skip(1)
            .filter(|path| !path.as_os_str().is_empty())
        {
            private(&folder.join(parent))?;
        }
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        replace(&path, text)?;
    }
    Ok(folder)
}

/// Makes a folder only we can enter, or makes sure that it is one. Python runs what lies in it.
fn private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    let denied = |what: &str| {
        let message = format!("{} {what}", folder.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    };
    if !found.is_dir() {
        return denied("is not a folder");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return denied("belongs to another user");
    }
    if found.mode() & 0o022 != 0 {
        // Somebody may have put a module of their own beside ours.
        return denied("can be written by others");
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a file so that nobody ever sees half of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unique = format!(
        "{}.{:?}.tmp",
        std::process::id(),
        std::thread::current().id()
    );
    let draft = path.with_extension(unique);
    let written = fs::File::create_new(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// FNV-1a over names and contents. It tells versions apart; it does not guard against anyone.
fn hash() -> u64 {
    let bytes = FILES
        .iter()
        .flat_map(|(name, text)| name.bytes().chain([0]).chain(text.bytes()).chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_folder_is_mended() {
        let base = tempfile::tempdir().unwrap();
        let folder = lay_out(base.path(), "bridge").unwrap();
        fs::write(folder.join(PROGRAM), "import antigravity").unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        lay_out(base.path(), "bridge").unwrap();
        let program = FILES.iter().find(|(name, _)| *name == PROGRAM).unwrap().1;
        assert_eq!(fs::read_to_string(folder.join(PROGRAM)).unwrap(), program);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("bridge")).unwrap();
        assert!(lay_out(base.path(), "bridge").is_err());
    }
}
