//! The host's `HELLO`, as `FORK` and `BECOME` carry it; must not know what becomes of it.

use std::path::Path;

use serde::Serialize;
use snakepit_core::Limits;

use crate::frame::PROTOCOL;
use crate::settings::{LaneKind, Lanes, ThreadSafety, Unserialisable};

#[derive(Serialize)]
struct Hello<'a> {
    protocol: u32,
    features: [&'static str; 0],
    worker: &'a str,
    lanes: u16,
    lane_kind: LaneKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_threads: Option<&'static str>,
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
    thread_safety: ThreadSafety,
) -> Vec<u8> {
    let hello = Hello {
        protocol: PROTOCOL,
        features: [],
        worker,
        lanes: lanes.count,
        lane_kind: lanes.kind,
        check_threads: thread_safety
            .check()
            .filter(|_| lanes.kind == LaneKind::Thread),
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
            let off = ThreadSafety::default();
            let hello = encode("a/1", lanes, Unserialisable::Error, limits, cgroup, off);
            String::from_utf8(hello).unwrap()
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
    fn threads_are_checked_where_there_are_any() {
        let checks = |kind, thread_safety| {
            let lanes = Lanes { kind, count: 2 };
            let (usual, limits) = (Unserialisable::Error, Limits::default());
            let text = encode("a/1", lanes, usual, &limits, None, thread_safety);
            let message: serde_json::Value = serde_json::from_slice(&text).unwrap();
            message["check_threads"].as_str().map(str::to_owned)
        };
        for silent in [ThreadSafety::Off, ThreadSafety::Declared] {
            assert_eq!(checks(LaneKind::Thread, silent), None);
        }
        let strict = checks(LaneKind::Thread, ThreadSafety::Strict);
        assert_eq!(strict.as_deref(), Some("strict"));
        assert_eq!(checks(LaneKind::Interpreter, ThreadSafety::Strict), None);
    }

    #[test]
    fn placeholders_are_asked_for_where_they_are_wanted() {
        let lanes = Lanes {
            kind: LaneKind::Main,
            count: 1,
        };
        let limits = Limits::default();
        let off = ThreadSafety::default();
        let text = encode(
            "a/1",
            lanes,
            Unserialisable::Placeholder,
            &limits,
            None,
            off,
        );
        let end = br#""unserialisable":"placeholder"}"#;
        assert!(text.ends_with(end), "{text:?}");
    }
}
