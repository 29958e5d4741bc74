//! A YAML text as a tree that knows where each node came from. Knows no key's meaning.
//!
//! The tree holds structure only. Scalars stay in the text and are read in place
//! ([`locate::read`]), as the type that is asked for: an environment variable `1.10` stays `1.10`.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::locate::{self, Place, Position, Spot};
use super::report::Finding;

/// More nodes than this are taken for a mistake. Aliases count as often as they are used.
const MOST_NODES: usize = 100_000;

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    /// What is read instead of the text at that place: a value in the original's form, converted.
    pub(crate) instead: Option<String>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Scalar,
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// What the user calls the key, if that is the original's name for it.
    pub(crate) written: Option<String>,
    /// Where the entry stands in the text; for merged entries, where they were merged from.
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// Reads a text. Mistakes that leave the rest readable, such as duplicate keys, go to `findings`.
pub(crate) fn parse(text: &str, findings: &mut Vec<Finding>) -> serde_yaml::Result<Node> {
    let context = Context {
        left: Cell::new(MOST_NODES),
        findings: RefCell::new(Vec::new()),
    };
    let build = Build {
        context: &context,
        place: Place::default(),
    };
    let node = build.deserialize(serde_yaml::Deserializer::from_str(text));
    findings.append(&mut context.findings.into_inner());
    node
}

struct Context {
    left: Cell<usize>,
    findings: RefCell<Vec<Finding>>,
}

impl Context {
    fn report(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }
}

struct Build<'a> {
    context: &'a Context,
    place: Place,
}

impl Build<'_> {
    fn node(self, kind: Kind) -> Node {
        Node {
            place: self.place,
            kind,
            instead: None,
        }
    }

    fn child(&self, index: usize) -> Self {
        Self {
            context: self.context,
            place: self.place.child(index),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let left = self.context.left.get().checked_sub(1).ok_or_else(|| {
            de::Error::custom(format_args!(
                "there are more than {MOST_NODES} values in this file"
            ))
        })?;
        self.context.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(self.node(Kind::Scalar))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(self.node(Kind::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(self.node(Kind::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.child(list.len()))? {
            list.push(item);
        }
        Ok(self.node(Kind::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Node, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        let mut index = 0;
        while let Some(key) = pairs.next_key::<String>()? {
            let build = self.child(index);
            let place = build.place.clone();
            let node = pairs.next_value_seed(build)?;
            index += 1;
            if key == "<<" {
                merge(self.context, node, &mut merged);
            } else if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                self.context.report(
                    Finding::new(Spot::Key(place), format!("key `{key}` is given twice"))
                        .pointing_also_at(Spot::Key(first.place.clone()), "first given"),
                );
            } else {
                entries.push(Entry {
                    key,
                    written: None,
                    place,
                    node,
                });
            }
        }
        // What is written out wins over what is merged, and earlier merges win over later ones.
        for entry in merged {
            if !entries.iter().any(|known| known.key == entry.key) {
                entries.push(entry);
            }
        }
        Ok(self.node(Kind::Mapping(entries)))
    }

    /// The tag itself means nothing here; whoever reads the value meets it again.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        let (IgnoredAny, node) = tagged.variant()?;
        node.newtype_variant_seed(self)
    }
}

fn merge(context: &Context, node: Node, into: &mut Vec<Entry>) {
    match node.kind {
        Kind::Mapping(entries) => into.extend(entries),
        Kind::List(nodes) => nodes
            .into_iter()
            .for_each(|node| merge(context, node, into)),
        Kind::Null | Kind::Scalar => context.report(
            Finding::new(Spot::Value(node.place), "nothing to merge here".into())
                .labelled("expected a mapping, or an alias of one"),
        ),
    }
}

/// What the parser has against a text. It says `did not find ... at line 3 column 5, while ...`.
pub(crate) fn syntax_error(text: &str, error: &serde_yaml::Error) -> Finding {
    let mut message = error.to_string();
    let Some(mut position) = locate::position_of(error) else {
        let documents = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim_end() == "---");
        return match documents.last() {
            Some((index, _)) if message.contains("more than one document") => Finding::at(
                Position {
                    line: index + 1,
                    column: 1,
                },
                "there is more than one document in this file".into(),
            ),
            _ => Finding::without_position(message),
        };
    };
    let suffix = format!(" at line {} column {}", position.line, position.column);
    message = message.replacen(&suffix, "", 1);
    // The end of the file is often after the last line; there is nothing to show there.
    let last = text.lines().count().max(1);
    if position.line > last {
        let end = text
            .lines()
            .last()
            .map_or(0, |line| line.trim_end().chars().count());
        position = Position {
            line: last,
            column: end + 1,
        };
    }
    let at_fault = text
        .lines()
        .nth(position.line - 1)
        .and_then(|l| l.chars().nth(position.column - 1));
    let help = (at_fault == Some('\t')).then_some("indent with spaces: YAML does not allow tabs");
    Finding::at(position, message).with_help(help)
}
