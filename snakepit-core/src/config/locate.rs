//! Where in a YAML text something is. The only module that knows how the parser reports positions.
//!
//! The parser tells positions only with errors: an error raised while a node is read carries that
//! node's line and column. So to find a node we read the text once more, walk to it, and fail there
//! on purpose. Values are read in the same way, by walking to them and reading them in place, so
//! that an error deep inside a list or a mapping points at the very item. Configuration files are
//! small and this happens once, at start.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// The way from the root of a document to a node: at each step, which item or which entry.
/// Aliases are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(Vec<usize>);

impl Place {
    pub(crate) fn child(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(index);
        Self(steps)
    }
}

/// Something to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// A node.
    Value(Place),
    /// The key of the mapping's entry at this place.
    Key(Place),
}

/// A position in a text, both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Where the spot is, unless the text does not have it.
pub(crate) fn position(text: &str, spot: &Spot) -> Option<Position> {
    let (steps, at_key) = match spot {
        Spot::Value(place) => (&place.0, false),
        Spot::Key(place) => (&place.0, true),
    };
    let walk = Walk {
        steps,
        at_key,
        then: Stop,
    };
    match walk.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(never) => match never {},
        Err(error) => position_of(&error),
    }
}

/// Where an error of the parser happened.
pub(crate) fn position_of(error: &serde_yaml::Error) -> Option<Position> {
    error.location().map(|at| Position {
        line: at.line(),
        column: at.column(),
    })
}

/// Reads the node at a place.
pub(crate) fn read<T: DeserializeOwned>(text: &str, place: &Place) -> serde_yaml::Result<T> {
    let walk = Walk {
        steps: &place.0,
        at_key: false,
        then: PhantomData::<T>,
    };
    walk.deserialize(serde_yaml::Deserializer::from_str(text))
}

/// Goes down `steps` and hands the node there, or the key of its entry, to `then`.
struct Walk<'a, S> {
    steps: &'a [usize],
    at_key: bool,
    then: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Walk<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        if self.steps.is_empty() {
            self.then.deserialize(deserializer)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Walk<'_, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the structure that was there a moment ago")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<S::Value, A::Error> {
        let lost = de::Error::invalid_length(self.steps[0], &self);
        for _ in 0..self.steps[0] {
            items.next_element::<IgnoredAny>()?;
        }
        self.steps = &self.steps[1..];
        let found = items.next_element_seed(self)?.ok_or(lost)?;
        // The parser takes a sequence that was not read to its end for an error.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<S::Value, A::Error> {
        let lost = de::Error::invalid_length(self.steps[0], &self);
        for _ in 0..self.steps[0] {
            entries.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        let found = if self.at_key && self.steps.len() == 1 {
            let found = entries.next_key_seed(self.then)?;
            entries.next_value::<IgnoredAny>()?;
            found
        } else {
            self.steps = &self.steps[1..];
            match entries.next_key::<IgnoredAny>()? {
                Some(IgnoredAny) => Some(entries.next_value_seed(self)?),
                None => None,
            }
        };
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        found.ok_or(lost)
    }

    /// A node with a tag of the user's.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<S::Value, A::Error> {
        let (IgnoredAny, node) = tagged.variant()?;
        node.newtype_variant_seed(self)
    }
}

/// Fails wherever it gets to.
struct Stop;

impl<'de> DeserializeSeed<'de> for Stop {
    type Value = Infallible;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Infallible, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// No `visit` method accepts anything; the default ones fail, which is what this is for.
impl Visitor<'_> for Stop {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
base: &base {x: 1, y: [a, bb]}
pools:
  - name: ä
    other: !tag {deep: true}
  - *base
";

    fn place(steps: &[usize]) -> Place {
        Place(steps.to_vec())
    }

    fn at(spot: &Spot) -> (usize, usize) {
        let found = position(TEXT, spot).unwrap();
        (found.line, found.column)
    }

    #[test]
    fn values_and_keys_are_found_through_lists_tags_and_aliases() {
        assert_eq!(at(&Spot::Value(place(&[]))), (2, 1));
        assert_eq!(at(&Spot::Key(place(&[1]))), (3, 1));
        assert_eq!(at(&Spot::Value(place(&[1]))), (4, 3));
        assert_eq!(at(&Spot::Value(place(&[1, 0]))), (4, 5));
        assert_eq!(at(&Spot::Key(place(&[1, 0, 0]))), (4, 5));
        assert_eq!(at(&Spot::Value(place(&[1, 0, 0]))), (4, 11));
        assert_eq!(at(&Spot::Value(place(&[1, 0, 1, 0]))), (5, 24));
        assert_eq!(at(&Spot::Value(place(&[1, 1, 1, 1]))), (2, 27));
    }

    #[test]
    fn values_are_read_in_place() {
        assert_eq!(read::<String>(TEXT, &place(&[1, 0, 0])).unwrap(), "ä");
        assert_eq!(
            read::<Vec<String>>(TEXT, &place(&[1, 1, 1])).unwrap(),
            ["a", "bb"]
        );
        let error = read::<Vec<u8>>(TEXT, &place(&[0, 1])).unwrap_err();
        assert_eq!(
            position_of(&error),
            Some(Position {
                line: 2,
                column: 24
            })
        );
    }

    #[test]
    fn a_place_the_text_does_not_have_is_no_panic() {
        assert!(read::<String>(TEXT, &place(&[7, 7])).is_err());
        assert!(read::<String>(TEXT, &place(&[1, 7])).is_err());
        assert!(read::<String>(TEXT, &place(&[0, 0, 0])).is_err());
    }
}
