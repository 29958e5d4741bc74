//! `snakepit commands`: what an adapter offers.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use snakepit_core::value::{Map, to_json};
use snakepit_core::{Command, Parameter, ParameterDefault, Pool, Registry, Value};

use crate::args::CommandsArgs;
use crate::failure::Failure;
use crate::output::{self, Reader};
use crate::{running, source};

const NAME: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = AnsiColor::BrightBlack.on_default();

/// Starts a worker of each pool and prints the commands it reports.
pub(crate) fn run(args: &CommandsArgs, registry: &Registry) -> Result<(), Failure> {
    let config = source::load(&args.source, registry)?;
    let several = config.pools.len() > 1;
    running::with_pools(config, None, async |pit| {
        for pool in pit.pools() {
            for command in pool.commands().iter() {
                let written = if args.json {
                    output::line(&json(pool, command))?
                } else {
                    output::coloured_line(&text(several.then_some(pool), command))?
                };
                if written == Reader::Gone {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// `greet(name: str) -> str`, and below it the documentation, that of parameters too.
pub(super) fn text(pool: Option<&Pool>, command: &Command) -> String {
    let mut text = String::new();
    if let Some(pool) = pool {
        let _ = write!(text, "{DIM}{}{DIM:#} ", pool.name());
    }
    let _ = write!(text, "{NAME}{}{NAME:#}{}", command.name, command.signature);
    if command.stream {
        let _ = write!(text, "  {DIM}streams{DIM:#}");
    }
    if let Some(timeout) = command.timeout {
        let _ = write!(text, "  {DIM}at most {timeout:?}{DIM:#}");
    }
    if command.idempotent {
        let _ = write!(text, "  {DIM}idempotent{DIM:#}");
    }
    if !command.doc.is_empty() {
        let _ = write!(text, "\n    {}", command.doc);
    }
    for param in command.params.iter().filter(|param| !param.doc.is_empty()) {
        let _ = write!(text, "\n      {NAME}{}{NAME:#}: {}", param.name, param.doc);
    }
    text
}

fn json(pool: &Pool, command: &Command) -> String {
    let timeout = command.timeout.map(|timeout| timeout.as_secs_f64());
    let params = command.params.iter().map(parameter).collect();
    let fields: [(&str, Value); 9] = [
        ("pool", pool.name().as_str().into()),
        ("name", command.name.as_str().into()),
        ("signature", command.signature.as_str().into()),
        ("doc", command.doc.as_str().into()),
        ("stream", command.stream.into()),
        ("timeout", timeout.into()),
        ("idempotent", command.idempotent.into()),
        ("params", Value::List(params)),
        ("schema", command.schema.clone()),
    ];
    to_json(&Value::Map(Map::from(fields)))
}

fn parameter(param: &Parameter) -> Value {
    let mut map = Map::from([
        ("name", Value::from(param.name.as_str())),
        ("kind", param.kind.as_str().into()),
        ("type", param.annotation.as_str().into()),
        ("doc", param.doc.as_str().into()),
        ("required", param.required.into()),
    ]);
    match &param.default {
        Some(ParameterDefault::Value(value)) => map.push("default".into(), value.clone()),
        Some(ParameterDefault::Shown(text)) => {
            map.push("default_repr".into(), text.as_str().into());
        }
        Some(_) | None => {}
    }
    Value::Map(map)
}
