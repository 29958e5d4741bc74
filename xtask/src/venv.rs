//! Virtual environments of our own under the target directory, with pinned packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::interpreter::Interpreter;

/// The environment for `interpreter` in `directory` with the packages of a requirements file; its programs are in the
/// directory returned. Made anew when interpreter or requirements changed.
pub(crate) fn ensure(
    interpreter: &Interpreter,
    directory: &Path,
    requirements: &Path,
) -> Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let wanted = format!("{interpreter}\n{wanted}");
    // Written last, so that a half-made environment is made again.
    let stamp = directory.join("made-from");
    let programs = directory.join("bin");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(programs);
    }
    make(interpreter, directory)?;
    install(&programs, requirements)?;
    std::fs::write(stamp, wanted)?;
    Ok(programs)
}

fn make(interpreter: &Interpreter, directory: &Path) -> Result<()> {
    let mut command = Command::new(&interpreter.path);
    let made = command
        .args(["-m", "venv", "--clear"])
        .arg(directory)
        .stdin(Stdio::null())
        .output()?;
    if !made.status.success() {
        let said = [made.stdout, made.stderr].concat();
        bail!(
            "{interpreter} cannot make a virtual environment: install its `venv` module (Debian and Ubuntu: \
             apt-get install python3-venv) or choose another interpreter with --python PATH\n{}",
            String::from_utf8_lossy(&said).trim_end()
        );
    }
    Ok(())
}

fn install(programs: &Path, requirements: &Path) -> Result<()> {
    let mut pip = Command::new(programs.join("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--requirement",
    ]);
    if !pip
        .arg(requirements)
        .stdin(Stdio::null())
        .status()?
        .success()
    {
        bail!(
            "pip could not install {}: see its message above; it needs a package index it can reach, or a folder of \
             wheels named by PIP_FIND_LINKS together with PIP_NO_INDEX=1",
            requirements.display()
        );
    }
    Ok(())
}
