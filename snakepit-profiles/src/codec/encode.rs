//! Values and calls to text and buffers; must not know how they are read back.

use std::io::Write;
use std::slice;

use bytes::Bytes;
use serde::Serialize;
use snakepit_core::session::Left;
use snakepit_core::value::json::write_string;
use snakepit_core::value::{Args, Array, Columns, Map, Table, Value, ValueError, to_json};

use super::{MAX_DEPTH, table};

/// What a call says beside its arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallContext<'a> {
    /// When the caller stops waiting, in nanoseconds of `CLOCK_MONOTONIC`.
    pub deadline: Option<u64>,
    /// The caller's session.
    pub session: Option<&'a str>,
    /// The session's number, and what it left on another worker.
    pub state: Option<(u64, Option<&'a Left>)>,
    /// The caller's W3C trace context.
    pub traceparent: Option<&'a str>,
    /// How many calls are around it.
    pub depth: u32,
    /// The keyword argument that its input is for.
    pub input: Option<&'a str>,
    /// Whether the result stays in the worker.
    pub keep: bool,
}

impl CallContext<'_> {
    /// Whether the lane itself has to know something of it, and not only the command, should it ask.
    fn concerns_lane(&self) -> bool {
        self.input.is_some() || self.keep || matches!(self.state, Some((_, Some(_))))
    }

    /// Whether there is anything for the command to ask for, beside the deadline.
    fn describes_call(&self) -> bool {
        self.session.is_some()
            || self.state.is_some()
            || self.traceparent.is_some()
            || self.depth > 0
    }
}

/// Adds the body of a frame that carries one value: table and text to `out`, the buffers that follow to `buffers`.
///
/// The frame has flag `BUFFERS` if there are any. `buffers` must be empty at first. Fails on what cannot be sent, which is
/// handles on objects as well: those are for arguments of calls only. What was added then means nothing.
pub fn encode(
    value: &Value,
    out: &mut Vec<u8>,
    buffers: &mut Vec<Bytes>,
) -> Result<(), ValueError> {
    let start = out.len();
    let takes_handles = false;
    let mut encoder = Encoder {
        out,
        buffers,
        takes_handles,
    };
    encoder.value(value, 0)?;
    table::insert(out, start, buffers);
    Ok(())
}

/// Adds the body of a `CALL`, in the same way as [`encode`].
pub fn encode_call(
    command: &str,
    args: &Args,
    context: &CallContext<'_>,
    out: &mut Vec<u8>,
    buffers: &mut Vec<Bytes>,
) -> Result<(), ValueError> {
    let start = out.len();
    let takes_handles = true;
    let mut encoder = Encoder {
        out,
        buffers,
        takes_handles,
    };
    encoder.call(command, args, context)?;
    table::insert(out, start, buffers);
    Ok(())
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    buffers: &'a mut Vec<Bytes>,
    takes_handles: bool,
}

