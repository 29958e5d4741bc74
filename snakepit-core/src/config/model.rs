//! What may stand in a configuration: the keys of the file and of a pool. Knows no profile's keys.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};

use super::locate::{Place, Spot};
use super::nearest::nearest;
use super::original;
use super::report::Finding;
use super::scalar::Bounded;
use super::section::{Section, Source};
use super::settings::read_settings;
use super::tree::{Entry, Kind, Node};
use super::{PoolConfig, Registry};
use crate::ids::PoolName;

const POOLS_HELP: &str = "\
write `pools:` and below it `  - name: default` and `    adapter: path/to/adapter.py`";

/// Reads a whole file.
pub(crate) fn read_file(root: Node, source: &mut Source, registry: &Registry) -> Vec<PoolConfig> {
    let place = root.place.clone();
    let entries = match root.kind {
        Kind::Mapping(entries) => entries,
        Kind::Null => Vec::new(),
        Kind::Scalar | Kind::List(_) => {
            let finding = Finding::new(Spot::Value(place), "not a configuration".into());
            source
                .findings
                .push(finding.labelled("expected a mapping").with_help(POOLS_HELP));
            return Vec::new();
        }
    };
    let has_pools = entries.iter().any(|entry| entry.key == "pools");
    if !has_pools
        && entries
            .iter()
            .any(|entry| original::marks_single_pool(&entry.key))
    {
        return read_single_pool(place, entries, source, registry);
    }
    let empty = entries.is_empty();
    let mut section = Section::new(source, place, entries);
    read_version(&mut section);
    let pools = section.take("pools");
    for key in section.unread() {
        if has_pools && original::marks_single_pool(&key) {
            let message = format!("`{key}` cannot stand beside `pools`");
            section.reject_key(&key, message, Some("move it into one of the pools"));
        }
    }
    section.finish();
    if let Some(node) = pools {
        return read_pools(node, source, registry);
    }
    let message = if empty {
        "the configuration is empty"
    } else {
        "there are no `pools`"
    };
    source
        .findings
        .push(Finding::without_position(message.into()).with_help(POOLS_HELP));
    Vec::new()
}

fn read_version(section: &mut Section<'_>) {
    section.optional::<Bounded<1, 1>>("version");
}

fn read_pools(node: Node, source: &mut Source, registry: &Registry) -> Vec<PoolConfig> {
    let at = Spot::Value(node.place);
    let items = match node.kind {
        Kind::List(items) if !items.is_empty() => items,
        Kind::List(_) | Kind::Null => {
            let finding = Finding::new(at, "`pools` is empty".into());
            let finding = finding
                .labelled("expected at least one pool")
                .with_help(POOLS_HELP);
            source.findings.push(finding);
            return Vec::new();
        }
        Kind::Scalar | Kind::Mapping(_) => {
            let finding = Finding::new(at, "invalid value of `pools`".into());
            let help = "begin each pool with `- name: ...`";
            source
                .findings
                .push(finding.labelled("expected a list of pools").with_help(help));
            return Vec::new();
        }
    };
    let mut names: HashMap<PoolName, Place> = HashMap::new();
    let mut pools = Vec::new();
    for item in items {
        let Kind::Mapping(mut entries) = item.kind else {
            let finding = Finding::new(Spot::Value(item.place), "not a pool".into());
            source
                .findings
                .push(finding.labelled("expected a mapping with a key `name`"));
            continue;
        };
        let at_name = entries.iter().find(|entry| entry.key == "name");
        let at_name = at_name.map(|entry| entry.node.place.clone());
        original::modernize(&source.text, &mut entries, &mut source.findings);
        let mut section = Section::new(source, item.place, entries);
        let name = section
            .required::<Name>("name")
            .map(|name| PoolName::new(name.0));
        let pool = read_pool(name.clone(), section, registry);
        if let (Some(name), Some(place)) = (name, at_name) {
            if let Some(first) = names.get(&name) {
                let message = format!("there are two pools named `{name}`");
                let finding = Finding::new(Spot::Value(place), message);
                let first = Spot::Value(first.clone());
                source
                    .findings
                    .push(finding.pointing_also_at(first, "first named"));
            } else {
                names.insert(name, place);
            }
        }
        pools.extend(pool);
    }
    pools
}

fn read_single_pool(
    place: Place,
    mut entries: Vec<Entry>,
    source: &mut Source,
    registry: &Registry,
) -> Vec<PoolConfig> {
    original::flatten_pool_config(&mut entries, &mut source.findings);
    original::modernize(&source.text, &mut entries, &mut source.findings);
    let version = entries.iter().position(|entry| entry.key == "version");
    if let Some(entry) = version.map(|index| entries.remove(index)) {
        let mut section = Section::new(source, place.clone(), vec![entry]);
        read_version(&mut section);
    }
    let mut section = Section::new(source, place, entries);
    let name = section.or("name", Name("default".into()));
    read_pool(Some(PoolName::new(name.0)), section, registry)
        .into_iter()
        .collect()
}

/// Reads one pool. Goes through all of it also when it is clear that nothing can come of it.
fn read_pool(
    name: Option<PoolName>,
    mut section: Section<'_>,
    registry: &Registry,
) -> Option<PoolConfig> {
    let kind = section.or("worker_profile", "process".to_owned());
    let settings = read_settings(&mut section);
    let Some(factory) = registry.get(&kind) else {
        let known: Vec<String> = registry.kinds().map(|kind| format!("`{kind}`")).collect();
        let label = match nearest(&kind, registry.kinds()) {
            Some(kind) => format!("did you mean `{kind}`?"),
            None => "no such worker profile".into(),
        };
        let help = format!("this program knows {}", list(&known));
        section.invalid_with_help("worker_profile", label, &help);
        // The other keys may be right for the profile that was meant.
        return None;
    };
    let profile = factory.build(&mut section, &settings);
    let (mut policies, mut meter) = (Vec::new(), None);
    for factory in registry.policies() {
        policies.extend(factory.build(&mut section, &settings));
        meter = meter.or_else(|| factory.meter());
    }
    let provenance = section.finish();
    Some(PoolConfig {
        name: name?,
        profile: profile?,
        settings,
        policies,
        meter,
        provenance,
    })
}

/// The name of a pool.
#[derive(Serialize)]
#[serde(transparent)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name made of a-z, 0-9, `_` and `-`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                let allowed =
                    |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
                if !name.is_empty() && name.len() <= 64 && name.chars().all(allowed) {
                    Ok(Name(name.to_owned()))
                } else {
                    Err(E::invalid_value(Unexpected::Str(name), &self))
                }
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

/// `a`, `b` and `c`.
fn list(words: &[String]) -> String {
    match words {
        [] => "none at all".into(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
