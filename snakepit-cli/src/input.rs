//! Turns the words after a command into its arguments. Knows no command.

use std::collections::HashSet;

use snakepit_core::error::RemoteKind;
use snakepit_core::value::from_json;
use snakepit_core::{Args, CallError, Value};

use crate::failure::Failure;

const FORMS: &str = "give one JSON value, or `name=text` and `name:=json` pairs";

/// Reads the arguments of a call.
pub(crate) fn parse(words: &[String]) -> Result<Args, Failure> {
    match words {
        [] => Ok(Args::none()),
        [only] if split_pair(only).is_none() => match from_json(only) {
            Ok(value) => Ok(Args::from_value(value)),
            Err(error) => Err(not_json(only, &error.to_string())),
        },
        pairs => {
            let mut args = Args::none();
            let mut seen = HashSet::new();
            for word in pairs {
                let (name, value) = parse_pair(word)?;
                if !seen.insert(name) {
                    return Err(Failure::usage(
                        format!("argument `{name}` is given twice"),
                        None,
                    ));
                }
                args = args.with(name, value);
            }
            Ok(args)
        }
    }
}

/// What to write instead, where text was refused that would have been something else as JSON.
pub(crate) fn misread(args: &Args, error: &CallError) -> Option<String> {
    let CallError::Remote(remote) = error else {
        return None;
    };
    if remote.kind != RemoteKind::BadArguments {
        return None;
    }
    let message = &remote.exception.message;
    args.keyword.iter().find_map(|(name, value)| {
        let text = value.as_str()?;
        let is_refused = message.starts_with(&format!("`{name}` has to be "));
        let is_json = from_json(text).is_ok_and(|value| value.as_str().is_none());
        (is_refused && is_json)
            .then(|| format!("`{name}={text}` passes text; write `{name}:={text}` to pass JSON"))
    })
}

fn parse_pair(word: &str) -> Result<(&str, Value), Failure> {
    match split_pair(word) {
        Some(Pair::Text(name, text)) => Ok((name, Value::from(text))),
        Some(Pair::Json(name, json)) => match from_json(json) {
            Ok(value) => Ok((name, value)),
            Err(error) => {
                let message = format!("the value of `{name}` is not JSON: {error}");
                Err(Failure::usage(
                    message,
                    Some(format!("write `{name}={json}` to pass text")),
                ))
            }
        },
        None => Err(Failure::usage(
            format!("`{word}` is not a `name=text` or `name:=json` pair"),
            Some(FORMS.to_owned()),
        )),
    }
}

enum Pair<'a> {
    Text(&'a str, &'a str),
    Json(&'a str, &'a str),
}

/// Splits `name=text` and `name:=json`. No JSON value looks like either.
fn split_pair(word: &str) -> Option<Pair<'_>> {
    let (name, value) = word.split_once('=')?;
    match name.strip_suffix(':') {
        Some(name) if is_name(name) => Some(Pair::Json(name, value)),
        None if is_name(name) => Some(Pair::Text(name, value)),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

fn not_json(word: &str, error: &str) -> Failure {
    let hint = if word
        .chars()
        .all(|c| c.is_alphanumeric() || " _-.".contains(c))
    {
        format!(
            "quote text for JSON, `'\"{word}\"'`, or write `NAME={word}`, with the name of the argument"
        )
    } else {
        FORMS.to_owned()
    };
    Failure::usage(format!("the argument is not JSON: {error}"), Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Args, Failure> {
        parse(
            &words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_list_is_positional_a_map_is_by_name_null_is_none_and_the_rest_is_one_argument() {
        assert_eq!(read(&[]).unwrap(), Args::none());
        assert_eq!(read(&["null"]).unwrap(), Args::none());
        assert_eq!(read(&["[1, 2]"]).unwrap(), Args::positional([1, 2]));
        assert_eq!(read(&[r#"{"a": 1}"#]).unwrap(), Args::none().with("a", 1));
        assert_eq!(read(&[r#""a=b""#]).unwrap(), Args::positional(["a=b"]));
        assert_eq!(read(&["-5"]).unwrap(), Args::positional([-5]));
    }

    #[test]
    fn pairs_carry_text_or_json() {
        let args = read(&["name=Ada", "to:=3", "note=a=b", "empty="]).unwrap();
        let expected = Args::none();
        let expected = expected
            .with("name", "Ada")
            .with("to", 3)
            .with("note", "a=b");
        assert_eq!(args, expected.with("empty", ""));
    }

    #[test]
    fn anything_else_is_refused_with_the_form_that_was_meant() {
        for (words, message, hint) in [
            (&["Ada"][..], "the argument is not JSON", "'\"Ada\"'"),
            (&["{a: 1}"], "the argument is not JSON", "pairs"),
            (
                &["name=Ada", "3"],
                "`3` is not a `name=text`",
                "one JSON value",
            ),
            (&["1", "2"], "`1` is not a `name=text`", "one JSON value"),
            (
                &["to:=three"],
                "the value of `to` is not JSON",
                "`to=three`",
            ),
            (&["a=1", "a=2"], "`a` is given twice", ""),
        ] {
            let Failure::Usage {
                message: found,
                hint: found_hint,
            } = read(words).unwrap_err()
            else {
                panic!("{words:?}");
            };
            assert!(found.contains(message), "{words:?}: {found}");
            assert!(found_hint.unwrap_or_default().contains(hint), "{words:?}");
        }
    }
}
