//! `snakepit call`: one call, its results on standard output.

use std::path::Path;

use snakepit_core::value::to_json;
use snakepit_core::{Args, Pool, Registry, Value};

use crate::args::CallArgs;
use crate::failure::Failure;
use crate::output::{self, Reader};
use crate::{input, running, source};

/// Starts a worker, makes the call, prints what comes.
pub(crate) fn run(args: &CallArgs, registry: &Registry) -> Result<(), Failure> {
    if let Some(file) = forgotten_adapter(args) {
        return Err(file);
    }
    let arguments = input::parse(&args.arguments)?;
    let config = source::load(&args.source, registry)?;
    source::only_pool(&config)?;
    running::with_pools(config, args.grace, async |pit| match pit.pools() {
        [pool, ..] => call(pool, args, arguments).await,
        [] => Ok(()),
    })
}

async fn call(pool: &Pool, args: &CallArgs, arguments: Args) -> Result<(), Failure> {
    let failed = |error| Failure::call(&args.command, &arguments, error);
    let mut request = pool.request_values(&args.command, arguments.clone());
    if let Some(timeout) = args.timeout {
        request = request.timeout(timeout);
    }
    if let Some(session) = &args.session {
        request = request.session(session.as_str());
    }
    if !args.stream {
        let value: Value = request.call().await.map_err(failed)?;
        return output::line(&to_json(&value)).map(drop);
    }
    let mut values = request.stream::<Value>().await.map_err(failed)?;
    while let Some(value) = values.next().await {
        if output::line(&to_json(&value.map_err(failed)?))? == Reader::Gone {
            break;
        }
    }
    Ok(())
}

/// A file where the command should be: no command has such a name.
fn forgotten_adapter(args: &CallArgs) -> Option<Failure> {
    let file = Path::new(&args.command);
    let is_python = file.extension().is_some_and(|extension| extension == "py");
    if !is_python || !file.exists() || args.source.adapter.is_some() {
        return None;
    }
    let command = &args.command;
    let rest = args.arguments.first().map_or("COMMAND", String::as_str);
    Some(Failure::usage(
        format!("`{command}` is a file, not a command"),
        Some(format!(
            "name the file first: `snakepit call --adapter {command} {rest}`"
        )),
    ))
}
