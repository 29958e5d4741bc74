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
        // Longer than can be counted here is as good as for ever: the deadline of the call holds anyway.
        Value::BigInt(number) if number.to_u64().is_none() && !number.as_str().starts_with('-') => {
            ask
        }
        other => {
            let nanoseconds = other.as_u64().ok_or("the timeout is no count")?;
            ask.with_timeout(Duration::from_nanos(nanoseconds))
        }
    })
}

/// What takes the place of the end of a text that is too long.
const CUT: &str = "... [cut]";

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
    let body = described(failed, limit, |error| json!([number, error]));
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
    let body = described(failed, limit, |error| error);
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

/// A body with an error object. Its texts are cut where it would be longer than `limit` bytes: a worker takes no such frame.
fn described(
    mut error: ToolError,
    limit: u32,
    body: impl Fn(serde_json::Value) -> serde_json::Value,
) -> String {
    loop {
        let object = json!({
            "kind": "tool", "code": error.code, "message": error.message,
            "retry": error.retry.name(), "hint": error.hint,
        });
        let text = body(object).to_string();
        let excess = text.len().saturating_sub(limit as usize);
        let texts = [&mut error.message, &mut error.code].into_iter();
        let longest = texts.chain(&mut error.hint).max_by_key(|text| text.len());
        match longest {
            // By half at most: the next one may be nearly as long.
            Some(longest) if excess > 0 && !longest.is_empty() => {
                let kept = longest.len().saturating_sub(excess);
                cut(longest, kept.max(longest.len() / 2));
            }
            _ => return text,
        }
    }
}

/// Leaves `bytes` bytes of a text at most, and says so if there is room for that.
fn cut(text: &mut String, bytes: usize) {
    let (kept, mark) = match bytes.checked_sub(CUT.len()) {
        Some(kept) => (kept, CUT),
        None => (bytes, ""),
    };
    let fits = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=kept).rev().find(fits).unwrap_or(0);
    text.truncate(end);
    text.push_str(mark);
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
    fn a_timeout_that_is_too_long_for_the_clock_is_none() {
        let longest = ask(&format!(r#"[1,"t",[],{{}},{}]"#, u64::MAX)).unwrap();
        let longest = longest.ask.unwrap().timeout;
        assert_eq!(longest, Some(Duration::from_nanos(u64::MAX)));
        let longer = ask(r#"[1,"t",[],{},18446744073709551616]"#).unwrap();
        assert_eq!(longer.ask.unwrap().timeout, None);
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
            r#"[1,"t",[],{},-18446744073709551616]"#,
            r#"[1,"t",[],{"$":["map",[[1,2]]]},null]"#,
            r#"[1,"t",[],{},null"#,
        ] {
            ask(body).unwrap_err();
        }
    }

    #[test]
    fn an_answer_that_is_too_large_is_a_refusal() {
        let mut out = Outgoing::default();
        answer(1, 2, Ok("x".repeat(1000).into()), 500, &mut out);
        assert_eq!(out.head[4], Kind::Refusal.number());
        let text = String::from_utf8_lossy(&out.head[HEADER_LEN..]).into_owned();
        assert!(
            text.contains("tool.unserialisable") && text.contains("max_payload"),
            "{text}"
        );
    }

    #[test]
    fn an_error_that_is_too_large_is_cut() {
        const LIMIT: u32 = 4096;
        let long = |text: &str| text.repeat(100_000);
        for error in [
            ToolError::new(long("x")),
            ToolError::new(long("ä")).with_hint("ask for less"),
            ToolError::new(long("\u{1}")).with_hint(long("\"")),
            ToolError::new("m").with_hint(long("x")),
        ] {
            let mut out = Outgoing::default();
            answer(1, 2, Err(error.clone()), LIMIT, &mut out);
            let refusal = fitting(&out, LIMIT);
            assert_eq!(refusal[0], 2);
            let mut out = Outgoing::default();
            assert!(!item(1, Some(Err(error.clone())), LIMIT, &mut out));
            let end = fitting(&out, LIMIT);
            for described in [&refusal[1], &end] {
                assert_eq!(described["code"], error.code);
                let message = described["message"].as_str().unwrap();
                let start = message.strip_suffix(CUT).unwrap_or(message);
                assert!(error.message.starts_with(start) && !start.is_empty());
            }
        }
    }

    /// The body of the one frame, which has to be of use to a worker that takes no more than `limit` bytes.
    fn fitting(out: &Outgoing, limit: u32) -> serde_json::Value {
        let body = &out.head[HEADER_LEN..];
        let length = u32::from_le_bytes(out.head[..4].try_into().unwrap());
        assert_eq!(body.len(), length as usize);
        assert!((limit / 2..=limit).contains(&length), "{length} bytes");
        serde_json::from_slice(body).unwrap()
    }
}
