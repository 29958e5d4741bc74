//! What a pool insists on, judged from what a worker says about itself. Pure: must not know processes.

use snakepit_core::error::LaunchErrorKind;
use snakepit_core::{LaunchError, Notice};

use crate::facts::{Facts, Finding, Python};
use crate::settings::{GilPolicy, LaneKind, Lanes, ThreadSafety};

/// The settings a worker is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) gil: GilPolicy,
    pub(crate) thread_safety: ThreadSafety,
}

impl Rules {
    /// Judges a worker that is otherwise ready: what the operator should know of it, or why it must not serve.
    pub(super) fn admit(self, lanes: Lanes, facts: &Facts) -> Result<Vec<Notice>, LaunchError> {
        let gil = self.admit_gil(lanes, &facts.python)?;
        let thread_safety = self.admit_adapter(lanes, facts.thread_safe)?;
        Ok(gil.into_iter().chain(thread_safety).collect())
    }

    /// What to say of something a worker found out while it served.
    pub(super) fn found(self, finding: &Finding) -> Option<Notice> {
        match finding.kind.as_str() {
            "gil_enabled" => self.found_gil(finding),
            "thread_overlap" => Some(overlap(finding)),
            _ => None,
        }
    }

    fn found_gil(self, finding: &Finding) -> Option<Notice> {
        if self.gil == GilPolicy::Any {
            return None;
        }
        let message = match &finding.modules[..] {
            [] => format!("the GIL was turned on during `{}`", finding.command),
            modules => format!(
                "the GIL was turned on during `{}` by {}",
                finding.command,
                modules.join(", ")
            ),
        };
        let notice = Notice::new("gil.on", message);
        Some(if self.gil == GilPolicy::RequireOff {
            let hint = "the worker is replaced; import the module when the adapter is loaded, to see it refused there";
            notice.with_hint(hint).unfit()
        } else {
            notice.with_hint(
                "from now on lanes of that worker overlap only in I/O and GIL-releasing code",
            )
        })
    }

    fn admit_gil(self, lanes: Lanes, python: &Python) -> Result<Option<Notice>, LaunchError> {
        if !python.gil_enabled {
            return Ok(None);
        }
        let (state, hint) = gil_on(python);
        match self.gil {
            GilPolicy::Any => Ok(None),
            GilPolicy::RequireOff => Err(refused("gil: require_off", state, hint)),
            GilPolicy::PreferOff if lanes.count > 1 && lanes.kind == LaneKind::Thread => {
                let message = format!("{state}: lanes overlap only in I/O and GIL-releasing code");
                Ok(Some(Notice::new("gil.on", message).with_hint(hint)))
            }
            GilPolicy::PreferOff => Ok(Some(Notice::new("gil.on", state).with_hint(hint))),
        }
    }

    fn admit_adapter(
        self,
        lanes: Lanes,
        declared: Option<bool>,
    ) -> Result<Option<Notice>, LaunchError> {
        if lanes.kind != LaneKind::Thread || lanes.count == 1 {
            return Ok(None);
        }
        let policy = match self.thread_safety {
            ThreadSafety::Off => return Ok(None),
            ThreadSafety::Declared => "thread_safety: declared",
            ThreadSafety::Warn => "thread_safety: warn",
            ThreadSafety::Strict => "thread_safety: strict",
        };
        match (declared, self.thread_safety) {
            (Some(true), _) => Ok(None),
            (Some(false), _) => Err(refused(
                policy,
                "the adapter declares `__thread_safe__ = False`".to_owned(),
                "use `worker_profile: process`, or `threads_per_worker: 1`",
            )),
            (None, ThreadSafety::Strict) => Err(refused(
                policy,
                "the adapter does not declare `__thread_safe__ = True`".to_owned(),
                "declare it in the adapter's class or module once that is true; for modules of others use `thread_safety: warn`",
            )),
            (None, _) => {
                let message = "the adapter does not say whether threads may share its module";
                let hint = "declare `__thread_safe__ = True` in its class or module, set `thread_safety: off` if they may, or use `worker_profile: process`";
                Ok(Some(
                    Notice::new("thread_safety.undeclared", message).with_hint(hint),
                ))
            }
        }
    }
}

fn overlap(finding: &Finding) -> Notice {
    let message = format!(
        "{} is used by two threads at once: {}",
        finding.subject,
        finding.uses.join(" and ")
    );
    let hint = "hold one lock around both uses, give each thread an object of its own, or say what only reads";
    Notice::new("thread_safety.overlap", message).with_hint(hint)
}

/// How the GIL came to be on, and what to do about it.
fn gil_on(python: &Python) -> (String, &'static str) {
    let name = python.name();
    if !python.free_threaded_build {
        let hint = "a free-threaded build has none: set `python: 3.14t`; `snakepit python list` shows what is here";
        return (format!("the GIL is on in {name}, an ordinary build"), hint);
    }
    match &python.gil_enabled_by[..] {
        [] => (
            format!("the GIL is on in free-threaded {name}"),
            "is PYTHON_GIL=1 set, or a module loaded that says nothing?",
        ),
        modules => (
            format!(
                "the GIL of free-threaded {name} was turned on by {}",
                modules.join(", ")
            ),
            "use a version of the module that supports free threading (`snakepit python compat`), or do without it",
        ),
    }
}

