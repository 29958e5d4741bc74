//! Finds Python interpreters and asks them what they are.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::output;
use crate::request::{OLDEST, Request};

/// An interpreter that was seen to run.
#[derive(Clone)]
pub(crate) struct Interpreter {
    /// The real executable; what people type may be a shim that costs every start tens of milliseconds.
    pub(crate) path: PathBuf,
    version: (u32, u32),
    pub(crate) free_threaded: bool,
}

impl Interpreter {
    /// `cp311`, `cp314t`: what wheels call it.
    pub(crate) fn tag(&self) -> String {
        let (major, minor) = self.version;
        format!(
            "cp{major}{minor}{}",
            if self.free_threaded { "t" } else { "" }
        )
    }

    #[cfg(test)]
    pub(crate) fn example(request: Request) -> Self {
        Self {
            path: PathBuf::from(request.program_name()),
            version: request.version,
            free_threaded: request.free_threaded,
        }
    }

    fn is_supported(&self) -> bool {
        self.version >= OLDEST
    }

    /// Whether it is what was asked for.
    pub(crate) fn fits(&self, request: Request) -> bool {
        (self.version, self.free_threaded) == (request.version, request.free_threaded)
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version;
        let threads = if self.free_threaded {
            ", free-threaded"
        } else {
            ""
        };
        write!(
            f,
            "{} (Python {major}.{minor}{threads})",
            self.path.display()
        )
    }
}

/// Runs an interpreter to learn what it is. The question is one that Python 2 understands too.
pub(crate) fn probe(program: impl AsRef<OsStr>) -> Result<Interpreter> {
    const QUESTION: &str = "import sys, sysconfig\nfor answer in (sys.executable, sys.version_info[0], \
        sys.version_info[1], sysconfig.get_config_var('Py_GIL_DISABLED') or 0): print(answer)";
    let program = program.as_ref();
    let text = output(Command::new(program).args(["-c", QUESTION]))
        .with_context(|| format!("{} is not a Python that runs", program.display()))?;
    let mut lines = text.lines();
    let mut next = || lines.next().context("Python said less than it was asked");
    let path = PathBuf::from(next()?);
    let version = (next()?.parse()?, next()?.parse()?);
    Ok(Interpreter {
        path,
        version,
        free_threaded: next()? != "0",
    })
}

/// The interpreters to test with: those given, or `SNAKEPIT_TEST_PYTHON`, or `python3`.
pub(crate) fn choose(given: &[PathBuf]) -> Result<Vec<Interpreter>> {
    let fallback = std::env::var_os("SNAKEPIT_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let programs = if given.is_empty() {
        vec![PathBuf::from(fallback)]
    } else {
        given.to_vec()
    };
    let mut chosen = Vec::new();
    for program in programs {
        let found =
            probe(&program).context("give one that does with --python PATH (3.8 or newer)")?;
        ensure!(
            found.is_supported(),
            "{found} is too old: give a newer one with --python PATH (3.8 or newer)"
        );
        chosen.push(found);
    }
    Ok(chosen)
}

/// The free-threaded interpreter to test with: `SNAKEPIT_TEST_FREE_THREADED`, or one that is installed.
pub(crate) fn free_threaded() -> Result<Option<Interpreter>> {
    let Some(given) = std::env::var_os("SNAKEPIT_TEST_FREE_THREADED") else {
        return Ok(find_version("3.14t"));
    };
    let found = probe(given).context("SNAKEPIT_TEST_FREE_THREADED")?;
    ensure!(
        found.free_threaded,
        "SNAKEPIT_TEST_FREE_THREADED: {found} is not free-threaded"
    );
    Ok(Some(found))
}

/// An interpreter too old to serve, to see it refused by name.
pub(crate) fn too_old() -> Option<Interpreter> {
    find(&[
        "python3.7",
        "python3.6",
        "python3.5",
        "python2.7",
        "python2",
    ])
    .find(|found| !found.is_supported())
}

/// An installed interpreter of that version, such as `3.14` or `3.14t`; see [`installed`].
///
/// # Panics
///
/// When the text is no version.
pub(crate) fn find_version(version: &str) -> Option<Interpreter> {
    installed(version.parse().expect("a version such as 3.14t"))
}

/// What is there already: on the path or in pyenv's care, then what `cargo xtask python` built, then what uv installed.
/// Nothing is built or downloaded.
pub(crate) fn installed(request: Request) -> Option<Interpreter> {
    let names = request.program_names();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    find(&names)
        .find(|found| found.fits(request))
        .or_else(|| built(request))
        .or_else(|| known_to_uv(request))
}

/// What `cargo xtask python` built earlier, if it is whole.
pub(crate) fn built(request: Request) -> Option<Interpreter> {
    let program = cached(request)?.join("bin").join(request.program_name());
    // Pip is installed last.
    output(Command::new(&program).args(["-c", "import pip, venv"])).ok()?;
    probe(program).ok().filter(|found| found.fits(request))
}

/// The folder a build is installed to; outside `target`, so that every clone finds it.
pub(crate) fn cached(request: Request) -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let caches =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("snakepit").join(format!("python-{request}")))
}

/// What uv installed earlier.
pub(crate) fn known_to_uv(request: Request) -> Option<Interpreter> {
    let mut uv = Command::new("uv");
    uv.args(["python", "find", "--system", "--no-project"])
        .arg("--no-python-downloads")
        .arg(request.to_string());
    probe(output(&mut uv).ok()?.trim())
        .ok()
        .filter(|found| found.fits(request))
}

/// Those of the names that are on the path, or in pyenv's care, and run.
fn find(names: &[&str]) -> impl Iterator<Item = Interpreter> {
    let mut programs: Vec<_> = names.iter().map(PathBuf::from).collect();
    // Pyenv puts a shim on the path for every version, but only the shims of selected versions run.
    for bin in pyenv_versions() {
        programs.extend(
            names
                .iter()
                .map(|name| bin.join(name))
                .filter(|program| program.is_file()),
        );
    }
    programs
        .into_iter()
        .filter_map(|program| probe(program).ok())
}

fn pyenv_versions() -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let Some(root) = root.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".pyenv")))
    else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(root.join("versions"))
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<_> = entries.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    versions.reverse();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_fits_its_own_version_and_build_only() {
        let request = |text: &str| text.parse::<Request>().expect("a version");
        let found = Interpreter::example(request("3.14t"));
        assert!(found.fits(request("3.14t")));
        for other in ["3.14", "3.13t", "3.15t"] {
            assert!(!found.fits(request(other)), "{other}");
        }
    }
}
