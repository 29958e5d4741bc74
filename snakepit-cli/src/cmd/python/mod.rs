//! `snakepit python`: which interpreters there are, what they are, and what suits them. One module per action.

mod compat;
mod list;
mod probe;
mod recommend;
mod table;

use serde_json::{Value, json};
use snakepit_core::Registry;
use snakepit_python::{Environment, Finder, Found, Probe, Prober, Stop};

use crate::args::{Format, PythonAction, PythonArgs};
use crate::failure::Failure;
use crate::{output, running};

/// Looks for interpreters and runs them; whatever runs is killed when a signal comes.
pub(crate) fn run(args: PythonArgs, registry: &Registry) -> Result<(), Failure> {
    if matches!(args.action, PythonAction::Bridge) {
        let folder = snakepit_profiles::bridge().map_err(Failure::System)?;
        return output::line(&folder.display().to_string()).map(drop);
    }
    let registry = registry.clone();
    running::stoppable(move |stop| match args.action {
        PythonAction::List(args) => list::run(&args, &finder(Environment::of_this_process(), stop)),
        PythonAction::Probe(args) => probe::run(&args, &prober(stop)),
        PythonAction::Recommend(args) => recommend::run(&args, &registry, stop),
        PythonAction::Compat(args) => {
            compat::run(&args, &finder(Environment::of_this_process(), stop))
        }
        PythonAction::Bridge => Ok(()),
    })
}

fn prober(stop: &Stop) -> Prober {
    Prober::of_this_process().with_stop(stop.clone())
}

fn finder(environment: Environment, stop: &Stop) -> Finder {
    Finder::new(environment).with_stop(stop.clone())
}

/// Prints the one that was asked for.
fn print(
    format: Format,
    text: impl FnOnce() -> String,
    json: impl FnOnce() -> Value,
) -> Result<(), Failure> {
    match format {
        Format::Text => output::coloured_line(&text()),
        Format::Json => output::line(&json().to_string()),
    }
    .map(drop)
}

/// 3.14.2, or 3.14.2t for a free-threaded build.
fn version(probe: &Probe) -> String {
    let build = if probe.free_threaded_build { "t" } else { "" };
    format!("{}{build}", probe.version)
}

fn gil(probe: &Probe) -> &'static str {
    if probe.gil_enabled {
        "GIL on"
    } else {
        "GIL off"
    }
}

/// Everything known of an interpreter, and where it was found.
fn to_json(found: &Found, probe: &Probe) -> Value {
    let mut value = json!(probe);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("path".into(), json!(found.path));
        fields.insert("provenance".into(), json!(found.provenance));
    }
    value
}
