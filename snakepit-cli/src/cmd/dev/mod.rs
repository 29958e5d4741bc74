//! `snakepit dev`: calls an adapter line by line, as it is on disk at that moment.

mod begin;
mod entry;
mod lines;
mod watch;

use std::time::Instant;

use clap::builder::styling::{AnsiColor, Style};
use snakepit_core::error::RemoteKind;
use snakepit_core::value::to_json;
use snakepit_core::{Args, CallError, Pool, Registry, Request, Snakepit, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::commands;
use crate::args::DevArgs;
use crate::failure::Failure;
use crate::logs::Printer;
use crate::output::{self, Reader};
use crate::running::{self, Ending};
use crate::source;
use entry::{Entry, HELP};
use lines::{Lines, Typed};
use watch::Watch;

const NOTE: Style = AnsiColor::Green.on_default().bold();

/// Starts a worker and serves lines until there are no more.
pub(crate) fn run(args: &DevArgs, registry: &Registry) -> Result<(), Failure> {
    // Before the code is loaded: what is saved meanwhile is new.
    let watch = Watch::new(&args.adapter);
    let config = source::load_for_development(args, registry)?;
    let (lines, screen) = Lines::start();
    let printer = screen.map_or_else(Printer::start, Printer::start_on);
    let input = Input {
        watch,
        lines,
        read: None,
    };
    running::with_pools_until(
        config,
        None,
        Ending::Terminate,
        printer,
        async |starter, printer| input.begin(starter, printer).await,
        async |input, pit: &Snakepit, printer| match pit.pools() {
            [pool, ..] => Session::new(pool, input, printer)?.serve().await,
            [] => Ok(()),
        },
    )
}

/// What the person does: lines, and saved code.
struct Input {
    watch: Watch,
    lines: Lines,
    /// A line that is still to be obeyed.
    read: Option<String>,
}

/// Says something where results are not.
fn note(printer: &Printer, text: &str) {
    printer.say(format!("{NOTE}|{NOTE:#} {text}\n"));
}

struct Session<'a> {
    pool: &'a Pool,
    /// The session of the adapter's that calls are of.
    named: Option<String>,
    input: Input,
    printer: &'a Printer,
    keyboard: Signal,
}

impl<'a> Session<'a> {
    fn new(pool: &'a Pool, input: Input, printer: &'a Printer) -> Result<Self, Failure> {
        Ok(Self {
            pool,
            named: None,
            input,
            printer,
            keyboard: signal(SignalKind::interrupt()).map_err(Failure::System)?,
        })
    }

    async fn serve(&mut self) -> Result<(), Failure> {
        for command in self.pool.commands().iter() {
            self.note(&commands::text(None, command));
        }
        self.note("`:help` says what can be written here");
        while let Some(line) = self.line().await? {
            let done = match entry::read(&line) {
                Ok(entry) => self.obey(entry).await,
                Err(failure) => Err(failure),
            };
            match done {
                Ok(Reader::Listening) => {}
                Ok(Reader::Gone) => return Ok(()),
                Err(failure @ Failure::Output(_)) => return Err(failure),
                Err(failure) => self.printer.say(failure.to_text()),
            }
        }
        Ok(())
    }

    /// The next line; `None` when there are no more. Until there is one, what is saved is loaded.
    async fn line(&mut self) -> Result<Option<String>, Failure> {
        if let Some(line) = self.input.read.take() {
            return Ok(Some(line));
        }
        loop {
            tokio::select! {
                typed = self.input.lines.next() => match typed? {
                    Typed::Line(line) => return Ok(Some(line)),
                    Typed::Interrupt => self.note("Ctrl-D or `:quit` leaves"),
                    Typed::End => return Ok(None),
                },
                () = self.input.watch.changed() => self.reload().await,
                // Of a terminal that leaves it to the system, or of somebody else.
                _ = self.keyboard.recv() => self.note("nothing runs; Ctrl-D or `:quit` leaves"),
            }
        }
    }

    async fn obey(&mut self, entry: Entry) -> Result<Reader, Failure> {
        match entry {
            Entry::Nothing => Ok(Reader::Listening),
            Entry::Quit => Ok(Reader::Gone),
            Entry::Help => output::line(HELP),
            Entry::Commands => {
                for command in self.pool.commands().iter() {
                    output::coloured_line(&commands::text(None, command))?;
                }
                Ok(Reader::Listening)
            }
            Entry::Reload => {
                self.reload().await;
                Ok(Reader::Listening)
            }
            Entry::Session(named) => {
                self.note(&match &named {
                    Some(name) => format!("calls are of session `{name}`"),
                    None => "calls are of no session".to_owned(),
                });
                self.named = named;
                Ok(Reader::Listening)
            }
            Entry::Call { command, args } => {
                if self.input.watch.has_changed().await {
                    self.reload().await;
                }
                let request = self.pool.request_values(&command, args.clone());
                let request = match &self.named {
                    Some(name) => request.session(name.as_str()),
                    None => request,
                };
                tokio::select! {
                    done = call(self.pool, &command, &args, request) => done,
                    // What is dropped is cancelled, and the next call waits until it has let go.
                    _ = self.keyboard.recv() => {
                        self.note(&format!("`{command}` was interrupted"));
                        Ok(Reader::Listening)
                    }
                }
            }
        }
    }

    /// Has the code loaded anew. If that fails, what ran before goes on.
    async fn reload(&self) {
        let started = Instant::now();
        match self.pool.reload().await {
            Ok(_) => self.note(&format!("reloaded in {} ms", started.elapsed().as_millis())),
            Err(error) => self.printer.say(Failure::Reload(error).to_text()),
        }
    }

    fn note(&self, text: &str) {
        note(self.printer, text);
    }
}

/// Calls a command and prints its result, or its values as they come.
async fn call(
    pool: &Pool,
    command: &str,
    args: &Args,
    request: Request,
) -> Result<Reader, Failure> {
    let failed = |error| {
        if is_unknown(&error) && entry::is_order(command) {
            let hint = format!("write `:{command}` for what `snakepit dev` does itself");
            return Failure::usage(format!("there is no command `{command}`"), Some(hint));
        }
        Failure::call(command, args, error)
    };
    let streams = |known: &snakepit_core::Command| known.name == command && known.stream;
    if !pool.commands().iter().any(streams) {
        let value: Value = request.call().await.map_err(failed)?;
        return output::line(&to_json(&value));
    }
    let mut values = request.stream::<Value>().await.map_err(failed)?;
    while let Some(value) = values.next().await {
        if output::line(&to_json(&value.map_err(failed)?))? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    }
    Ok(Reader::Listening)
}

fn is_unknown(error: &CallError) -> bool {
    matches!(error, CallError::Remote(remote) if remote.kind == RemoteKind::UnknownCommand)
}
