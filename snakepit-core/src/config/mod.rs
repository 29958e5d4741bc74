//! Configuration: a YAML text becomes pools ready to be started, or a report of all that is wrong
//! with it. Knows no profile: the keys of a profile are read by the factory registered for it.
//!
//! ```text
//! text --tree::parse--> tree of nodes --model::read_file--> Section per mapping --> PoolConfig
//!                                     original: old names    ProfileFactory: the profile's keys
//! ```

mod locate;
mod model;
mod nearest;
mod original;
mod provenance;
mod registry;
mod report;
pub mod scalar;
mod section;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod wording;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ids::PoolName;
use crate::pool::PoolSettings;
use crate::recycle::RecyclePolicy;
use crate::usage::Meter;
use crate::worker::WorkerProfile;

pub use locate::Position;
pub(crate) use nearest::nearest;
pub use provenance::{Origin, Setting};
pub use registry::{PolicyFactory, ProfileFactory, Registry};
pub use report::{ConfigReport, Problem};
pub use section::Section;

use report::Finding;
use section::Source;

/// A configuration that is right as far as anyone can tell without starting it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// The pools, in the order of the file. At least one when it came from a file.
    pub pools: Vec<PoolConfig>,
}

/// One pool of a configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Its name, unique within the configuration.
    pub name: PoolName,
    /// What launches its workers.
    pub profile: Arc<dyn WorkerProfile>,
    /// The numbers it is run by.
    pub settings: PoolSettings,
    /// When its workers are replaced.
    pub policies: Vec<Arc<dyn RecyclePolicy>>,
    /// What measures its workers.
    pub meter: Option<Arc<dyn Meter>>,
    /// Each key that was read, its value, and where that came from, in the order of reading.
    pub provenance: Vec<Setting>,
}

impl PoolConfig {
    /// A pool that does not come from a file, with default settings.
    pub fn new(name: impl Into<PoolName>, profile: Arc<dyn WorkerProfile>) -> Self {
        let (settings, provenance) = (PoolSettings::default(), Vec::new());
        Self {
            name: name.into(),
            profile,
            settings,
            policies: Vec::new(),
            meter: None,
            provenance,
        }
    }

    /// With these settings.
    pub fn with_settings(mut self, settings: PoolSettings) -> Self {
        self.settings = settings;
        self
    }
}

impl Config {
    /// A configuration without pools, to be filled by hand.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more pool.
    pub fn with_pool(mut self, pool: PoolConfig) -> Self {
        self.pools.push(pool);
        self
    }

    /// Reads a file. Relative paths in it start from its directory.
    ///
    /// # Errors
    /// All that is wrong with it, or why it cannot be read.
    ///
    /// # Blocking
    /// Reads the file; meant for the start of a program.
    pub fn from_file(path: impl AsRef<Path>, registry: &Registry) -> Result<Self, ConfigReport> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let base_dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match std::fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::parse(&text, &name, base_dir, registry),
                Err(error) => Err(not_text(&name, error)),
            },
            Err(error) => {
                let finding = Finding::without_position(format!("cannot read the file: {error}"));
                Err(ConfigReport::new(&name, &"".into(), vec![finding]))
            }
        }
    }

    /// Reads a text. `name` is what reports call it; relative paths in it start from `base_dir`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        text: &str,
        name: &str,
        base_dir: impl Into<PathBuf>,
        registry: &Registry,
    ) -> Result<Self, ConfigReport> {
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let mut source = Source {
            text: Arc::clone(&text),
            base_dir: base_dir.into(),
            findings: Vec::new(),
        };
        let pools = match tree::parse(&text, &mut source.findings) {
            Ok(root) => model::read_file(root, &mut source, registry),
            Err(error) => {
                source.findings.push(tree::syntax_error(&text, &error));
                Vec::new()
            }
        };
        if source.findings.is_empty() {
            Ok(Self { pools })
        } else {
            Err(ConfigReport::new(name, &text, source.findings))
        }
    }
}

fn not_text(name: &str, error: std::string::FromUtf8Error) -> ConfigReport {
    let valid = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(&error.as_bytes()[..valid]);
    let line = text.matches('\n').count() + 1;
    let column = text
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    let finding = Finding::at(
        Position { line, column },
        "the file is not UTF-8 text".into(),
    );
    ConfigReport::new(
        name,
        &String::from_utf8_lossy(&error.into_bytes()).into(),
        vec![finding],
    )
}
