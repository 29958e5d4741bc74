//! `snakepit python list`: every interpreter there is.

use clap::builder::styling::Style;
use serde_json::{Value, json};
use snakepit_python::{Finder, Found, Probe, Reason, Request, Skipped};

use super::table::{self, BOLD, DIM, NAME};
use super::{gil, print, to_json, version};
use crate::args::ListArgs;
use crate::failure::Failure;

/// Runs each interpreter that was not run before.
pub(super) fn run(args: &ListArgs, finder: &Finder) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut skipped = Vec::new();
    for candidate in finder.all() {
        match candidate {
            Ok(interpreter) => found.push(interpreter),
            Err(candidate) if matches!(candidate.reason, Reason::Missing) => {}
            Err(candidate) => skipped.push(candidate),
        }
    }
    let default = finder.find(&Request::Any).ok().map(|found| found.path);
    let is_default = |found: &Found| default.as_ref() == Some(&found.path);
    print(
        args.format.format,
        || text(&found, &skipped, is_default),
        || {
            json!({
                "interpreters": found.iter().filter_map(|found| {
                    let mut value = to_json(found, found.probe.as_ref()?);
                    value["default"] = json!(is_default(found));
                    Some(value)
                }).collect::<Vec<_>>(),
                "skipped": skipped.iter().map(skipped_json).collect::<Vec<_>>(),
            })
        },
    )
}

fn skipped_json(skipped: &Skipped) -> Value {
    json!({
        "path": skipped.path,
        "provenance": skipped.provenance,
        "reason": skipped.reason.to_string(),
    })
}

fn text(found: &[Found], skipped: &[Skipped], is_default: impl Fn(&Found) -> bool) -> String {
    if found.is_empty() && skipped.is_empty() {
        return "no interpreter found".to_owned();
    }
    let rows: Vec<_> = found
        .iter()
        .filter_map(|found| Some(row(found, found.probe.as_ref()?, is_default(found))))
        .collect();
    let mut lines = table::aligned(&rows);
    for skipped in skipped {
        lines.push(format!("{DIM}-  {skipped}{DIM:#}"));
    }
    if found.iter().any(is_default) {
        lines.push(format!("{DIM}* is used when no other is asked for{DIM:#}"));
    }
    lines.join("\n")
}

fn row(found: &Found, probe: &Probe, default: bool) -> Vec<(Style, String)> {
    let plain = Style::new();
    let mark = if default { "*" } else { " " };
    vec![
        (BOLD, mark.to_owned()),
        (NAME, version(probe)),
        (plain, probe.implementation.clone()),
        (plain, gil(probe).to_owned()),
        (plain, found.provenance.to_string()),
        (plain, found.path.display().to_string()),
    ]
}
