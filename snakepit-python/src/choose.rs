//! From what is asked for to the interpreter and the worker profile: one answer for pools and for people. Judges nothing.

use std::path::{Path, PathBuf};

use crate::adapter::AdapterSpec;
use crate::finder::{Finder, Found, NotFound};
use crate::probe::{Probe, Prober};
use crate::recommend::{Facts, Recommendation, recommend};
use crate::request::Request;
use crate::scan::{AdapterFacts, ScanError, names_a_file, scan, scan_modules};

/// An interpreter, and the worker profile that suits it and the adapter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Choice {
    /// The interpreter.
    pub found: Found,
    /// What it says of itself.
    pub probe: Probe,
    /// What the adapter's file says of itself, or why it could not be read; `None` when none was named.
    pub adapter: Option<Result<AdapterFacts, ScanError>>,
    /// The profile to use, and why.
    pub recommendation: Recommendation,
}

impl Finder {
    /// Finds the interpreter, reads the adapter by it without running it, and recommends a worker profile for both.
    ///
    /// `adapter` is named as for [`scan`]: a module is looked for in each of `folders` in turn, a path starts from the first.
    /// One that cannot be read is no error, but a reason against threads, in its own words. Listed modules are taken for what
    /// an adapter imports that declares nothing.
    ///
    /// # Errors
    /// As [`find_and_probe`](Self::find_and_probe).
    ///
    /// # Blocking
    /// As [`find_and_probe`](Self::find_and_probe); runs the interpreter once more for an adapter, about 20 ms. A
    /// [`Stop`](crate::Stop) ends both.
    pub fn choose(
        &self,
        request: &Request,
        adapter: Option<&AdapterSpec>,
        folders: &[PathBuf],
    ) -> Result<Choice, NotFound> {
        let (found, probe) = self.find_and_probe(request)?;
        let look = |adapter: &AdapterSpec| match adapter {
            AdapterSpec::Named(name) => scan_in(self.prober(), &found.path, name, folders),
            AdapterSpec::Modules(names) => scan_modules(self.prober(), &found.path, names, folders),
        };
        let adapter = adapter.map(look);
        let facts = Facts::new(&probe);
        let recommendation = recommend(&match &adapter {
            None => facts,
            Some(Ok(adapter)) => facts.with_adapter(adapter),
            Some(Err(error)) => facts.with_unreadable_adapter(error),
        });
        Ok(Choice {
            found,
            probe,
            adapter,
            recommendation,
        })
    }
}

/// Reads the adapter in the first folder that has it.
fn scan_in(
    prober: &Prober,
    python: &Path,
    adapter: &str,
    folders: &[PathBuf],
) -> Result<AdapterFacts, ScanError> {
    let most = if names_a_file(adapter) {
        1
    } else {
        folders.len()
    };
    for folder in folders.iter().take(most) {
        match scan(prober, python, adapter, folder) {
            Err(ScanError::NoFile(_)) => {}
            answer => return answer,
        }
    }
    Err(ScanError::NoFile(adapter.to_owned()))
}
