//! `snakepit config`: is a file right, and what does it come to?

use std::fmt::Write as _;
use std::path::Path;

use snakepit_core::config::{Origin, Setting};
use snakepit_core::{Config, Registry};

use crate::args::{ConfigAction, ConfigArgs};
use crate::failure::Failure;
use crate::output;

/// Reads the file without starting anything.
pub(crate) fn run(args: &ConfigArgs, registry: &Registry) -> Result<(), Failure> {
    let (ConfigAction::Check { file } | ConfigAction::Show { file }) = &args.action;
    let config = Config::from_file(file, registry).map_err(Failure::Config)?;
    let text = match args.action {
        ConfigAction::Check { .. } => summary(file, &config),
        ConfigAction::Show { .. } => effective(file, &config),
    };
    output::line(&text).map(drop)
}

fn summary(file: &Path, config: &Config) -> String {
    let names: Vec<&str> = config.pools.iter().map(|pool| pool.name.as_str()).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!(
        "{}: ok, {} pool{plural}: {}",
        file.display(),
        names.len(),
        names.join(", ")
    )
}

/// The configuration as a file that would be read the same way.
fn effective(file: &Path, config: &Config) -> String {
    let mut text = String::from("pools:");
    for pool in &config.pools {
        let lines: Vec<_> = pool
            .provenance
            .iter()
            .map(|setting| line(file, setting))
            .collect();
        let width = lines
            .iter()
            .map(|(left, _)| left.chars().count())
            .max()
            .unwrap_or(0)
            .min(48);
        for (index, (left, origin)) in lines.iter().enumerate() {
            let indent = if index == 0 { "  - " } else { "    " };
            let _ = write!(text, "\n{indent}{left:width$}  # {origin}");
        }
    }
    text
}

fn line(file: &Path, setting: &Setting) -> (String, String) {
    match (&setting.value, setting.origin) {
        (Some(value), Origin::Line(line)) => (
            format!("{}: {value}", setting.key),
            format!("{}:{line}", file.display()),
        ),
        (Some(value), _) => (format!("{}: {value}", setting.key), "default".to_owned()),
        (None, _) => (format!("# {}:", setting.key), "not set".to_owned()),
    }
}
