//! The interpreters a request may mean, in documented order, found one by one. Looks at names only; runs nothing.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use super::outcome::Provenance;
use super::{shim, usable};
use crate::environment::Environment;
use crate::request::Request;

/// An interpreter that may be there and may be the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) provenance: Provenance,
}

impl Candidate {
    fn new(path: PathBuf, provenance: Provenance) -> Self {
        // Whoever runs it may be elsewhere by then. Only a name is one that was not found.
        let is_name = path.components().count() == 1 && !path.has_root();
        let absolute = std::path::absolute(&path).ok().filter(|_| !is_name);
        Self {
            path: absolute.unwrap_or(path),
            provenance,
        }
    }
}

type Candidates<'a> = Box<dyn Iterator<Item = Candidate> + 'a>;

/// Every candidate, the best first. Each source is looked at when those before it are used up.
pub(super) fn of<'a>(request: &'a Request, environment: &'a Environment) -> Candidates<'a> {
    match request {
        Request::Path(path) => {
            let only_a_name = path.components().count() == 1 && !path.has_root();
            // With a folder, lest it be taken for a command.
            let prefix = Path::new(if only_a_name { "." } else { "" });
            let path = usable::in_folder(environment.folder().join(prefix).join(path));
            Box::new(std::iter::once(Candidate::new(path, Provenance::Request)))
        }
        Request::Name(name) => {
            let candidate = command(name, Provenance::Request, environment);
            Box::new(std::iter::once(candidate))
        }
        Request::Any | Request::Version(_) => everywhere(environment),
    }
}

/// What somebody chose, then what is at hand, then what is only installed.
fn everywhere(environment: &Environment) -> Candidates<'_> {
    let chosen = |build: fn(&Environment) -> Option<Candidate>| {
        std::iter::once_with(move || build(environment)).flatten()
    };
    let variable = std::iter::once_with(|| {
        let value = environment.get("SNAKEPIT_PYTHON")?.to_string_lossy();
        Some(by_variable(&value, environment))
    });
    Box::new(
        variable
            .flatten()
            .chain(chosen(virtual_environment))
            .chain(chosen(|environment| conda(environment, false)))
            .chain(chosen(|environment| {
                let path = environment.folder().join(".venv/bin/python");
                Some(Candidate::new(path, Provenance::ProjectVenv))
            }))
            .chain(chosen(|environment| conda(environment, true)))
            .chain(
                ["python3", "python"]
                    .into_iter()
                    .flat_map(|name| named(name, Provenance::Path, environment)),
            )
            .chain(lazily(|| numbered(environment)))
            .chain(lazily(|| installed(uv(environment), Provenance::Uv)))
            .chain(lazily(|| installed(pyenv(environment), Provenance::Pyenv)))
            .chain(lazily(|| installed(own(environment), Provenance::Snakepit))),
    )
}

fn lazily<T: Iterator>(build: impl FnOnce() -> T) -> impl Iterator<Item = T::Item> {
    std::iter::once_with(build).flatten()
}

fn by_variable(value: &str, environment: &Environment) -> Candidate {
    if !value.contains('/') {
        return command(value, Provenance::SnakepitPython, environment);
    }
    let path = usable::in_folder(environment.folder().join(value));
    Candidate::new(path, Provenance::SnakepitPython)
}

/// What a shell would run: the first in `PATH` that can be run. If none can, the first that is there, to be told why not.
fn command(name: &str, provenance: Provenance, environment: &Environment) -> Candidate {
    let mut candidates: Vec<_> = named(name, provenance, environment).collect();
    let usable = candidates
        .iter()
        .position(|candidate| usable::check(&candidate.path).is_ok());
    candidates.swap_remove(usable.unwrap_or(0))
}

fn virtual_environment(environment: &Environment) -> Option<Candidate> {
    let path = environment.path("VIRTUAL_ENV")?.join("bin/python");
    Some(Candidate::new(path, Provenance::VirtualEnv))
}

