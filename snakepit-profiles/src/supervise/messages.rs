//! The JSON objects of the control connection; must not know how they travel.

use serde::Deserialize;
use snakepit_core::CallId;
use snakepit_core::Command;
use snakepit_core::event::{LogLine, LogStream};

use super::spec::CommandMessage;
use crate::facts::Facts;

/// A worker's `HELLO`, without the parts only people read.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    /// What it can do beyond the base protocol.
    #[serde(default)]
    features: Vec<String>,
    pub(crate) lanes: u16,
    /// The number of each lane's thread, as dumps of stacks name it.
    #[serde(default)]
    pub(crate) lane_threads: Vec<u64>,
    #[serde(flatten)]
    pub(crate) facts: Facts,
    #[serde(default)]
    commands: Vec<CommandMessage>,
}

impl Hello {
    /// Whether it keeps something for sessions.
    pub(crate) fn keeps_sessions(&self) -> bool {
        self.features.iter().any(|feature| feature == "sessions")
    }

    /// The commands it offers.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        let commands = std::mem::take(&mut self.commands);
        commands.into_iter().map(Command::from).collect()
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

#[derive(Deserialize)]
struct StackMessage {
    frames: Vec<FrameMessage>,
}

#[derive(Deserialize)]
struct FrameMessage {
    file: String,
    line: u64,
    function: String,
    #[serde(default)]
    text: String,
}

/// Reads the body of a `STACK` as one line for each frame.
pub(crate) fn stack(body: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let message: StackMessage = serde_json::from_slice(body)?;
    let frames = message.frames.into_iter();
    let line = |frame: FrameMessage| {
        place(
            &frame.file,
            &frame.line.to_string(),
            &frame.function,
            &frame.text,
        )
    };
    Ok(frames.map(line).collect())
}

/// A frame of a stack for people: `a.py:3 in f: return 1 / 0`.
pub(super) fn place(file: &str, line: &str, function: &str, text: &str) -> String {
    let colon = if text.is_empty() { "" } else { ": " };
    format!("{file}:{line} in {function}{colon}{text}")
}

#[derive(Deserialize)]
struct TrimmedMessage {
    collected: u64,
}

/// Reads the body of a `TRIMMED`: how many objects were collected.
pub(crate) fn trimmed(body: &[u8]) -> Result<u64, serde_json::Error> {
    let message: TrimmedMessage = serde_json::from_slice(body)?;
    Ok(message.collected)
}
