//! Commands as HELLO describes them (`docs/protocol.md`, section 6.5); must not know how HELLO travels.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use snakepit_core::{Command, Parameter, ParameterDefault, ParameterKind, Value};

use crate::codec;

#[derive(Debug, Deserialize)]
pub(super) struct CommandMessage {
    name: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    doc: String,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    params: Vec<ParameterMessage>,
    #[serde(default)]
    schema: Option<Value>,
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default)]
    idempotent: bool,
}

#[derive(Debug, Deserialize)]
struct ParameterMessage {
    name: String,
    kind: KindMessage,
    #[serde(default, rename = "type")]
    annotation: String,
    /// A value in the form of section 4, without buffers.
    #[serde(default, deserialize_with = "present")]
    default: Option<serde_json::Value>,
    #[serde(default)]
    default_repr: Option<String>,
    #[serde(default)]
    doc: String,
    #[serde(default)]
    required: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindMessage {
    PositionalOnly,
    PositionalOrKeyword,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

impl From<CommandMessage> for Command {
    fn from(message: CommandMessage) -> Self {
        let mut command = Self::new(message.name);
        command.signature = message.signature;
        command.doc = message.doc;
        command.stream = message.stream;
        command.params = message.params.into_iter().map(Parameter::from).collect();
        command.schema = message.schema.unwrap_or_default();
        let timeout = message.timeout.map(Duration::try_from_secs_f64);
        command.timeout = timeout.and_then(Result::ok);
        command.idempotent = message.idempotent;
        command
    }
}

impl From<ParameterMessage> for Parameter {
    fn from(message: ParameterMessage) -> Self {
        let kind = match message.kind {
            KindMessage::PositionalOnly => ParameterKind::PositionalOnly,
            KindMessage::PositionalOrKeyword => ParameterKind::PositionalOrKeyword,
            KindMessage::VarPositional => ParameterKind::VarPositional,
            KindMessage::KeywordOnly => ParameterKind::KeywordOnly,
            KindMessage::VarKeyword => ParameterKind::VarKeyword,
        };
        let default = default(message.default, message.default_repr);
        let mut parameter = Self::new(message.name, kind);
        parameter.annotation = message.annotation;
        parameter.default = default;
        parameter.doc = message.doc;
        parameter.required = message.required;
        parameter
    }
}

/// A `null` that is there, unlike a key that is not.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<serde_json::Value>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

fn default(carried: Option<serde_json::Value>, shown: Option<String>) -> Option<ParameterDefault> {
    let carried = carried.map(|carried| {
        let text = carried.to_string();
        match codec::decode(&text.clone().into(), false) {
            Ok(value) => ParameterDefault::Value(value),
            Err(_) => ParameterDefault::Shown(text),
        }
    });
    carried.or_else(|| shown.map(ParameterDefault::Shown))
}
