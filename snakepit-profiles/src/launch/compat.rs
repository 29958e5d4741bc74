//! What is known about the libraries an adapter imported, as notices. Pure: must not know processes.

use snakepit_core::Notice;
use snakepit_python::{Build, Installed, Judgement, Matrix, Profile, Verdict};

use crate::facts::Facts;
use crate::settings::{LaneKind, Lanes};

/// One notice for each library that is known not to work well in such lanes.
pub(super) fn notices(lanes: Lanes, facts: &Facts) -> impl Iterator<Item = Notice> {
    let build = build(facts);
    let judgements = build.into_iter().flat_map(move |build| {
        facts.imports.iter().map(move |(module, version)| {
            let installed = Installed::imported(version.as_deref());
            Matrix::builtin().judge(module, installed, profile(lanes), &build)
        })
    });
    // In a process of its own a library may do what others would have to be careful with.
    let worst_only = profile(lanes) == Profile::Process;
    judgements
        .filter(move |judgement| !worst_only || judgement.verdict == Verdict::Unsafe)
        .filter_map(notice)
}

fn build(facts: &Facts) -> Option<Build> {
    let python = &facts.python;
    let mut build = Build::new(python.version.parse().ok()?, python.free_threaded_build);
    build.gil_enabled = python.gil_enabled;
    Some(build)
}

fn profile(lanes: Lanes) -> Profile {
    match lanes.kind {
        // One lane to itself shares its process with nobody.
        LaneKind::Thread if lanes.count > 1 => Profile::Thread,
        LaneKind::Interpreter => Profile::Interpreter,
        LaneKind::Thread | LaneKind::Main => Profile::Process,
    }
}

fn notice(judgement: Judgement) -> Option<Notice> {
    let code = match judgement.verdict {
        Verdict::Ok | Verdict::Unknown => return None,
        Verdict::Caution => "compat.caution",
        Verdict::Unsafe => "compat.unsafe",
    };
    let version = judgement.version.unwrap_or_default();
    let name = format!("{} {version}", judgement.library);
    let message = format!("{}: {}", name.trim_end(), judgement.reasons.join("; "));
    let notice = Notice::new(code, message);
    Some(match judgement.advice {
        Some(advice) => notice.with_hint(advice),
        None => notice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Python;

    #[test]
    fn what_is_known_to_be_shared_badly_is_told_to_thread_pools_only() {
        let mut facts = Facts {
            python: Python {
                version: "3.11.7".into(),
                gil_enabled: true,
                ..Python::default()
            },
            imports: vec![
                ("pandas".into(), Some("2.2.3".into())),
                ("never_heard_of".into(), None),
            ],
            ..Facts::default()
        };
        let threads = Lanes {
            kind: LaneKind::Thread,
            count: 4,
        };
        let told: Vec<_> = notices(threads, &facts).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].code.starts_with("compat.") && told[0].message.starts_with("pandas 2.2.3"));
        let alone = Lanes {
            kind: LaneKind::Main,
            count: 1,
        };
        assert_eq!(notices(alone, &facts).count(), 0);
        facts.python.version = "no version".into();
        assert_eq!(notices(threads, &facts).count(), 0);
    }
}
