//! The JSON objects of the control connection; must not know how they travel.

use serde::Deserialize;
use snakepit_core::CallId;
use snakepit_core::Command;
use snakepit_core::event::{LogLine, LogStream};

/// A worker's `HELLO`, without the parts only people read.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) lanes: u16,
    pub(crate) python: Python,
    #[serde(default)]
    commands: Vec<CommandMessage>,
}

impl Hello {
    /// The commands it offers.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
            .into_iter()
            .map(
                |CommandMessage {
                     name,
                     signature,
                     doc,
                     stream,
                 }| Command {
                    name,
                    signature,
                    doc,
                    stream,
                },
            )
            .collect()
    }
}

#[derive(Debug, Deserialize)]
struct CommandMessage {
    name: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    doc: String,
    #[serde(default)]
    stream: bool,
}

/// What a worker says of its interpreter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Python {
    version: String,
    implementation: String,
    free_threaded_build: bool,
    gil_enabled: bool,
}

impl Python {
    /// One line, such as `CPython 3.14.0 (free-threaded, GIL off)`.
    pub(crate) fn describe(&self) -> String {
        let name = match self.implementation.as_str() {
            "cpython" => "CPython",
            "" => "Python",
            other => other,
        };
        let version = &self.version;
        match (self.free_threaded_build, self.gil_enabled) {
            (false, _) => format!("{name} {version}"),
            (true, true) => format!("{name} {version} (free-threaded, GIL on)"),
            (true, false) => format!("{name} {version} (free-threaded, GIL off)"),
        }
    }
}

#[derive(Deserialize)]
struct LogMessage {
    stream: String,
    text: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    logger: String,
}

/// Reads the body of a `LOG`.
pub(super) fn log(body: &[u8], call: u64) -> Result<LogLine, serde_json::Error> {
    let message: LogMessage = serde_json::from_slice(body)?;
    let stream = match message.stream.as_str() {
        "stdout" => LogStream::Stdout,
        "stderr" => LogStream::Stderr,
        _ => LogStream::Log,
    };
    let mut line = LogLine::new(stream, message.text);
    line.call = (call != 0).then(|| CallId::new(call));
    line.level = message.level;
    line.logger = message.logger;
    Ok(line)
}
