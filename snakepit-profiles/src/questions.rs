//! What a running call asks, from frames, and what it is told, to frames; must not know sockets or who answers.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use snakepit_core::error::ToolError;
use snakepit_core::value::{Args, Map, ValueError};
use snakepit_core::{Ask, Value};

use crate::bodies;
use crate::codec;
use crate::frame::{Codec, Flags, Frame, HEADER_LEN, Header, Kind};
use crate::lane::Outgoing;

/// An `ASK`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// Its number, for the answer.
    pub(crate) number: i64,
    /// What is asked; `None` for which tools there are.
    pub(crate) ask: Option<Ask>,
}

/// The question of an `ASK`. Fails with what is wrong with it.
pub(crate) fn question(frame: &Frame) -> Result<Question, String> {
    let body = bodies::value(frame).map_err(|problem| problem.to_string())?;
    let Value::List(items) = body else {
        return Err("it is no array".to_owned());
    };
    let fields: [Value; 5] = items.try_into().map_err(|_| "it has not five items")?;
    match fields {
        [
            Value::Int(number),
            tool,
            Value::List(positional),
            Value::Map(keyword),
            timeout,
        ] => {
            let ask = match tool {
                Value::Null => None,
                Value::Str(tool) => Some(ask(tool, positional, keyword, &timeout)?),
                _ => return Err("the tool is no string".to_owned()),
            };
            Ok(Question { number, ask })
        }
        _ => Err("its items are of other types".to_owned()),
    }
}

fn ask(tool: String, positional: Vec<Value>, keyword: Map, timeout: &Value) -> Result<Ask, String> {
    let name = |(key, value)| match key {
        Value::Str(name) => Ok((name, value)),
        _ => Err("a keyword is no string".to_owned()),
    };
    let keyword = keyword.into_iter().map(name).collect::<Result<_, _>>()?;
    let ask = Ask::new(
        tool,
        Args {
            positional,
            keyword,
        },
    );
    Ok(match timeout {
        Value::Null => ask,
        other => {
            let nanoseconds = other.as_u64().ok_or("the timeout is no count")?;
            ask.with_timeout(Duration::from_nanos(nanoseconds))
        }
    })
}

/// How many items a `PULL` asks for.
pub(crate) fn pulled(frame: &Frame) -> u32 {
    frame
        .body
        .first_chunk()
        .map_or(0, |count| u32::from_le_bytes(*count))
}

/// Adds the answer to a question: a `REPLY`, or a `REFUSAL` with the reason.
pub(crate) fn answer(
    id: u64,
    number: i64,
    answer: Result<Value, ToolError>,
    limit: u32,
    out: &mut Outgoing,
) {
    let failed = match answer {
        Ok(value) => {
            let body = Value::List(vec![Value::Int(number), value]);
            match framed(Kind::Reply, id, &body, limit, out) {
                Ok(()) => return,
                Err(problem) => unsendable("the tool's answer", &problem, "tool.unserialisable"),
            }
        }
        Err(failed) => failed,
    };
    let body = json!([number, described(&failed)]).to_string();
    raw(Kind::Refusal, id, Codec::Json, body.as_bytes(), out);
}

/// Adds an `ITEM`, or the `ITEMS_END` that takes its place. Whether more may follow.
pub(crate) fn item(
    id: u64,
    item: Option<Result<Value, ToolError>>,
    limit: u32,
    out: &mut Outgoing,
) -> bool {
    let failed = match item {
        None => {
            raw(Kind::ItemsEnd, id, Codec::Raw, b"", out);
            return false;
        }
        Some(Ok(value)) => match framed(Kind::Item, id, &value, limit, out) {
            Ok(()) => return true,
            Err(problem) => unsendable("an item of the input", &problem, "input.unserialisable"),
        },
        Some(Err(failed)) => failed,
    };
    let body = described(&failed).to_string();
    raw(Kind::ItemsEnd, id, Codec::Json, body.as_bytes(), out);
    false
}

