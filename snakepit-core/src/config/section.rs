//! Reads one mapping of a configuration, key by key, and remembers what was wrong and where each
//! value came from. Knows no particular key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::locate::{self, Place, Spot};
use super::nearest::nearest;
use super::original;
use super::provenance::{Origin, Setting, one_line};
use super::report::Finding;
use super::tree::{Entry, Kind, Node};
use super::wording::{self, Explanation};

/// The text being read, and what is wrong with it so far.
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    pub(crate) base_dir: PathBuf,
    pub(crate) findings: Vec<Finding>,
}

/// One mapping of a configuration, such as a pool.
///
/// Ask for each key once, by the method that says what its absence means. Nothing here fails: what
/// is wrong is noted with its line and column, and reading goes on, so that the user sees all
/// problems at once. A key nobody asked for is reported as unknown at the end.
pub struct Section<'a> {
    source: &'a mut Source,
    place: Place,
    entries: Vec<Entry>,
    asked: Vec<String>,
    settings: Vec<Setting>,
    findings_before: usize,
}

impl Section<'_> {
    /// Reads a key that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if let Some(node) = self.take(key) {
            return self.read(key, &node);
        }
        let finding = Finding::new(
            Spot::Value(self.place.clone()),
            format!("missing key `{key}`"),
        );
        self.source
            .findings
            .push(finding.labelled(format!("needs a key `{key}`")));
        None
    }

    /// Reads a key that may be left out. `None` also when its value was reported as wrong.
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if let Some(node) = self.take(key) {
            return self.read(key, &node);
        }
        self.settings.push(Setting::new(key, None, Origin::Unset));
        None
    }

    /// Reads a key that has a default. The default also stands in for a value reported as wrong.
    pub fn or<T: DeserializeOwned + Serialize>(&mut self, key: &str, default: T) -> T {
        if let Some(node) = self.take(key) {
            return self.read(key, &node).unwrap_or(default);
        }
        let value = serde_yaml::to_value(&default).ok();
        self.settings.push(Setting::new(
            key,
            value.as_ref().map(one_line),
            Origin::Default,
        ));
        default
    }

    /// Reports the value of a key that was read, for rules beyond its type or between keys.
    ///
    /// `label` stands under the value ("must not be larger than `pool_size`").
    pub fn invalid(&mut self, key: &str, label: impl Into<String>) {
        self.report(key, label, None);
    }

    /// As [`invalid`](Self::invalid), with a line on what to do about it.
    pub fn invalid_with_help(&mut self, key: &str, label: impl Into<String>, help: &str) {
        self.report(key, label, Some(help));
    }

    /// Whether nothing was wrong with this section so far.
    pub fn is_valid(&self) -> bool {
        self.source.findings.len() == self.findings_before
    }

    /// Whether the key is there. Does not count as asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The directory relative paths start from: the one the file is in.
    pub fn base_dir(&self) -> &Path {
        &self.source.base_dir
    }

    /// A path of this configuration, from [`base_dir`](Self::base_dir) if it is relative.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.source.base_dir.join(path)
    }

    fn report(&mut self, key: &str, label: impl Into<String>, help: Option<&str>) {
        let place = self
            .entry(key)
            .map_or(&self.place, |entry| &entry.node.place);
        let finding = Finding::new(Spot::Value(place.clone()), wording::invalid(key));
        self.source
            .findings
            .push(finding.labelled(label).with_help(help));
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn read<T: DeserializeOwned>(&mut self, key: &str, node: &Node) -> Option<T> {
        let text = Arc::clone(&self.source.text);
        if let Some(converted) = &node.instead {
            return self.read_converted(key, node, converted);
        }
        let value = locate::read::<serde_yaml::Value>(&text, &node.place).ok();
        let line = locate::position(&text, &Spot::Value(node.place.clone())).map(|at| at.line);
        let origin = line.map_or(Origin::Unset, Origin::Line);
        let shown = match &value {
            // As it is written: `3.10` may be a version.
            Some(serde_yaml::Value::Number(_)) => locate::read::<String>(&text, &node.place).ok(),
            value => value.as_ref().map(one_line),
        };
        self.settings.push(Setting::new(key, shown, origin));
        let at_value = Spot::Value(node.place.clone());
        if matches!(node.kind, Kind::Null) {
            let finding = Finding::new(at_value, format!("`{key}` has no value"));
            let label = "expected a value; remove the key to use the default";
            self.source.findings.push(finding.labelled(label));
            return None;
        }
        match locate::read(&text, &node.place) {
            Ok(value) => Some(value),
            Err(error) => {
                let Explanation {
                    subject,
                    label,
                    help,
                } = wording::explain(key, &error);
                let message = wording::invalid(&subject);
                let finding = match locate::position_of(&error) {
                    Some(position) => Finding::at(position, message),
                    None => Finding::new(at_value, message),
                };
                self.source
                    .findings
                    .push(finding.labelled(label).with_help(help.as_deref()));
                None
            }
        }
    }
}

