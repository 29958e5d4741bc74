//! Which interpreter to start; finds files, and must not run any.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use snakepit_core::LaunchError;
use snakepit_core::error::LaunchErrorKind;

/// The interpreter to start: the configured one (a path, or a name to look up in `PATH`), or the first of those a shell
/// user would expect.
///
/// # Errors
/// [`LaunchErrorKind::Interpreter`] naming everything that was tried.
///
/// # Blocking
/// Looks at a few files.
pub(crate) fn find(configured: Option<&str>) -> Result<PathBuf, LaunchError> {
    Search::of_this_process().find(configured)
}

/// What the choice depends on.
struct Search {
    named: Option<OsString>,
    environment: Option<OsString>,
    path: OsString,
    folder: PathBuf,
}

impl Search {
    fn of_this_process() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            named: set("SNAKEPIT_PYTHON"),
            environment: set("VIRTUAL_ENV"),
            path: set("PATH").unwrap_or_default(),
            folder: PathBuf::new(),
        }
    }

    fn find(&self, configured: Option<&str>) -> Result<PathBuf, LaunchError> {
        if let Some(name) = configured {
            return self.named(Path::new(name)).ok_or_else(|| {
                missing(&format!(
                    "`{name}` (from `python`) is not there or cannot be executed"
                ))
                .with_hint("`python` is the path of an interpreter, or a name to look up in PATH")
            });
        }
        if let Some(name) = &self.named {
            return self.named(Path::new(name)).ok_or_else(|| {
                let name = name.display();
                missing(&format!(
                    "`{name}` (from SNAKEPIT_PYTHON) is not there or cannot be executed"
                ))
                .with_hint("set SNAKEPIT_PYTHON to the path of an interpreter, or unset it")
            });
        }
        let environment = self
            .environment
            .as_ref()
            .map(|root| Path::new(root).join("bin/python"));
        let local = self.folder.join(".venv/bin/python");
        let mut tried = Vec::new();
        for candidate in environment.into_iter().chain([local]) {
            if executable(&candidate) {
                return Ok(candidate);
            }
            tried.push(candidate.display().to_string());
        }
        for name in ["python3", "python"] {
            if let Some(found) = self.named(Path::new(name)) {
                return Ok(found);
            }
            tried.push(format!("{name} in PATH"));
        }
        Err(
            missing(&format!("none found; tried {}", tried.join(", "))).with_hint(
                "install CPython 3.8 or newer, or name one with `python` or SNAKEPIT_PYTHON",
            ),
        )
    }

    /// A path as it is; a bare name from the folders of `PATH`.
    fn named(&self, name: &Path) -> Option<PathBuf> {
        if name.components().count() > 1 || name.is_absolute() {
            return executable(name).then(|| name.to_owned());
        }
        env::split_paths(&self.path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|candidate| executable(candidate))
    }
}

fn missing(message: &str) -> LaunchError {
    LaunchError::new(LaunchErrorKind::Interpreter(message.to_owned()))
}

fn executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn install(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn search(root: &Path) -> Search {
        Search {
            named: None,
            environment: Some(root.join("env").into()),
            path: root.join("bin").into(),
            folder: root.join("project"),
        }
    }

    #[test]
    fn the_nearest_interpreter_wins() {
        let root = tempfile::tempdir().unwrap();
        let mut search = search(root.path());
        let steps = [
            "bin/python",
            "bin/python3",
            "project/.venv/bin/python",
            "env/bin/python",
            "own",
        ];
        for step in steps {
            let path = root.path().join(step);
            install(&path);
            if step == "own" {
                search.named = Some(path.clone().into());
            }
            assert_eq!(search.find(None).unwrap(), path);
        }
        assert_eq!(
            search.find(Some("python3")).unwrap(),
            root.path().join("bin/python3")
        );
    }

    #[test]
    fn a_missing_one_is_an_error_that_names_what_was_tried() {
        let root = tempfile::tempdir().unwrap();
        let search = search(root.path());
        let error = search.find(None).unwrap_err();
        let text = error.to_string();
        for name in [
            "env/bin/python",
            ".venv/bin/python",
            "python3 in PATH",
            "python in PATH",
        ] {
            assert!(text.contains(name), "{text}");
        }
        assert!(error.is_permanent() && error.hint().is_some());
        assert!(
            search
                .find(Some("./nothing"))
                .unwrap_err()
                .to_string()
                .contains("./nothing")
        );
    }
}
