//! Finds the interpreter a request means. Knows no pool and no library.
//!
//! The order, for a request that names none: what somebody chose (`SNAKEPIT_PYTHON`, `VIRTUAL_ENV`, `CONDA_PREFIX`,
//! `.venv`), then what a shell would run (`PATH`), then what is only installed (uv, pyenv, Snakepit's own builds). `PATH`
//! comes before installations because who types `python3` expects the same interpreter here.

mod candidates;
mod outcome;
mod shim;
#[cfg(test)]
mod tests;
mod usable;

use std::collections::HashSet;
use std::path::PathBuf;

pub use outcome::{Found, NotFound, Provenance, Reason, Skipped};

use candidates::Candidate;

use crate::environment::Environment;
use crate::probe::{Probe, Prober};
use crate::process::Stop;
use crate::request::{Mismatch, Request};

/// Looks for interpreters.
///
/// ```no_run
/// use snakepit_python::{Finder, Request};
///
/// let request: Request = "3.14t".parse()?;
/// let found = Finder::of_this_process().find(&request)?;
/// println!("{} ({})", found.path.display(), found.provenance);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Finder {
    environment: Environment,
    prober: Prober,
}

impl Finder {
    /// Looks where this process would.
    pub fn of_this_process() -> Self {
        Self::new(Environment::of_this_process())
    }

    /// Looks where a process in this environment would.
    pub fn new(environment: Environment) -> Self {
        let prober = Prober::new(environment.clone());
        Self {
            environment,
            prober,
        }
    }

    /// Asks interpreters what they are by this prober.
    pub fn with_prober(mut self, prober: Prober) -> Self {
        self.prober = prober;
        self
    }

    /// Ends a search from another thread: what runs then is killed, and nothing is run later. A search that is given up
    /// without this (by leaving its thread to itself) goes on to its end, at most the time limit of each interpreter.
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.prober = self.prober.with_stop(stop);
        self
    }

    /// What runs the interpreters.
    pub fn prober(&self) -> &Prober {
        &self.prober
    }

    /// The first interpreter that will do.
    ///
    /// `any`, a command and a path are met by looking at files; nothing is run. For a version, candidates are run one by
    /// one until one is right (see [`Prober::probe_cached`]). `SNAKEPIT_PYTHON` that names nothing usable is an error, so
    /// that a mistake in it does not pass unseen; one of another version than the one asked for is passed over.
    ///
    /// # Errors
    /// [`NotFound`], with every candidate tried and why it would not do.
    ///
    /// # Blocking
    /// Looks at a few files; for a version also runs interpreters, about 50 ms each the first time.
    pub fn find(&self, request: &Request) -> Result<Found, NotFound> {
        let mut skipped = Vec::new();
        for candidate in Distinct::new(candidates::of(request, &self.environment)) {
            let reason = match self.check(&candidate, request) {
                Ok(probe) => {
                    return Ok(Found {
                        path: best_path(&candidate, probe.as_ref()),
                        provenance: candidate.provenance,
                        probe,
                        skipped,
                    });
                }
                Err(reason) => reason,
            };
            let ends_search = candidate.provenance.is_decisive() && !is_mismatch(&reason);
            skipped.push(candidate.skipped(reason));
            if ends_search {
                return Err(NotFound::new(request, skipped, true));
            }
        }
        Err(NotFound::new(request, skipped, false))
    }

    /// The first interpreter that will do, and what it says of itself.
    ///
    /// # Errors
    /// As [`find`](Self::find); also when the interpreter found does not answer.
    ///
    /// # Blocking
    /// As [`find`](Self::find), and runs the one found.
    pub fn find_and_probe(&self, request: &Request) -> Result<(Found, Probe), NotFound> {
        let mut found = self.find(request)?;
        if let Some(probe) = &found.probe {
            let probe = probe.clone();
            return Ok((found, probe));
        }
        match self.prober.probe_cached(&found.path) {
            Ok(probe) => {
                found.probe = Some(probe.clone());
                Ok((found, probe))
            }
            Err(error) => {
                found.skipped.push(Skipped {
                    path: found.path,
                    provenance: found.provenance,
                    reason: Reason::Probe(error),
                });
                // It is the one that would be run: another is not wanted.
                Err(NotFound::new(request, found.skipped, true))
            }
        }
    }

    /// Every interpreter there is, each once, in the order of the search; and those that would never do.
    ///
    /// # Blocking
    /// Each step runs an interpreter, or reads what it said the last time.
    pub fn all(&self) -> impl Iterator<Item = Result<Found, Skipped>> + '_ {
        let mut seen = HashSet::new();
        Distinct::new(candidates::of(&Request::Any, &self.environment)).filter_map(
            move |candidate| {
                let probed = usable::check(&candidate.path).and_then(|()| {
                    self.prober
                        .probe_cached(&candidate.path)
                        .map_err(Reason::Probe)
                });
                let probe = match probed {
                    Ok(probe) => probe,
                    Err(reason) => return Some(Err(candidate.skipped(reason))),
                };
                let identity = (outcome::real(&probe.executable), probe.prefix.clone());
                seen.insert(identity).then(|| {
                    Ok(Found {
                        path: best_path(&candidate, Some(&probe)),
                        provenance: candidate.provenance,
                        probe: Some(probe),
                        skipped: Vec::new(),
                    })
                })
            },
        )
    }

    fn check(&self, candidate: &Candidate, request: &Request) -> Result<Option<Probe>, Reason> {
        usable::check(&candidate.path)?;
        let Request::Version(wanted) = request else {
            return Ok(None);
        };
        let probe = self
            .prober
            .probe_cached(&candidate.path)
            .map_err(Reason::Probe)?;
        let found = probe.version.clone();
        match wanted.check(&probe.version, probe.free_threaded_build) {
            Ok(()) => Ok(Some(probe)),
            Err(Mismatch::Version) => Err(Reason::WrongVersion { found }),
            Err(Mismatch::FreeThreaded) => Err(Reason::FreeThreaded { found }),
            Err(Mismatch::NotFreeThreaded) => Err(Reason::NotFreeThreaded { found }),
        }
    }
}

impl Candidate {
    fn skipped(self, reason: Reason) -> Skipped {
        Skipped {
            path: self.path,
            provenance: self.provenance,
            reason,
        }
    }
}

fn is_mismatch(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::WrongVersion { .. } | Reason::NotFreeThreaded { .. } | Reason::FreeThreaded { .. }
    )
}

/// What to run: of a shim, the interpreter it stood for, which does not depend on where one is.
fn best_path(candidate: &Candidate, probe: Option<&Probe>) -> PathBuf {
    match probe {
        Some(probe) if shim::is_shim(&candidate.path) => probe.executable.clone(),
        _ => candidate.path.clone(),
    }
}

/// Leaves out candidates that are the same interpreter by another name.
struct Distinct<T> {
    candidates: T,
    seen: HashSet<(PathBuf, Option<PathBuf>)>,
}

impl<T> Distinct<T> {
    fn new(candidates: T) -> Self {
        let seen = HashSet::new();
        Self { candidates, seen }
    }
}

impl<T: Iterator<Item = Candidate>> Iterator for Distinct<T> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        let Self { candidates, seen } = self;
        candidates.find(|candidate| seen.insert(usable::identity(&candidate.path)))
    }
}
