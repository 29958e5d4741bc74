//! The interpreters of a comparison and what they can do; must not know what is measured.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Asks an interpreter everything in one start.
const QUESTION: &str = "
import json, sys, sysconfig
def version(name):
    try: return __import__(name).__version__
    except Exception: return None
print(json.dumps({
    'version': sys.version_info[:2], 'full': sys.version, 'options': sysconfig.get_config_var('CONFIG_ARGS') or '',
    'free_threaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
    'numpy': version('numpy'), 'pandas': version('pandas'),
}))";

/// An interpreter that was seen to run.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    pub(crate) path: PathBuf,
    pub(crate) version: (u64, u64),
    pub(crate) free_threaded: bool,
    pub(crate) numpy: Option<String>,
    pub(crate) pandas: Option<String>,
    /// What `sys.version` says.
    full: String,
    /// Whether it was compiled with all optimisations: interpreters that were not are up to a third slower.
    optimised: bool,
}

impl Interpreter {
    pub(crate) fn probe(path: PathBuf) -> Result<Self> {
        let output = Command::new(&path)
            .args(["-c", QUESTION])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("{} does not run", path.display()))?;
        ensure!(
            output.status.success(),
            "{} is not a Python that runs: {}",
            path.display(),
            output.status
        );
        let said = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("what {} said about itself", path.display()))?;
        Ok(Self::from_said(path, &said))
    }

    fn from_said(path: PathBuf, said: &Value) -> Self {
        let text = |key: &str| said[key].as_str().map(str::to_owned);
        let number = |index: usize| said["version"][index].as_u64().unwrap_or_default();
        Self {
            path,
            version: (number(0), number(1)),
            free_threaded: said["free_threaded"].as_bool().unwrap_or_default(),
            numpy: text("numpy"),
            pandas: text("pandas"),
            full: text("full").unwrap_or_default(),
            optimised: text("options")
                .unwrap_or_default()
                .contains("--enable-optimizations"),
        }
    }

    /// `3.14`, `3.14t`: what people call it.
    pub(crate) fn name(&self) -> String {
        let (major, minor) = self.version;
        format!(
            "{major}.{minor}{}",
            if self.free_threaded { "t" } else { "" }
        )
    }

    pub(crate) fn describe(&self) -> Value {
        json!({
            "name": self.name(), "path": self.path, "version": self.full, "free_threaded": self.free_threaded,
            "optimised": self.optimised, "numpy": self.numpy, "pandas": self.pandas,
        })
    }
}

/// What a full comparison would have in addition, and how to get it.
pub(crate) fn missing(interpreters: &[Interpreter]) -> Vec<String> {
    let has = |free_threaded: bool| {
        interpreters
            .iter()
            .any(|found| found.free_threaded == free_threaded && found.version >= (3, 14))
    };
    let mut missing = Vec::new();
    if !has(false) {
        missing.push(
            "no ordinary Python 3.14 here, so the thread and interpreter profiles were left out on an ordinary build: \
             get it with `cargo xtask python 3.14` (by uv, or with --source Python-3.14.x.tar.xz), or name one with --python \
             PATH"
                .to_owned(),
        );
    }
    if !has(true) {
        missing.push(
            "no free-threaded Python 3.14 here, so threads that really run at once were left out: get it with \
             `cargo xtask python 3.14t` (by uv, or with --source Python-3.14.x.tar.xz), or name one with --python PATH"
                .to_owned(),
        );
    }
    for lacking in interpreters
        .iter()
        .filter(|found| found.numpy.is_none() || found.pandas.is_none())
    {
        missing.push(format!(
            "no NumPy or pandas for Python {}, so what needs them was left out there",
            lacking.name()
        ));
    }
    missing
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn interpreter(version: (u64, u64), free_threaded: bool) -> Interpreter {
        let said = json!({
            "version": [version.0, version.1], "free_threaded": free_threaded, "numpy": "2", "pandas": "3", "full": "",
            "options": "'--enable-optimizations'",
        });
        Interpreter::from_said("python".into(), &said)
    }

    #[test]
    fn an_interpreter_is_called_as_people_call_it() {
        assert_eq!(interpreter((3, 14), true).name(), "3.14t");
        assert_eq!(interpreter((3, 8), false).name(), "3.8");
    }

    #[test]
    fn what_is_missing_is_said_with_the_remedy() {
        let (old, ordinary, free) = (
            interpreter((3, 11), false),
            interpreter((3, 14), false),
            interpreter((3, 14), true),
        );
        assert_eq!(missing(&[ordinary.clone(), free.clone()]), [""; 0]);
        let found = missing(std::slice::from_ref(&old));
        assert!(found.len() == 2 && found[1].contains("xtask python 3.14t"));
        assert_eq!(missing(&[old, free.clone()]).len(), 1);
        let bare = Interpreter {
            numpy: None,
            ..free
        };
        assert!(missing(&[ordinary, bare])[0].contains("NumPy"));
    }
}
