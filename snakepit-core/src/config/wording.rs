//! Turns the parser's words for what it expected and found into words for people. Knows no key.

/// The headline of a wrong value.
pub(crate) fn invalid(subject: &str) -> String {
    format!("invalid value of `{subject}`")
}

/// What the error is about, starting with `key`, and what to write under the place.
///
/// The parser says `pools[0].env.HOME: invalid type: map, expected a string at line 3 column 5`.
pub(crate) fn explain(key: &str, error: &serde_yaml::Error) -> (String, String) {
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
    (subject, label(message))
}

fn label(message: &str) -> String {
    let fact = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .and_then(|fact| fact.rsplit_once(", expected "));
    match fact {
        Some((found, expected)) => {
            format!(
                "expected {}, found {}",
                plain_expected(expected),
                plain_found(found)
            )
        }
        None => message.to_owned(),
    }
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