fn refused(policy: &'static str, message: String, hint: &str) -> LaunchError {
    let policy = policy.into();
    LaunchError::new(LaunchErrorKind::Refused { policy, message }).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIXTEEN: Lanes = Lanes {
        kind: LaneKind::Thread,
        count: 16,
    };

    const ONE: Lanes = Lanes {
        kind: LaneKind::Main,
        count: 1,
    };

    fn rules(gil: GilPolicy, thread_safety: ThreadSafety) -> Rules {
        Rules { gil, thread_safety }
    }

    fn facts(free_threaded_build: bool, gil_enabled: bool, by: &[&str]) -> Facts {
        Facts {
            python: Python {
                version: "3.14.7".into(),
                implementation: "cpython".into(),
                free_threaded_build,
                gil_enabled,
                gil_enabled_by: by.iter().map(ToString::to_string).collect(),
                ..Python::default()
            },
            thread_safe: Some(true),
            ..Facts::default()
        }
    }

    fn codes(rules: Rules, lanes: Lanes, facts: &Facts) -> Result<Vec<String>, String> {
        match rules.admit(lanes, facts) {
            Ok(notices) => Ok(notices
                .iter()
                .map(|notice| notice.code.to_string())
                .collect()),
            Err(error) => {
                assert!(error.is_permanent() && error.hint().is_some());
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn a_required_absence_of_the_gil_names_who_turned_it_on() {
        let strict = rules(GilPolicy::RequireOff, ThreadSafety::Off);
        assert_eq!(codes(strict, SIXTEEN, &facts(true, false, &[])), Ok(vec![]));
        for lanes in [SIXTEEN, ONE] {
            let error = codes(strict, lanes, &facts(true, true, &["lxml.etree"])).unwrap_err();
            assert!(error.contains("lxml.etree") && error.contains("gil: require_off"));
            let error = codes(strict, lanes, &facts(false, true, &[])).unwrap_err();
            assert!(error.contains("ordinary build"), "{error}");
        }
    }

    #[test]
    fn a_preferred_absence_of_the_gil_is_a_notice() {
        let relaxed = rules(GilPolicy::PreferOff, ThreadSafety::Off);
        for facts in [facts(false, true, &[]), facts(true, true, &["lxml.etree"])] {
            assert_eq!(codes(relaxed, SIXTEEN, &facts), Ok(vec!["gil.on".into()]));
            assert_eq!(
                codes(rules(GilPolicy::Any, ThreadSafety::Off), SIXTEEN, &facts),
                Ok(vec![])
            );
        }
    }

    #[test]
    fn an_import_during_a_call_makes_a_worker_unfit_only_where_that_matters() {
        let finding = |kind: &str| Finding {
            kind: kind.to_owned(),
            modules: vec!["lxml.etree".to_owned()],
            command: "parse".to_owned(),
            ..Finding::default()
        };
        let found = |gil| rules(gil, ThreadSafety::Off).found(&finding("gil_enabled"));
        assert_eq!(found(GilPolicy::Any), None);
        let notice = found(GilPolicy::PreferOff).unwrap();
        assert!(!notice.unfit && notice.message.contains("`parse` by lxml.etree"));
        assert!(found(GilPolicy::RequireOff).unwrap().unfit);
        let unknown = finding("from the future");
        assert_eq!(
            rules(GilPolicy::RequireOff, ThreadSafety::Off).found(&unknown),
            None
        );
    }

    #[test]
    fn threads_that_use_an_object_at_once_are_told_with_both_places() {
        let finding = Finding {
            kind: "thread_overlap".to_owned(),
            subject: "one Counter".to_owned(),
            uses: vec![
                "Counter.add at a.py:3 in f".to_owned(),
                "Counter.get at b.py:5 in g".to_owned(),
            ],
            ..Finding::default()
        };
        let notice = rules(GilPolicy::Any, ThreadSafety::Warn)
            .found(&finding)
            .unwrap();
        assert_eq!(notice.code, "thread_safety.overlap");
        assert_eq!(
            notice.message,
            "one Counter is used by two threads at once: Counter.add at a.py:3 in f and Counter.get at b.py:5 in g"
        );
        assert!(!notice.unfit && notice.hint.is_some());
    }

    #[test]
    fn an_adapter_is_held_to_what_it_declares_when_threads_share_it() {
        use ThreadSafety::{Declared, Off, Strict, Warn};
        let outcome = |thread_safety, declared, lanes| {
            let mut facts = facts(true, false, &[]);
            facts.thread_safe = declared;
            codes(rules(GilPolicy::Any, thread_safety), lanes, &facts).map_err(|_| ())
        };
        let told = vec!["thread_safety.undeclared".to_owned()];
        for (thread_safety, declared, expected) in [
            (Off, Some(false), Ok(vec![])),
            (Declared, Some(true), Ok(vec![])),
            (Declared, None, Ok(told.clone())),
            (Declared, Some(false), Err(())),
            (Warn, Some(true), Ok(vec![])),
            (Warn, None, Ok(told)),
            (Warn, Some(false), Err(())),
            (Strict, None, Err(())),
            (Strict, Some(false), Err(())),
            (Strict, Some(true), Ok(vec![])),
        ] {
            assert_eq!(outcome(thread_safety, declared, SIXTEEN), expected);
            let single = Lanes {
                kind: LaneKind::Thread,
                count: 1,
            };
            assert_eq!(outcome(thread_safety, declared, single), Ok(vec![]));
            assert_eq!(outcome(thread_safety, declared, ONE), Ok(vec![]));
        }
    }
}