/// For values in the original's form.
impl Section<'_> {
    fn read_converted<T: DeserializeOwned>(
        &mut self,
        key: &str,
        node: &Node,
        converted: &str,
    ) -> Option<T> {
        let at_value = Spot::Value(node.place.clone());
        let line = locate::position(&self.source.text, &at_value).map(|at| at.line);
        let origin = line.map_or(Origin::Unset, Origin::Line);
        self.settings
            .push(Setting::new(key, Some(converted.to_owned()), origin));
        match serde_yaml::from_str(converted) {
            Ok(value) => Some(value),
            Err(error) => {
                let Explanation {
                    subject,
                    label,
                    help,
                } = wording::explain(key, &error);
                let finding = Finding::new(at_value, wording::invalid(&subject));
                self.source
                    .findings
                    .push(finding.labelled(label).with_help(help.as_deref()));
                None
            }
        }
    }
}

/// For the readers of this crate.
impl<'a> Section<'a> {
    pub(crate) fn new(source: &'a mut Source, place: Place, entries: Vec<Entry>) -> Self {
        let findings_before = source.findings.len();
        let (asked, settings) = (Vec::new(), Vec::new());
        Self {
            source,
            place,
            entries,
            asked,
            settings,
            findings_before,
        }
    }

    /// Takes a key's node as it is and counts as asking for it.
    pub(crate) fn take(&mut self, key: &str) -> Option<Node> {
        self.asked.push(key.to_owned());
        self.entry(key).map(|entry| entry.node.clone())
    }

    /// Reports the key itself rather than its value.
    pub(crate) fn reject_key(&mut self, key: &str, message: String, help: Option<&str>) {
        self.asked.push(key.to_owned());
        if let Some(entry) = self.entry(key) {
            let finding = Finding::new(Spot::Key(entry.place.clone()), message).with_help(help);
            self.source.findings.push(finding);
        }
    }

    /// The keys nobody asked for yet.
    pub(crate) fn unread(&self) -> Vec<String> {
        let keys = self.entries.iter().map(|entry| &entry.key);
        keys.filter(|key| !self.asked.contains(key))
            .cloned()
            .collect()
    }

    /// Reports the keys nobody asked for. Returns where each value came from.
    pub(crate) fn finish(mut self) -> Vec<Setting> {
        for key in self.unread() {
            if let Some(why) = original::explain(&key) {
                let written = self.entry(&key).and_then(|entry| entry.written.clone());
                let name = written.as_deref().unwrap_or(&key).to_owned();
                self.reject_key(&key, format!("`{name}` is not supported"), Some(why));
            } else {
                let known = nearest(&key, self.asked.iter().map(String::as_str));
                let help = known.map(|known| format!("did you mean `{known}`?"));
                self.reject_key(&key, format!("unknown key `{key}`"), help.as_deref());
            }
        }
        self.settings
    }
}
