//! `snakepit python probe`: what an interpreter is.

use clap::builder::styling::Style;
use snakepit_python::{Environment, Finder, Found, Probe, Prober};

use super::table::{self, NAME};
use super::{print, to_json, version};
use crate::args::{ProbeArgs, request};
use crate::failure::Failure;

/// Finds it and runs it once.
pub(super) fn run(args: &ProbeArgs, prober: &Prober) -> Result<(), Failure> {
    let request = request(&args.request)?;
    let prober = prober.clone();
    let prober = if args.fresh {
        prober.without_cache()
    } else {
        prober
    };
    let finder = Finder::new(Environment::of_this_process()).with_prober(prober);
    let (found, probe) = finder
        .find_and_probe(&request)
        .map_err(Failure::Interpreter)?;
    print(
        args.format.format,
        || text(&found, &probe),
        || to_json(&found, &probe),
    )
}

fn text(found: &Found, probe: &Probe) -> String {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let libc = probe.libc.as_ref().map_or_else(
        || "unknown".to_owned(),
        |libc| format!("{} {}", libc.name, libc.version).trim().to_owned(),
    );
    let quota = probe.cpu.quota.map_or_else(String::new, |quota| {
        format!(", limited to {quota:.2} by its control group")
    });
    let environment = if probe.virtual_environment {
        format!("yes, made from {}", probe.base_prefix.display())
    } else {
        "no".to_owned()
    };
    let mut rows = vec![
        (
            "interpreter",
            format!("{} ({})", found.path.display(), found.provenance),
        ),
        (
            "version",
            format!("{} {}", probe.implementation, version(probe)),
        ),
        ("free-threaded build", yes_no(probe.free_threaded_build)),
        (
            "GIL",
            if probe.gil_enabled { "on" } else { "off" }.to_owned(),
        ),
        ("sub-interpreters", yes_no(probe.subinterpreters)),
        ("executable", probe.executable.display().to_string()),
        ("prefix", probe.prefix.display().to_string()),
        ("virtual environment", environment),
        ("C library", libc),
        ("CPUs", format!("{}{quota}", probe.cpu.affinity)),
    ];
    let libraries: Vec<String> = probe
        .libraries
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let none = "none of those in the compatibility matrix".to_owned();
    rows.push((
        "libraries",
        if libraries.is_empty() {
            none
        } else {
            libraries.join(", ")
        },
    ));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| vec![(NAME, name.to_owned()), (Style::new(), value)])
        .collect();
    table::aligned(&rows).join("\n")
}
