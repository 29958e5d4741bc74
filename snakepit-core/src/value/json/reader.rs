//! A strict pull reader of JSON text, exact for numbers of any size. Knows no value but numbers.

use std::borrow::Cow;

use super::first_special;
use crate::value::{BigInt, Value};

/// Reads JSON text piece by piece, from the front.
///
/// The caller decides what comes next by [`peek`](Self::peek) and bounds its own recursion. White space in front of a
/// piece is skipped. Strict as RFC 8259: no comments, no trailing commas, no `NaN`, no lone surrogates.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// Text that is no JSON, or not the JSON that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct Malformed {
    /// Where, in bytes from the start of the text.
    pub at: usize,
    /// What is wrong.
    pub problem: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads from the start of a text.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How far it has read, in bytes from the start of the text.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// An error about what comes next.
    pub const fn malformed(&self, problem: &'static str) -> Malformed {
        Malformed {
            at: self.at,
            problem,
        }
    }

    /// The first byte of the next piece, or `None` at the end.
    pub fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
        self.at += blank.count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads a punctuation mark if it comes next.
    pub fn eat(&mut self, mark: u8) -> bool {
        let found = self.peek() == Some(mark);
        self.at += usize::from(found);
        found
    }

    /// Reads a punctuation mark, or fails with `problem`.
    pub fn expect(&mut self, mark: u8, problem: &'static str) -> Result<(), Malformed> {
        if self.eat(mark) {
            Ok(())
        } else {
            Err(self.malformed(problem))
        }
    }

    /// Between two items of an array or an object: reads the comma, or else the closing mark. Says whether more comes.
    pub fn more(&mut self, close: u8) -> Result<bool, Malformed> {
        if self.eat(b',') {
            return Ok(true);
        }
        self.expect(close, "expected a comma or the closing bracket")
            .map(|()| false)
    }

    /// Checks that nothing follows.
    pub fn end(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.malformed("expected the end of the text")),
        }
    }

    /// Reads `null`, `true`, `false`, a number or a string.
    pub fn scalar(&mut self) -> Result<Value, Malformed> {
        match self.peek() {
            Some(b'"') => self.string().map(|text| Value::Str(text.into_owned())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            None => Err(self.malformed("the text ends too early")),
            Some(_) => Err(self.malformed("expected a value")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Malformed> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.malformed("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Reads a string; borrows it if it holds no escapes.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.expect(b'"', "expected a string")?;
        let plain = self.plain()?;
        if self.next_byte() == Some(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            // The byte just read was a backslash.
            text.push(self.escape()?);
            text.push_str(self.plain()?);
            if self.next_byte() == Some(b'"') {
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// Reads up to the next quotation mark or backslash.
    fn plain(&mut self) -> Result<&'a str, Malformed> {
        let text = self.text;
        let start = self.at;
        let length = first_special(&text.as_bytes()[start..]);
        self.at = length.map_or(text.len(), |length| start + length);
        match text.as_bytes().get(self.at) {
            Some(b'"' | b'\\') => Ok(&text[start..self.at]),
            Some(_) => Err(self.malformed("a control character must be escaped")),
            None => Err(self.malformed("the string does not end")),
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<char, Malformed> {
        let error = self.malformed("unknown escape");
        Ok(match self.next_byte().ok_or(error)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(error),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, Malformed> {
        let lone = self.malformed("a surrogate without its partner");
        let first = self.four_digits()?;
        let code = if matches!(first, 0xd800..0xdc00) {
            if !self.text[self.at..].starts_with("\\u") {
                return Err(lone);
            }
            self.at += 2;
            let second = self.four_digits()?;
            0x10000 + ((first - 0xd800) << 10) + second.checked_sub(0xdc00).ok_or(lone)?
        } else {
            first
        };
        char::from_u32(code).ok_or(lone)
    }

    fn four_digits(&mut self) -> Result<u32, Malformed> {
        let error = self.malformed("expected four hexadecimal digits");
        let digits = self.text.get(self.at..self.at + 4).ok_or(error)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| error)
    }

    /// Reads a number: an integer of any size if it has neither `.` nor exponent, else a float.
    pub fn number(&mut self) -> Result<Value, Malformed> {
        self.peek();
        let start = self.at;
        let error = self.malformed("expected a number");
        let _minus = self.next_if(b"-");
        let first = self.at;
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.text.as_bytes()[first] == b'0') {
            return Err(error);
        }
        let mut float = false;
        if self.next_if(b".") {
            float = true;
            if self.digits() == 0 {
                return Err(error);
            }
        }
        if self.next_if(b"eE") {
            float = true;
            let _sign = self.next_if(b"+-");
            if self.digits() == 0 {
                return Err(error);
            }
        }
        let text = &self.text[start..self.at];
        if float {
            let number = text.parse().unwrap_or(f64::INFINITY);
            let too_large = Malformed {
                problem: "the number is too large",
                ..error
            };
            return if number.is_finite() {
                Ok(Value::Float(number))
            } else {
                Err(too_large)
            };
        }
        match text.parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => text.parse::<BigInt>().map(Value::from).map_err(|_| error),
        }
    }

    fn next_if(&mut self, any_of: &[u8]) -> bool {
        let found = self
            .text
            .as_bytes()
            .get(self.at)
            .is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Result<Value, Malformed> {
        let mut reader = Reader::new(text);
        let value = reader.scalar()?;
        reader.end().map(|()| value)
    }

    #[test]
    fn numbers_are_exact() {
        assert_eq!(scalar("-0"), Ok(Value::Int(0)));
        assert_eq!(scalar("-0.0"), Ok(Value::Float(-0.0)));
        assert_eq!(scalar("1e2"), Ok(Value::Float(100.0)));
        assert_eq!(scalar("-9223372036854775808"), Ok(Value::Int(i64::MIN)));
        assert_eq!(scalar("18446744073709551615"), Ok(u64::MAX.into()));
        let huge = "123456789012345678901234567890";
        assert!(matches!(scalar(huge), Ok(Value::BigInt(digits)) if digits.as_str() == huge));
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(
            scalar(r#""a\"\\\/\b\f\n\r\tb""#),
            Ok("a\"\\/\u{8}\u{c}\n\r\tb".into())
        );
        assert_eq!(scalar(r#""\u00e9\ud83d\ude00é""#), Ok("é😀é".into()));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "True",
            "NaN",
            "Infinity",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "1e999",
            "0x1",
            "1 2",
            "\"",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "\"\\u00é\"",
            "é",
        ] {
            assert!(scalar(text).is_err(), "{text:?}");
        }
    }
}
