//! Where each value in effect came from, and how to show it as YAML. Knows no key.

use std::fmt::Write as _;

use serde_yaml::Value;

/// One key of a pool as it is in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The key.
    pub key: String,
    /// Its value as YAML on one line; `None` for an optional key that is not set.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody gave one, and there is no default.
    Unset,
    /// The default.
    Default,
    /// This line of the configuration.
    Line(usize),
}

impl Setting {
    pub(crate) fn new(key: &str, value: Option<String>, origin: Origin) -> Self {
        Self {
            key: key.to_owned(),
            value,
            origin,
        }
    }
}

/// A value as YAML that fits on one line.
pub(crate) fn one_line(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Sequence(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Mapping(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_value(key, out);
                out.push_str(": ");
                write_value(item, out);
            }
            out.push('}');
        }
        Value::Tagged(tagged) => {
            let _ = write!(out, "{} ", tagged.tag);
            write_value(&tagged.value, out);
        }
        Value::String(text) => write_text(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let text = serde_yaml::to_string(value).unwrap_or_default();
            out.push_str(text.trim_end());
        }
    }
}

/// Without quotes only when nobody could take the text for anything else.
fn write_text(text: &str, out: &mut String) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let reads_back = || serde_yaml::from_str::<Value>(text).is_ok_and(|value| value == text);
    if text.starts_with(char::is_alphanumeric) && text.chars().all(is_plain) && reads_back() {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' || ('\u{2028}'..='\u{2029}').contains(&c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back_from_its_line() {
        for text in [
            "hello.py",
            "5s",
            "yes",
            "'1.10'",
            "1.5",
            "true",
            "~",
            "a: b",
            "a:b",
            "[1, x, {y: 'z'}]",
            "{A: '1', 'b c': [~]}",
            "\"two\\nlines\\u2028\\\"'\\\\\"",
            "''",
            "'#x'",
            "'- a'",
            "!tag x",
            "|\n  a\n  b\n",
        ] {
            let value: Value = serde_yaml::from_str(text).unwrap();
            let line = one_line(&value);
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(
                serde_yaml::from_str::<Value>(&line).unwrap(),
                value,
                "{text} -> {line}"
            );
        }
        assert_eq!(one_line(&Value::from("hello.py")), "hello.py");
    }
}
