//! What is wrong with a value, and where in it; knows not which conversion found it.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// A value that cannot be converted or carried.
///
/// Displays as `` `rows[3].price`: what is wrong ``, or only what is wrong when that is the value as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    path: String,
    problem: String,
}

impl ValueError {
    /// An error about a value as a whole.
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            problem: problem.into(),
        }
    }

    /// Where it is, such as `rows[3].price`; empty for the value as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The same error, seen from the sequence that holds the value at `index`.
    pub fn in_item(self, index: usize) -> Self {
        self.in_step(&format!("[{index}]"))
    }

    /// The same error, seen from the map that holds the value under `key`.
    pub fn in_key(self, key: &str) -> Self {
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        if !key.is_empty() && key.chars().all(plain) {
            self.in_step(key)
        } else {
            self.in_step(&format!("[{key:?}]"))
        }
    }

    fn in_step(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path.insert_str(0, dot);
        self.path.insert_str(0, step);
        self
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ValueError {}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::new(problem.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::new(problem.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // What it is called here, not in serde.
        let found = match found {
            Unexpected::Unit | Unexpected::Option => Unexpected::Other("null"),
            other => other,
        };
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {length}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_where_and_what() {
        let error = ValueError::new("too big")
            .in_key("price")
            .in_item(3)
            .in_key("rows");
        assert_eq!(error.path(), "rows[3].price");
        assert_eq!(error.to_string(), "`rows[3].price`: too big");
        assert_eq!(ValueError::new("too big").to_string(), "too big");
    }

    #[test]
    fn quotes_keys_that_are_no_names() {
        let error = ValueError::new("x").in_key("a b").in_key("").in_key("c");
        assert_eq!(error.path(), r#"c[""]["a b"]"#);
    }
}
