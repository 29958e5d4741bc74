//! Builds an interpreter from a source archive of Python. What the tools say goes to standard error.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::interpreter;
use crate::request::Request;

/// Builds what is asked for and installs it to `prefix`, whole or not at all. When another process is at it already,
/// waits for that one and builds only if it failed.
pub(crate) fn build(request: Request, archive: &Path, prefix: &Path) -> Result<()> {
    let archive = archive
        .canonicalize()
        .with_context(|| format!("cannot read {}", archive.display()))?;
    ensure!(archive.is_file(), "{} is not a file", archive.display());
    // Makefiles do not quote.
    ensure!(
        !prefix.to_string_lossy().contains(char::is_whitespace),
        "cannot build into {}: set XDG_CACHE_HOME to a folder without a space in its name",
        prefix.display()
    );
    fs::create_dir_all(prefix.parent().context("a cache has a parent")?)?;
    let _lock = lock(&prefix.with_file_name(format!("python-{request}.lock")))?;
    if interpreter::built(request).is_some() {
        return Ok(());
    }
    let workshop = prefix.with_file_name(format!("python-{request}.building"));
    remove(&workshop)?;
    let source = workshop.join("source");
    unpack(&archive, &source)
        .and_then(|found| ensure_fits(found, request, &archive))
        .inspect_err(|_| drop(remove(&workshop)))?;
    eprintln!(
        "Building Python {request} from {} into {}: 3 to 6 minutes on two cores",
        archive.display(),
        prefix.display()
    );
    let stage = workshop.join("stage");
    make(request, &source, prefix, &stage).with_context(|| {
        format!(
            "cannot build Python {request}; its messages are above, its folder is {}",
            source.display()
        )
    })?;
    // Nobody sees half an installation: it is moved to its place in one step.
    remove(prefix)?;
    fs::rename(stage.join(prefix.strip_prefix("/")?), prefix)?;
    remove(&workshop)
}

/// Held until the file is closed here and in every process started from now on: a compiler that outlives us still holds
/// it, so that nobody builds in the same folder.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        eprintln!("Another process builds it: waiting for {}", path.display());
        flock(&file, FlockOperation::LockExclusive)?;
    }
    fcntl_setfd(&file, FdFlags::empty())?;
    Ok(file)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Unpacks an archive; its major and minor version.
fn unpack(archive: &Path, into: &Path) -> Result<(u32, u32)> {
    let foreign = || {
        format!(
            "{} is not a source archive of CPython (Python-3.x.y.tar.xz)",
            archive.display()
        )
    };
    fs::create_dir_all(into)?;
    let mut tar = Command::new("tar");
    tar.arg("xf").arg(archive).arg("--strip-components=1");
    run(&mut tar, into).with_context(foreign)?;
    let header = fs::read_to_string(into.join("Include/patchlevel.h")).with_context(foreign)?;
    version_in(&header).with_context(foreign)
}

/// What `Include/patchlevel.h` defines.
fn version_in(header: &str) -> Option<(u32, u32)> {
    let number = |name: &str| {
        header.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let is_it = words.next() == Some("#define") && words.next() == Some(name);
            words.next().filter(|_| is_it)?.parse().ok()
        })
    };
    Some((number("PY_MAJOR_VERSION")?, number("PY_MINOR_VERSION")?))
}

fn ensure_fits(found: (u32, u32), request: Request, archive: &Path) -> Result<()> {
    let (major, minor) = found;
    ensure!(
        found == request.version,
        "{} is Python {major}.{minor}, and {request} was asked for",
        archive.display()
    );
    Ok(())
}

/// Builds in `source` what is to live in `prefix`, and installs it below `stage`.
fn make(request: Request, source: &Path, prefix: &Path, stage: &Path) -> Result<()> {
    let mut configure = Command::new("./configure");
    configure.args(["-q", "--with-ensurepip=install"]);
    // Python's own tests would be half of what is installed.
    configure.arg("--disable-test-modules");
    if request.free_threaded {
        configure.arg("--disable-gil");
    }
    configure.arg(format!("--prefix={}", prefix.display()));
    run(&mut configure, source).context(
        "it takes a C compiler and make (Debian and Ubuntu: apt-get install build-essential)",
    )?;
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    run(
        Command::new("make").args(["-s", &format!("-j{jobs}")]),
        source,
    )?;
    // It builds without these libraries too, but then pip and NumPy do not work.
    run(
        Command::new("./python").args(["-c", "import ctypes, ssl, zlib"]),
        source,
    )
    .context(
        "it takes the headers of libffi, OpenSSL and zlib (Debian and Ubuntu: \
         apt-get install libffi-dev libssl-dev zlib1g-dev)",
    )?;
    run(
        Command::new("make")
            .args(["-s", "install"])
            .arg(format!("DESTDIR={}", stage.display())),
        source,
    )
}

fn run(command: &mut Command, folder: &Path) -> Result<()> {
    let name = command.get_program().display().to_string();
    let status = command
        .current_dir(folder)
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH")
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_header() {
        let header = "/* Version as a string */\n#define PY_VERSION \"3.14.7\"\n\
                      #define PY_MAJOR_VERSION        3\n#define PY_MINOR_VERSION\t14\n";
        assert_eq!(version_in(header), Some((3, 14)));
        assert_eq!(version_in("#define PY_MAJOR_VERSION 3\n"), None);
        assert_eq!(version_in("PY_MAJOR_VERSION 3 PY_MINOR_VERSION 14"), None);
    }

    #[test]
    fn an_archive_of_something_else_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("notes.tar.xz");
        fs::write(&archive, "no archive").expect("written");
        let error = unpack(&archive, &folder.path().join("source")).expect_err("it is no archive");
        assert!(
            format!("{error:#}").contains("notes.tar.xz is not a source archive of CPython"),
            "{error:#}"
        );
    }

    #[test]
    fn an_archive_of_another_version_is_refused_with_both() {
        let request = "3.14t".parse().expect("a version");
        let error = ensure_fits((3, 13), request, Path::new("a.tar")).expect_err("another version");
        assert_eq!(
            error.to_string(),
            "a.tar is Python 3.13, and 3.14t was asked for"
        );
        ensure_fits((3, 14), request, Path::new("a.tar")).expect("the same version");
    }
}
