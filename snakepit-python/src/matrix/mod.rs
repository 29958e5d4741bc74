//! What is known about libraries: where their objects may be shared, what they do to the GIL, to a fork and in a
//! sub-interpreter. The facts are in `libraries.yaml`; knows no interpreter that is really there.

mod facts;
mod judge;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::probe::Probe;
use crate::profile::Profile;

pub use facts::{
    Fact, Fork, ForkAfterImport, ForkAfterUse, FreeThreading, Gil, Library, ReleasesGil, Sharing,
    SharingFact, SubInterpreters,
};
pub use verdict::{Build, Installed, Judgement, Verdict};

static BUILTIN: LazyLock<Matrix> = LazyLock::new(|| {
    // A test reads the same file.
    Matrix::parse(include_str!("libraries.yaml"))
        .expect("the file is part of this crate and tested")
});

/// Facts about libraries.
#[derive(Clone, Debug)]
pub struct Matrix {
    libraries: Vec<Library>,
    /// Every name of a library, normalised.
    names: HashMap<String, usize>,
}

impl Matrix {
    /// The facts that come with this crate.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads facts written as those of this crate are: see `docs/python.md`.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(yaml: &str) -> Result<Self, serde_yaml::Error> {
        let libraries: Vec<Library> = serde_yaml::from_str(yaml)?;
        let mut names = HashMap::new();
        for (index, library) in libraries.iter().enumerate() {
            for name in library.all_names() {
                names.entry(normalise(name)).or_insert(index);
            }
        }
        Ok(Self { libraries, names })
    }

    /// Every library there is something known about.
    pub fn libraries(&self) -> impl Iterator<Item = &Library> {
        self.libraries.iter()
    }

    /// The library of this name: of its distribution (`scikit-learn`), or of what is imported (`sklearn`). Upper and
    /// lower case, `-`, `_` and `.` make no difference.
    pub fn get(&self, name: &str) -> Option<&Library> {
        let index = self.names.get(&normalise(name))?;
        self.libraries.get(*index)
    }

    /// The part of a module's full name that a library is known by: `google.protobuf` of `google.protobuf.message`. The
    /// first part if there is nothing known about it.
    pub fn import_of<'m>(&self, module: &'m str) -> &'m str {
        let ends = module.match_indices('.').map(|(index, _)| index);
        let mut starts = ends.chain([module.len()]).map(|end| &module[..end]);
        let known = starts.clone().find(|start| self.get(start).is_some());
        known.or_else(|| starts.next()).unwrap_or(module)
    }

    /// The names of every distribution, to ask an interpreter for.
    pub(crate) fn distributions(&self) -> impl Iterator<Item = &str> {
        let distributions = self.libraries.iter().flat_map(Library::distributions);
        distributions.map(String::as_str)
    }

    /// What to import to have a library, by any of its names; the name itself if nothing is known about it.
    pub fn module(&self, library: &str) -> String {
        match self.get(library) {
            Some(known) => known.module().to_owned(),
            None => library.replace('-', "_"),
        }
    }

    /// What an interpreter says is installed there of a library. `library` is any of its names.
    pub fn installed<'p>(&self, library: &str, probe: &'p Probe) -> Installed<'p> {
        let distributions = self.get(library).map_or(&[][..], Library::distributions);
        let version = distributions
            .iter()
            .find_map(|name| probe.libraries.get(name));
        version.map_or(Installed::No, |version| Installed::Version(version))
    }

    /// Whether a library may be used under a profile, on a build of Python.
    ///
    /// `library` is any of its names. One nothing is known about is [`Verdict::Unknown`]. Pure: looks at nothing but the
    /// facts.
    pub fn judge(
        &self,
        library: &str,
        installed: Installed<'_>,
        profile: Profile,
        build: &Build,
    ) -> Judgement {
        match self.get(library) {
            Some(library) => judge::judge(library, installed, profile, build),
            None => Judgement::unknown(library),
        }
    }
}

/// One spelling for all that name the same distribution.
pub(crate) fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            _ => normal.extend(c.to_lowercase()),
        }
    }
    normal
}
