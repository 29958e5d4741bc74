//! Where lines come from: a terminal, with editing and a history, or a pipe. Knows not what they mean.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::failure::Failure;
use crate::logs::Screen;

const PROMPT: &str = "snakepit> ";

/// What a person did at the prompt.
#[derive(Debug)]
pub(super) enum Typed {
    /// Wrote a line.
    Line(String),
    /// Pressed Ctrl-C.
    Interrupt,
    /// Pressed Ctrl-D, or the pipe ended.
    End,
}

/// Reads lines, one when asked for one, on a thread that nothing waits for: reading cannot be called off.
pub(super) struct Lines {
    wanted: Sender<()>,
    typed: UnboundedReceiver<io::Result<Typed>>,
    is_asked: bool,
}

impl Lines {
    /// Starts the thread. With what shows text above the prompt, if there is one.
    pub(super) fn start() -> (Self, Option<Screen>) {
        let (wanted, requests) = channel::<()>();
        let (sender, typed) = unbounded_channel();
        let (show, shown) = channel();
        thread::spawn(move || {
            let (mut read, screen) = reader();
            let _ = show.send(screen);
            while requests.recv().is_ok() {
                if sender.send(read()).is_err() {
                    return;
                }
            }
        });
        let lines = Self {
            wanted,
            typed,
            is_asked: false,
        };
        (lines, shown.recv().ok().flatten())
    }

    /// The next line.
    ///
    /// # Cancel safety
    /// Cancel safe: a line that is being typed is given to whoever asks next.
    pub(super) async fn next(&mut self) -> Result<Typed, Failure> {
        if !self.is_asked {
            self.is_asked = true;
            // The thread lives as long as this does.
            let _ = self.wanted.send(());
        }
        let typed = self.typed.recv().await;
        self.is_asked = false;
        typed.unwrap_or(Ok(Typed::End)).map_err(Failure::System)
    }
}

type Read = Box<dyn FnMut() -> io::Result<Typed>>;

fn reader() -> (Read, Option<Screen>) {
    if !io::stdin().is_terminal() {
        return (Box::new(piped), None);
    }
    match Editor::<(), _>::with_history(Config::default(), MemHistory::new()) {
        Ok(mut editor) => {
            let screen = screen(&mut editor);
            (Box::new(move || edited(&mut editor)), screen)
        }
        Err(_) => (Box::new(piped), None), // a terminal that cannot do that
    }
}

/// Shows text on the terminal that lines are typed at, which restores what is being typed. Not if standard error goes
/// elsewhere.
fn screen(editor: &mut Editor<(), MemHistory>) -> Option<Screen> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    if !stdout.is_terminal() || !stderr.is_terminal() {
        return None;
    }
    let mut printer = editor.create_external_printer().ok()?;
    let has_colours = AutoStream::choice(&stderr) != ColorChoice::Never;
    Some(Box::new(move |text| {
        let text = if has_colours {
            text.to_owned()
        } else {
            strip_str(text).to_string()
        };
        // There is nowhere left to tell that the terminal is gone.
        let _ = printer.print(text);
    }))
}

fn piped() -> io::Result<Typed> {
    let mut line = String::new();
    let count = io::stdin().lock().read_line(&mut line)?;
    Ok(if count == 0 {
        Typed::End
    } else {
        Typed::Line(line)
    })
}

fn edited(editor: &mut Editor<(), MemHistory>) -> io::Result<Typed> {
    match editor.readline(PROMPT) {
        Ok(line) => {
            // A line that cannot be remembered can be called nevertheless.
            let _ = editor.add_history_entry(&line);
            Ok(Typed::Line(line))
        }
        Err(ReadlineError::Interrupted) => Ok(Typed::Interrupt),
        Err(ReadlineError::Eof) => Ok(Typed::End),
        Err(ReadlineError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}
