//! The JSON objects of the control connection; must not know how they travel.

use serde::Deserialize;
use snakepit_core::CallId;
use snakepit_core::Command;
use snakepit_core::event::{LogLine, LogStream};

use crate::facts::Facts;

/// A worker's `HELLO`, without the parts only people read.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    pub(crate) lanes: u16,
    #[serde(flatten)]
    pub(crate) facts: Facts,
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
