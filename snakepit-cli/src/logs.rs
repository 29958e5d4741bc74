//! Shows on standard error what workers print, while they run. Knows no process.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};
use snakepit_core::config::scalar::HumanDuration;
use snakepit_core::event::{LogLine, LogStream};
use snakepit_core::{BreakerState, Event, EventKind, EventSink};

/// Lines that may wait for a slow terminal or pager. What comes beyond is left out, and said so.
const PATIENCE: usize = 16_384;

/// How long the end of the program waits for a standard error that takes nothing.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How many lines are remembered, so that an error does not repeat them.
const MEMORY: usize = 256;

const PREFIX: Style = AnsiColor::BrightBlack.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default().bold();

/// Shows text to a person. May block.
pub(crate) type Screen = Box<dyn FnMut(&str) + Send>;

enum Message {
    Line { prefix: String, text: String },
    Text(String),
    Finish,
}

/// Prints on a thread of its own: a paused terminal pauses neither a worker nor Ctrl-C.
pub(crate) struct Printer {
    sender: SyncSender<Message>,
    left_out: Arc<AtomicUsize>,
    finished: Receiver<Shown>,
}

/// The last lines that were printed.
#[derive(Debug, Default)]
pub(crate) struct Shown(VecDeque<String>);

impl Shown {
    /// Whether the user has seen this line already.
    pub(crate) fn contains(&self, line: &str) -> bool {
        self.0.iter().any(|shown| shown == line)
    }

    fn remember(&mut self, line: String) {
        self.0.truncate(MEMORY - 1);
        self.0.push_front(line);
    }
}

impl Printer {
    /// Starts the thread, for standard error.
    pub(crate) fn start() -> Self {
        // A standard error that takes nothing can be told of nothing.
        Self::start_on(Box::new(|text| {
            let _ = anstream::stderr().lock().write_all(text.as_bytes());
        }))
    }

    /// Starts the thread, for another place to show things in.
    pub(crate) fn start_on(mut screen: Screen) -> Self {
        let (sender, messages) = sync_channel(PATIENCE);
        let (done, finished) = channel();
        let left_out = Arc::new(AtomicUsize::new(0));
        let missed = Arc::clone(&left_out);
        thread::spawn(move || {
            let shown = print_all(&messages, &missed, &mut screen);
            // Nobody waits any more when the last wait was over.
            let _ = done.send(shown);
        });
        Self {
            sender,
            left_out,
            finished,
        }
    }

    /// What takes the events of pools.
    pub(crate) fn sink(&self) -> Arc<dyn EventSink> {
        let (sender, left_out) = (self.sender.clone(), Arc::clone(&self.left_out));
        Arc::new(move |event: &Event| {
            let Some((prefix, text)) = describe(event) else {
                return;
            };
            if sender.try_send(Message::Line { prefix, text }).is_err() {
                left_out.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// Says something of the command line's own.
    pub(crate) fn note(&self, text: &str) {
        let (prefix, text) = ("snakepit note".to_owned(), text.to_owned());
        if self
            .sender
            .try_send(Message::Line { prefix, text })
            .is_err()
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says something that is ready to be shown, in its turn.
    pub(crate) fn say(&self, text: String) {
        if self.sender.try_send(Message::Text(text)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is printed, but not for ever.
    pub(crate) fn finish(self) -> Shown {
        // When even this finds no room, nobody reads.
        if self.sender.try_send(Message::Finish).is_err() {
            return Shown::default();
        }
        self.finished.recv_timeout(LAST_WAIT).unwrap_or_default()
    }
}

fn print_all(messages: &Receiver<Message>, missed: &AtomicUsize, screen: &mut Screen) -> Shown {
    let mut shown = Shown::default();
    loop {
        match messages.recv() {
            Ok(Message::Line { prefix, text }) => {
                screen(&format!("{PREFIX}{prefix} |{PREFIX:#} {text}\n"));
                shown.remember(text);
            }
            Ok(Message::Text(text)) => screen(&text),
            Ok(Message::Finish) | Err(_) => return shown,
        }
        let count = missed.swap(0, Ordering::Relaxed);
        if count > 0 {
            screen(&format!("{NOTE}{count} lines were left out{NOTE:#}\n"));
        }
    }
}

/// Who says what, for the events people want to see while they wait.
fn describe(event: &Event) -> Option<(String, String)> {
    let pool = &event.pool;
    match &event.kind {
        EventKind::Log { worker, line } => {
            Some((format!("{pool}/{worker} {}", stream(line)), text(line)))
        }
        EventKind::LaunchFailed {
            worker,
            error,
            retry_in: Some(_),
        } => Some((
            format!("{pool}/{worker} launch"),
            format!("{error}; trying again"),
        )),
        EventKind::Notice { notice, .. } => {
            let hint = notice.hint.as_ref();
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            Some((format!("{pool} note"), format!("{}{hint}", notice.message)))
        }
        EventKind::CallSlow {
            command,
            worker,
            running,
            stack,
            ..
        } => {
            let running = HumanDuration::from(*running);
            let place = stack.iter().map(|line| format!("\n    {line}"));
            let place: String = place.collect();
            Some((
                format!("{pool}/{worker} slow"),
                format!("`{command}` has been running for {running}{place}"),
            ))
        }
        EventKind::RecyclingStopped { policy, message } => Some((
            format!("{pool} note"),
            format!(
                "recycling by `{policy}` was stopped, since it replaced workers of little use: {message}"
            ),
        )),
        EventKind::Breaker {
            state: BreakerState::Open { pause },
        } => Some((
            format!("{pool} note"),
            format!(
                "workers die too fast: none is started for {}",
                HumanDuration::from(*pause)
            ),
        )),
        _ => None,
    }
}

fn stream(line: &LogLine) -> &'static str {
    match line.stream {
        LogStream::Stdout => "stdout",
        LogStream::Log => "log",
        LogStream::Raw => "raw",
        _ => "stderr",
    }
}

fn text(line: &LogLine) -> String {
    match (line.level.as_str(), line.logger.as_str()) {
        ("", _) => line.text.clone(),
        (level, "") => format!("{level} {}", line.text),
        (level, logger) => format!("{level} {logger}: {}", line.text),
    }
}