impl Encoder<'_> {
    fn call(
        &mut self,
        command: &str,
        args: &Args,
        context: &CallContext<'_>,
    ) -> Result<(), ValueError> {
        let concerns_lane = context.concerns_lane();
        let has_deadline = concerns_lane || context.deadline.is_some();
        let has_keyword = has_deadline || !args.keyword.is_empty();
        let has_positional = has_keyword || !args.positional.is_empty();
        self.out.push(b'[');
        write_string(command, self.out);
        if has_positional {
            self.out.push(b',');
            self.items(&args.positional, 0)?;
        }
        if has_keyword {
            self.out.push(b',');
            let entries = args
                .keyword
                .iter()
                .map(|(name, value)| (name.as_str(), value));
            self.object(entries, 0)?;
        }
        if has_deadline {
            match context.deadline {
                Some(deadline) => self.display(format_args!(",{deadline}")),
                None => self.out.extend_from_slice(b",null"),
            }
        }
        if concerns_lane {
            self.out.push(b',');
            self.context(context);
        }
        self.out.push(b']');
        if !concerns_lane && context.describes_call() {
            self.context(context);
        }
        Ok(())
    }

    fn context(&mut self, context: &CallContext<'_>) {
        let mut mark = b'{';
        let mut key = |out: &mut Vec<u8>, key: &[u8]| {
            out.push(mark);
            out.extend_from_slice(key);
            mark = b',';
        };
        if let Some(session) = context.session {
            key(self.out, br#""session":"#);
            write_string(session, self.out);
        }
        if let Some(traceparent) = context.traceparent {
            key(self.out, br#""traceparent":"#);
            write_string(traceparent, self.out);
        }
        if let Some(input) = context.input {
            key(self.out, br#""input":"#);
            write_string(input, self.out);
        }
        if let Some((number, left)) = context.state {
            key(self.out, br#""state":"#);
            match left {
                None => self.number(&number),
                Some(Left { edition, state }) => {
                    let index = self.buffer(state);
                    self.display(format_args!(
                        r#"[{number},{edition},{{"$":["bytes",{index}]}}]"#
                    ));
                }
            }
        }
        if context.keep {
            key(self.out, br#""keep":true"#);
        }
        if context.depth > 0 {
            key(self.out, br#""depth":"#);
            self.number(&context.depth);
        }
        self.out.push(b'}');
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), ValueError> {
        match value {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Int(number) => self.number(number),
            Value::BigInt(number) if number.to_u64().is_some() => self.display(number),
            Value::BigInt(number) => self.tagged("int", number),
            Value::Float(number) if number.is_finite() => self.number(number),
            Value::Float(number) => self.tagged("float", special(*number)),
            Value::Str(text) => write_string(text, self.out),
            Value::Bytes(bytes) => {
                let index = self.buffer(bytes);
                self.display(format_args!(r#"{{"$":["bytes",{index}]}}"#));
            }
            Value::List(items) => return self.items(items, depth),
            Value::Tuple(items) => return self.tagged_items("tuple", items, depth),
            Value::Set(items) => return self.tagged_items("set", items, depth),
            Value::FrozenSet(items) => return self.tagged_items("frozenset", items, depth),
            Value::Map(map) => return self.map(map, depth),
            Value::Date(date) => self.tagged("date", date),
            Value::Time(time) => self.tagged("time", time),
            Value::DateTime(date_time) => self.tagged("datetime", date_time),
            Value::Duration(duration) => {
                let (days, seconds, rest) =
                    (duration.days(), duration.seconds(), duration.microseconds());
                self.display(format_args!(
                    r#"{{"$":["duration",{days},{seconds},{rest}]}}"#
                ));
            }
            Value::Decimal(number) => self.tagged("decimal", number),
            Value::Uuid(uuid) => self.tagged("uuid", uuid),
            Value::Array(array) => self.array(array),
            Value::Table(table) => return self.table(table, depth),
            Value::Ref(object) if self.takes_handles => {
                self.display(format_args!(r#"{{"$":["ref",{}]}}"#, object.number()));
            }
            Value::Ref(object) => {
                let name = object.type_name();
                return Err(ValueError::new(format!(
                    "a handle on a `{name}` can be sent as an argument only, in a call of its session"
                )));
            }
            Value::Opaque(opaque) => {
                let name = &opaque.type_name;
                return Err(ValueError::new(format!(
                    "a placeholder for `{name}` cannot be sent back"
                )));
            }
        }
        Ok(())
    }

    fn display(&mut self, text: impl std::fmt::Display) {
        // Writing to memory does not fail.
        let _ = write!(self.out, "{text}");
    }

    /// A number of Rust's own. Floats come out in the shortest form that reads back, never without `.` or exponent.
    fn number(&mut self, number: &impl Serialize) {
        // Neither does this.
        let _ = serde_json::to_writer(&mut *self.out, number);
    }

    /// A tag with one text that needs no escapes.
    fn tagged(&mut self, tag: &str, text: impl std::fmt::Display) {
        self.display(format_args!(r#"{{"$":["{tag}","{text}"]}}"#));
    }

    fn buffer(&mut self, bytes: &Bytes) -> usize {
        self.buffers.push(bytes.clone());
        self.buffers.len() - 1
    }

    fn array(&mut self, array: &Array) {
        self.out.extend_from_slice(br#"{"$":["array","#);
        write_string(array.dtype(), self.out);
        let index = self.buffer(array.data());
        self.display(format_args!(",{:?},{index}]}}", array.shape()));
    }

    fn items(&mut self, items: &[Value], depth: usize) -> Result<(), ValueError> {
        check(depth)?;
        self.out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(item, depth + 1)
                .map_err(|error| error.in_item(index))?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn tagged_items(&mut self, tag: &str, items: &[Value], depth: usize) -> Result<(), ValueError> {
        self.display(format_args!(r#"{{"$":["{tag}","#));
        self.items(items, depth)?;
        self.out.extend_from_slice(b"]}");
        Ok(())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<(), ValueError> {
        if map.has_only_string_keys() {
            let entries = map
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?, value)));
            return self.object(entries, depth);
        }
        self.pairs(map, depth)
    }

    fn object<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a str, &'a Value)> + Clone,
        depth: usize,
    ) -> Result<(), ValueError> {
        check(depth)?;
        let mut two = entries.clone();
        if let (Some(("$", value)), None) = (two.next(), two.next()) {
            // As an object it would read as a tag.
            check(depth + 1)?;
            self.out.extend_from_slice(br#"{"$":["map",[["$","#);
            self.value(value, depth + 2)
                .map_err(|error| error.in_key("$"))?;
            self.out.extend_from_slice(b"]]]}");
            return Ok(());
        }
        self.out.push(b'{');
        for (index, (key, value)) in entries.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write_string(key, self.out);
            self.out.push(b':');
            self.value(value, depth + 1)
                .map_err(|error| error.in_key(key))?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), ValueError> {
        match table {
            Table::Arrow(stream) => {
                let index = self.buffer(stream);
                self.display(format_args!(r#"{{"$":["table","arrow",{index}]}}"#));
                Ok(())
            }
            Table::Columns(columns) => self.columns(columns, depth),
        }
    }

    fn columns(&mut self, columns: &Columns, depth: usize) -> Result<(), ValueError> {
        check(depth + 1)?;
        self.out.extend_from_slice(br#"{"$":["table","columns",["#);
        self.entries(columns.entries().iter(), depth)?;
        let index = columns.index();
        self.display(format_args!("],{index}]}}"));
        Ok(())
    }

    fn pairs(&mut self, map: &Map, depth: usize) -> Result<(), ValueError> {
        check(depth + 1)?;
        self.out.extend_from_slice(br#"{"$":["map",["#);
        self.entries(map.iter(), depth)?;
        self.out.extend_from_slice(b"]]}");
        Ok(())
    }

    /// Pairs within two arrays.
    fn entries(
        &mut self,
        entries: slice::Iter<'_, (Value, Value)>,
        depth: usize,
    ) -> Result<(), ValueError> {
        for (index, (key, value)) in entries.enumerate() {
            self.out
                .extend_from_slice(if index > 0 { b",[" } else { b"[" });
            let located = |error: ValueError| error.in_key(&to_json(key));
            self.value(key, depth + 2).map_err(located)?;
            self.out.push(b',');
            self.value(value, depth + 2).map_err(located)?;
            self.out.push(b']');
        }
        Ok(())
    }
}

fn special(number: f64) -> &'static str {
    if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

/// Whether something nested may begin at this depth.
fn check(depth: usize) -> Result<(), ValueError> {
    if depth < MAX_DEPTH {
        Ok(())
    } else {
        Err(ValueError::new(format!(
            "nested deeper than {MAX_DEPTH} levels"
        )))
    }
}