/// Adds leave for more chunks.
pub(crate) fn credit(id: u64, chunks: u32, out: &mut Outgoing) {
    raw(Kind::Credit, id, Codec::Raw, &chunks.to_le_bytes(), out);
}

fn unsendable(what: &str, problem: &ValueError, code: &str) -> ToolError {
    ToolError::new(format!("{what} cannot be sent: {problem}")).with_code(code)
}

fn described(error: &ToolError) -> serde_json::Value {
    json!({
        "kind": "tool", "code": error.code, "message": error.message,
        "retry": error.retry.name(), "hint": error.hint,
    })
}

/// Adds a frame with a value. Nothing is added if it cannot be sent. No frame may follow one with buffers.
fn framed(
    kind: Kind,
    id: u64,
    value: &Value,
    limit: u32,
    out: &mut Outgoing,
) -> Result<(), ValueError> {
    let Outgoing { head, buffers, .. } = out;
    debug_assert!(buffers.is_empty(), "a frame after buffers");
    let start = head.len();
    head.extend_from_slice(&[0; HEADER_LEN]);
    let length = codec::encode(value, head, buffers).and_then(|()| {
        let length =
            head.len() - start - HEADER_LEN + buffers.iter().map(Bytes::len).sum::<usize>();
        let fits = u32::try_from(length).ok().filter(|length| *length <= limit);
        fits.ok_or_else(|| {
            ValueError::new(format!(
                "{length} bytes are over `max_payload`, {limit} bytes"
            ))
        })
    });
    let length = length.inspect_err(|_| {
        head.truncate(start);
        buffers.clear();
    })?;
    let flags = if buffers.is_empty() {
        Flags::NONE
    } else {
        Flags::BUFFERS
    };
    let header = Header {
        length,
        kind,
        flags,
        codec: Codec::Json,
        id,
    };
    head[start..start + HEADER_LEN].copy_from_slice(&header.encode());
    Ok(())
}

fn raw(kind: Kind, id: u64, codec: Codec, body: &[u8], out: &mut Outgoing) {
    let header = Header {
        length: u32::try_from(body.len()).unwrap_or(u32::MAX),
        kind,
        flags: Flags::NONE,
        codec,
        id,
    };
    out.head.extend_from_slice(&header.encode());
    out.head.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &str) -> Result<Question, String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let header = Header::json(Kind::Ask, 1, u32::try_from(body.len()).unwrap());
        question(&Frame { header, body })
    }

    #[test]
    fn a_question_has_tool_arguments_and_timeout() {
        let question = ask(r#"[3,"lookup",[1],{"id":7},1000000]"#).unwrap();
        let asked = question.ask.unwrap();
        assert_eq!((question.number, asked.tool.as_str()), (3, "lookup"));
        assert_eq!(asked.args, Args::positional([1]).with("id", 7));
        assert_eq!(asked.timeout, Some(Duration::from_millis(1)));
        assert_eq!(ask("[1,null,[],{},null]").unwrap().ask, None);
    }

    #[test]
    fn a_question_that_is_none_is_refused() {
        for body in [
            "{}",
            "[]",
            "[1]",
            r#"[1,"t",[],{}]"#,
            r#"["1","t",[],{},null]"#,
            "[1,2,[],{},null]",
            r#"[1,"t",{},{},null]"#,
            r#"[1,"t",[],[],null]"#,
            r#"[1,"t",[],{},"soon"]"#,
            r#"[1,"t",[],{},-1]"#,
            r#"[1,"t",[],{"$":["map",[[1,2]]]},null]"#,
            r#"[1,"t",[],{},null"#,
        ] {
            ask(body).unwrap_err();
        }
    }

    #[test]
    fn an_answer_that_is_too_large_is_a_refusal() {
        let mut out = Outgoing::default();
        answer(1, 2, Ok("x".repeat(100).into()), 50, &mut out);
        assert_eq!(out.head[4], Kind::Refusal.number());
        let text = String::from_utf8_lossy(&out.head[HEADER_LEN..]).into_owned();
        assert!(
            text.contains("tool.unserialisable") && text.contains("max_payload"),
            "{text}"
        );
    }
}
