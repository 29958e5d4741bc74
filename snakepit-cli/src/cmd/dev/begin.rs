//! `snakepit dev` before there is a worker: starts one, and waits for better code while the adapter does not load. Knows
//! not what calls are.

use snakepit_core::error::LaunchErrorKind;
use snakepit_core::{Snakepit, StartError};

use super::entry::{self, Entry, HELP};
use super::lines::Typed;
use super::{Input, note};
use crate::failure::Failure;
use crate::logs::Printer;
use crate::output;
use crate::running::Starter;

impl Input {
    /// Starts the pools, as soon as the adapter can be loaded. When the input ends before, so does this, with what was
    /// wrong last.
    pub(super) async fn begin(
        mut self,
        starter: &Starter,
        printer: &Printer,
    ) -> Result<(Snakepit, Self), Failure> {
        loop {
            match starter.start().await {
                Ok(pit) => return Ok((pit, self)),
                Err(failure) if may_be_mended(&failure) => {
                    printer.say(failure.to_text());
                    note(
                        printer,
                        "nothing runs yet; it is tried again when code is saved",
                    );
                    if !self.wait(printer).await? {
                        return Err(Failure::Told(Box::new(failure)));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Waits for a reason to try again. False if there will be none.
    async fn wait(&mut self, printer: &Printer) -> Result<bool, Failure> {
        loop {
            let typed = tokio::select! {
                typed = self.lines.next() => typed?,
                () = self.watch.changed() => return Ok(true),
            };
            let line = match typed {
                Typed::Line(line) => line,
                Typed::Interrupt => {
                    note(printer, "Ctrl-D or `:quit` leaves");
                    continue;
                }
                Typed::End => return Ok(false),
            };
            match entry::read(&line) {
                Ok(Entry::Nothing) => {}
                Ok(Entry::Quit) => return Ok(false),
                Ok(Entry::Reload) => return Ok(true),
                Ok(Entry::Help) => drop(output::line(HELP)?),
                Ok(Entry::Call { .. } | Entry::Commands | Entry::Session(_)) => {
                    if self.watch.has_changed().await {
                        self.read = Some(line);
                        return Ok(true);
                    }
                    note(printer, "there is nothing to call until the adapter loads");
                }
                Err(failure) => printer.say(failure.to_text()),
            }
        }
    }
}

/// Whether other code may start where this did not.
fn may_be_mended(failure: &Failure) -> bool {
    let Failure::Start(StartError::Launch { source, .. }) = failure else {
        return false;
    };
    matches!(
        source.kind,
        LaunchErrorKind::Adapter { .. }
            | LaunchErrorKind::Setup { .. }
            | LaunchErrorKind::Refused { .. }
            | LaunchErrorKind::TimedOut { .. }
            | LaunchErrorKind::Exited { .. }
    )
}
