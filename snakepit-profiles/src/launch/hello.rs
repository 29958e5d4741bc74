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

/// What a worker is told.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    /// The worker's name.
    pub(super) worker: &'a str,
    pub(super) lanes: Lanes,
    pub(super) unserialisable: Unserialisable,
    pub(super) thread_safety: ThreadSafety,
    pub(super) limits: Limits,
    /// The folder of the control group it is to join.
    pub(super) cgroup: Option<&'a Path>,
}

impl Order<'_> {
    /// The body of the frame.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Lanes { kind, count } = self.lanes;
        let check = self.thread_safety.check();
        let hello = Hello {
            protocol: PROTOCOL,
            features: [],
            worker: self.worker,
            lanes: count,
            lane_kind: kind,
            check_threads: check.filter(|_| kind == LaneKind::Thread),
            unserialisable: self.unserialisable,
            limits: LimitsMessage {
                nofile: self.limits.open_files,
                core: self.limits.core_dump,
                address_space: self.limits.address_space,
                cgroup: self.cgroup,
            },
        };
        serde_json::to_vec(&hello).expect("a message of strings and numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a worker of one lane is told, as text, but for what is changed.
    fn text(change: impl FnOnce(&mut Order<'static>)) -> String {
        let mut order = Order {
            worker: "a/1",
            lanes: Lanes {
                kind: LaneKind::Main,
                count: 1,
            },
            unserialisable: Unserialisable::default(),
            thread_safety: ThreadSafety::default(),
            limits: Limits::default(),
            cgroup: None,
        };
        change(&mut order);
        String::from_utf8(order.encode()).unwrap()
    }

    #[test]
    fn limits_are_told_if_there_are_any() {
        assert!(text(|_| {}).ends_with(r#""lanes":1,"lane_kind":"main"}"#));
        let limits = Limits {
            core_dump: Some(0),
            address_space: Some(9),
            ..Limits::default()
        };
        let text = text(|order| {
            order.limits = limits;
            order.cgroup = Some(Path::new("/sys/fs/cgroup/a"));
        });
        assert!(
            text.ends_with(r#""limits":{"core":0,"as":9,"cgroup":"/sys/fs/cgroup/a"}}"#),
            "{text}"
        );
    }

    #[test]
    fn threads_are_checked_where_there_are_any() {
        let checks = |kind, thread_safety| {
            let text = text(|order| {
                order.lanes = Lanes { kind, count: 2 };
                order.thread_safety = thread_safety;
            });
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
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
        let text = text(|order| order.unserialisable = Unserialisable::Placeholder);
        assert!(
            text.ends_with(r#""unserialisable":"placeholder"}"#),
            "{text}"
        );
    }
}
