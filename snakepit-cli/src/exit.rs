//! The exit codes. Knows not what leads to them.

use std::process::ExitCode;

/// How the program ends. The table in `--help` and in the README says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything worked.
    Ok,
    /// Python ran the command and it failed; or a check found what it looked for.
    Raised,
    /// The command line, the arguments or the configuration are wrong; no user code ran.
    Usage,
    /// A worker did not start, or was lost.
    Lost,
    /// The time ran out, someone stopped the call, or the pool would not take it.
    Late,
    /// A signal ended it.
    Signal(u8),
}

/// Shown at the end of the long help.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    it worked
  1    the command raised, or returned something that cannot be carried or written; a `--check` failed
  2    wrong usage, arguments or configuration; no command ran
  3    a worker did not start (adapter, interpreter) or was lost; no interpreter was found
  4    timed out, stopped from elsewhere, or rejected by the pool
  130  interrupted by Ctrl-C (143 by SIGTERM)";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Raised => 1,
            Exit::Usage => 2,
            Exit::Lost => 3,
            Exit::Late => 4,
            Exit::Signal(number) => 128 + number,
        })
    }
}
