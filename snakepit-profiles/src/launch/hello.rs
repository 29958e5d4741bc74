//! The host's `HELLO`, as `FORK` and `BECOME` carry it; must not know what becomes of it.

use std::path::Path;

use serde::Serialize;
use snakepit_core::Limits;

use crate::frame::PROTOCOL;
use crate::settings::{LaneKind, Lanes, Unserialisable};

#[derive(Serialize)]
struct Hello<'a> {
    protocol: u32,
    features: [&'static str; 0],
    worker: &'a str,
    lanes: u16,
    lane_kind: LaneKind,
    #[serde(skip_serializing_if = "is_usual")]
    unserialisable: Unserialisable,
    #[serde(skip_serializing_if = "LimitsMessage::is_empty")]
    limits: LimitsMessage<'a>,
}

/// What a worker has to limit itself to before it runs any code of the adapter's.
#[derive(Serialize)]
struct LimitsMessage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    nofile: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    core: Option<u64>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    address_space: Option<u64>,
    /// The folder of a control group to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a Path>,
}

impl LimitsMessage<'_> {
    fn is_empty(&self) -> bool {
        let Self {
            nofile,
            core,
            address_space,
            cgroup,
        } = self;
        nofile.or(*core).or(*address_space).is_none() && cgroup.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_usual(unserialisable: &Unserialisable) -> bool {
    *unserialisable == Unserialisable::default()
}

/// The text for a worker of this name.
pub(super) fn encode(
    worker: &str,
    lanes: Lanes,
    unserialisable: Unserialisable,
    limits: &Limits,
    cgroup: Option<&Path>,
) -> Vec<u8> {
    let hello = Hello {
        protocol: PROTOCOL,
        features: [],
        worker,
        lanes: lanes.count,
        lane_kind: lanes.kind,
        unserialisable,
        limits: LimitsMessage {
            nofile: limits.open_files,
            core: limits.core_dump,
            address_space: limits.address_space,
            cgroup,
        },
    };
    serde_json::to_vec(&hello).expect("a message of strings and numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_if_there_are_any() {
        let lanes = Lanes {
            kind: LaneKind::Main,
            count: 1,
        };
        let text = |limits: &Limits, cgroup| {
            String::from_utf8(encode("a/1", lanes, Unserialisable::Error, limits, cgroup)).unwrap()
        };
        assert!(text(&Limits::default(), None).ends_with(r#""lanes":1,"lane_kind":"main"}"#));
        let limits = Limits {
            core_dump: Some(0),
            address_space: Some(9),
            ..Limits::default()
        };
        let text = text(&limits, Some(Path::new("/sys/fs/cgroup/a")));
        assert!(
            text.ends_with(r#""limits":{"core":0,"as":9,"cgroup":"/sys/fs/cgroup/a"}}"#),
            "{text}"
        );
    }

    #[test]
    fn placeholders_are_asked_for_where_they_are_wanted() {
        let lanes = Lanes {
            kind: LaneKind::Main,
            count: 1,
        };
        let limits = Limits::default();
        let text = encode("a/1", lanes, Unserialisable::Placeholder, &limits, None);
        let end = br#""unserialisable":"placeholder"}"#;
        assert!(text.ends_with(end), "{text:?}");
    }
}
