//! How an adapter is named: by a file, by a module, or as a list of modules. Must not know what is in them.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::scan::names_a_file;

/// The Python that is to be called.
///
/// In a configuration it is a text, or `{modules: [math, numpy.linalg]}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdapterSpec {
    /// An adapter that was written as one: `path/file.py`, `path/file.py:Class` or `package.module[:Class]`.
    Named(String),
    /// Modules that were not: the public functions of each are commands, as `module.function`.
    Modules(Vec<String>),
}

impl AdapterSpec {
    /// The modules whose functions are to be called, each as `import` names it.
    ///
    /// Nothing is checked here: an empty list, or a module that is not there, is an error of the first launch.
    pub fn modules<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Modules(names.into_iter().map(Into::into).collect())
    }
}

/// The name, or the names.
impl fmt::Display for AdapterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Modules(names) => f.write_str(&names.join(", ")),
        }
    }
}

impl From<String> for AdapterSpec {
    fn from(name: String) -> Self {
        Self::Named(name)
    }
}

impl From<&String> for AdapterSpec {
    fn from(name: &String) -> Self {
        Self::Named(name.clone())
    }
}

impl From<&str> for AdapterSpec {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl<'de> Deserialize<'de> for AdapterSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecVisitor)
    }
}

struct SpecVisitor;

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = AdapterSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file, a module, or `{modules: [...]}`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<AdapterSpec, E> {
        Ok(name.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<AdapterSpec, A::Error> {
        let mut modules = None;
        while let Some(ModulesKey) = entries.next_key()? {
            modules = Some(entries.next_value::<ModuleNames>()?.0);
        }
        let missing = || de::Error::custom("expected `modules: [...]` in it");
        modules.map(AdapterSpec::Modules).ok_or_else(missing)
    }
}

/// The only key there is.
struct ModulesKey;

impl<'de> Deserialize<'de> for ModulesKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = ModulesKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`modules`")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<ModulesKey, E> {
                if key == "modules" {
                    return Ok(ModulesKey);
                }
                Err(E::custom(format_args!(
                    "expected only `modules`, found `{key}`; a file is named without a mapping: `adapter: file.py`"
                )))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

struct ModuleNames(Vec<String>);

impl<'de> Deserialize<'de> for ModuleNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;

        impl<'de> Visitor<'de> for NamesVisitor {
            type Value = ModuleNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of modules, such as `[math, statistics]`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ModuleNames, A::Error> {
                let mut seen = HashSet::new();
                let mut names = Vec::new();
                while let Some(name) = items.next_element_seed(ModuleName(&seen))? {
                    seen.insert(name.clone());
                    names.push(name);
                }
                if names.is_empty() {
                    return Err(de::Error::custom(
                        "expected at least one module, such as `math`",
                    ));
                }
                Ok(ModuleNames(names))
            }
        }

        deserializer.deserialize_seq(NamesVisitor)
    }
}

/// One name, unlike those before it: an error raised here knows its line and column.
struct ModuleName<'a>(&'a HashSet<String>);

impl<'de> DeserializeSeed<'de> for ModuleName<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ModuleName<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a public module, such as `numpy.linalg`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<String, E> {
        if self.0.contains(name) {
            return Err(E::custom(format_args!(
                "`{name}` is there twice; remove one"
            )));
        }
        if names_a_file(name) {
            return Err(E::custom(format_args!(
                "expected a module as `import` names it, found a file; a file is named without a mapping: `adapter: {name}`"
            )));
        }
        if is_public(name) {
            return Ok(name.to_owned());
        }
        Err(E::invalid_value(Unexpected::Str(name), &self))
    }
}

/// Whether `import` could name a module so, and it is meant for others.
fn is_public(name: &str) -> bool {
    let fits = |part: &str| {
        part.starts_with(char::is_alphabetic)
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    };
    name.split('.').all(fits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Result<AdapterSpec, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_and_lists_of_modules_are_read() {
        assert_eq!(read("a/b.py:C"), Ok("a/b.py:C".into()));
        let modules = AdapterSpec::modules(["math", "numpy.linalg"]);
        assert_eq!(read("{modules: [math, numpy.linalg]}"), Ok(modules.clone()));
        assert_eq!(modules.to_string(), "math, numpy.linalg");
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        for (text, expected, column) in [
            ("a: 5", "a file, a module, or `{modules: [...]}`", 4),
            ("a: [math]", "a file, a module, or `{modules: [...]}`", 4),
            ("a: {}", "expected `modules: [...]` in it", 4),
            ("a: {modules: []}", "at least one module", 14),
            ("a: {modules: math}", "a list of modules", 14),
            ("a: {modules: [math, 5]}", "expected the name of", 21),
            ("a: {modules: [math, b, math]}", "`math` is there twice", 24),
            ("a: {modules: [math, ./b.py]}", "`adapter: ./b.py`", 21),
            ("a: {modules: [_thread]}", "a public module", 15),
            ("a: {modules: [os._exit]}", "a public module", 15),
            ("a: {modules: ['']}", "a public module", 15),
            ("a: {modules: [math], path: b.py}", "`adapter: file.py`", 22),
        ] {
            let read = serde_yaml::from_str::<BTreeMap<String, AdapterSpec>>(text);
            let error = read.expect_err(text).to_string();
            let place = format!("line 1 column {column}");
            assert!(
                error.contains(expected) && error.ends_with(&place),
                "{text}: {error}"
            );
        }
    }
}
