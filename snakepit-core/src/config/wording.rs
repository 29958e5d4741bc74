//! Turns the parser's words for what it expected and found into words for people. Knows no key.

use super::nearest::nearest;

/// The headline of a wrong value.
pub(crate) fn invalid(subject: &str) -> String {
    format!("invalid value of `{subject}`")
}

/// What is to be said about a wrong value.
pub(crate) struct Explanation {
    /// What is wrong: the key, or something inside its value.
    pub(crate) subject: String,
    /// What to write under the place.
    pub(crate) label: String,
    /// What was probably meant.
    pub(crate) help: Option<String>,
}

/// Takes an error of the parser apart.
///
/// It says `pools[0].env.HOME: invalid type: map, expected a string at line 3 column 5`.
pub(crate) fn explain(key: &str, error: &serde_yaml::Error) -> Explanation {
    let mut message = error.to_string();
    if let Some(at) = error.location() {
        let position = format!(" at line {} column {}", at.line(), at.column());
        message = message
            .strip_suffix(&position)
            .unwrap_or(&message)
            .to_owned();
    }
    let (subject, message) = match message.split_once(": ") {
        Some((path, rest)) if !path.contains(' ') => match path.rfind(key) {
            Some(start) => (path[start..].to_owned(), rest),
            None => (key.to_owned(), message.as_str()),
        },
        _ => (key.to_owned(), message.as_str()),
    };
    if let Some((found, expected)) = fact(message, &["unknown variant ", "unknown field "]) {
        let known = expected.split('`').skip(1).step_by(2);
        let help = nearest(found.trim_matches('`'), known);
        let help = help.map(|known| format!("did you mean `{known}`?"));
        return Explanation {
            subject,
            label: format!("expected {expected}, found {found}"),
            help,
        };
    }
    let label = match fact(message, &["invalid type: ", "invalid value: "]) {
        Some((found, expected)) => {
            format!(
                "expected {}, found {}",
                plain_expected(expected),
                plain_found(found)
            )
        }
        None => message.to_owned(),
    };
    Explanation {
        subject,
        label,
        help: None,
    }
}

/// The two halves of "PREFIX found, expected what".
fn fact<'a>(message: &'a str, prefixes: &[&str]) -> Option<(&'a str, &'a str)> {
    let fact = prefixes
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))?;
    fact.rsplit_once(", expected ")
}

fn plain_expected(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other => other,
    }
}

fn plain_found(found: &str) -> &str {
    match found {
        "map" => "a mapping",
        "sequence" => "a list",
        "unit value" => "nothing",
        "enum" => "a tagged value",
        other => {
            let kinds = ["string ", "integer ", "floating point ", "boolean "];
            let bare = kinds
                .iter()
                .find_map(|kind| other.strip_prefix(kind))
                .unwrap_or(other);
            bare.strip_suffix(" as u128")
                .or(bare.strip_suffix(" as i128"))
                .unwrap_or(bare)
        }
    }
}
