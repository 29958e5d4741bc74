//! `snakepit commands`: what an adapter offers.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use snakepit_core::value::{Map, to_json};
use snakepit_core::{Command, Pool, Registry, Value};

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

/// `greet(name: str) -> str`, and below it the documentation.
pub(super) fn text(pool: Option<&Pool>, command: &Command) -> String {
    let mut text = String::new();
    if let Some(pool) = pool {
        let _ = write!(text, "{DIM}{}{DIM:#} ", pool.name());
    }
    let _ = write!(text, "{NAME}{}{NAME:#}{}", command.name, command.signature);
    if command.stream {
        let _ = write!(text, "  {DIM}streams{DIM:#}");
    }
    if !command.doc.is_empty() {
        let _ = write!(text, "\n    {}", command.doc);
    }
    text
}

fn json(pool: &Pool, command: &Command) -> String {
    let fields: [(&str, Value); 5] = [
        ("pool", pool.name().as_str().into()),
        ("name", command.name.as_str().into()),
        ("signature", command.signature.as_str().into()),
        ("doc", command.doc.as_str().into()),
        ("stream", command.stream.into()),
    ];
    to_json(&Value::Map(Map::from(fields)))
}