/// The base environment is active for all who installed conda, so it is less of a choice than a project's `.venv`.
fn conda(environment: &Environment, base: bool) -> Option<Candidate> {
    let is_base = environment
        .get("CONDA_DEFAULT_ENV")
        .is_some_and(|name| name == "base");
    let path = environment.path("CONDA_PREFIX")?.join("bin/python");
    (is_base == base).then(|| Candidate::new(path, Provenance::Conda))
}

/// A command in each folder of `PATH` that has one; just its name if none has.
fn named<'a>(
    name: &'a str,
    provenance: Provenance,
    environment: &'a Environment,
) -> impl Iterator<Item = Candidate> + 'a {
    let folders = environment.search_path().into_iter();
    let mut found = folders
        .filter_map(move |folder| {
            let path = folder.join(name);
            if !shim::is_shims(&folder, environment) {
                return path.symlink_metadata().is_ok().then_some(path);
            }
            // What pyenv looks up elsewhere is left to pyenv.
            path.is_file()
                .then(|| shim::resolve(name, environment).unwrap_or(path))
        })
        .map(move |path| Candidate::new(path, provenance))
        .peekable();
    let none = found
        .peek()
        .is_none()
        .then(|| Candidate::new(name.into(), provenance));
    found.chain(none)
}

/// `python3.14`, `python3.13t` and so on in `PATH`, the newest of each folder first.
///
/// Not those of pyenv: its shims have a name for every version it ever installed, most of which fail.
fn numbered(environment: &Environment) -> impl Iterator<Item = Candidate> + '_ {
    let folders = environment.search_path().into_iter();
    let folders = folders.filter(|folder| !shim::is_shims(folder, environment));
    folders.flat_map(|folder| {
        let mut names: Vec<_> = entries(&folder)
            .filter_map(|name| Some((minor(&name)?, name)))
            .collect();
        names.sort_by_key(|(minor, name)| (Reverse(*minor), name.len()));
        names
            .into_iter()
            .map(move |(_, name)| Candidate::new(folder.join(name), Provenance::Path))
    })
}

/// The 14 of `python3.14` and `python3.14t`.
fn minor(name: &str) -> Option<u32> {
    let number = name.strip_prefix("python3.")?;
    number.strip_suffix('t').unwrap_or(number).parse().ok()
}

fn uv(environment: &Environment) -> Option<PathBuf> {
    let set = environment.path("UV_PYTHON_INSTALL_DIR");
    set.or_else(|| {
        Some(
            environment
                .xdg("XDG_DATA_HOME", ".local/share")?
                .join("uv/python"),
        )
    })
}

fn pyenv(environment: &Environment) -> Option<PathBuf> {
    Some(shim::root(environment)?.join("versions"))
}

fn own(environment: &Environment) -> Option<PathBuf> {
    Some(
        environment
            .xdg("XDG_CACHE_HOME", ".cache")?
            .join("snakepit"),
    )
}

/// The interpreters in the folders of one, those with the highest number in their name first.
fn installed(root: Option<PathBuf>, provenance: Provenance) -> impl Iterator<Item = Candidate> {
    let root = root.unwrap_or_default();
    let mut folders: Vec<_> = entries(&root)
        .filter(|name| !name.starts_with('.'))
        .filter(|name| provenance != Provenance::Snakepit || name.starts_with("python-"))
        .map(|name| (Reverse(numbers(&name)), name))
        .collect();
    folders.sort();
    folders
        .into_iter()
        .map(move |(_, name)| usable::in_folder(root.join(name)))
        .filter(|python| python.symlink_metadata().is_ok_and(|found| !found.is_dir()))
        .map(move |path| Candidate::new(path, provenance))
}

/// 3, 14, 2 of `cpython-3.14.2-linux`.
fn numbers(name: &str) -> Vec<u32> {
    let start = name
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(name.len());
    let number = name[start..]
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next();
    let parts = number.unwrap_or_default().split('.');
    parts.map_while(|part| part.parse().ok()).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
