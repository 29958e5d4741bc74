//! Which worker profile suits an interpreter and an adapter, and why. Pure.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::matrix::{Build, Judgement, Matrix, Verdict};
use crate::probe::Probe;
use crate::profile::Profile;
use crate::scan::{AdapterFacts, ScanError};

/// What a recommendation is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    probe: &'a Probe,
    adapter: Adapter<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Adapter<'a> {
    NotNamed,
    Unreadable(&'a ScanError),
    Read(&'a AdapterFacts),
}

impl<'a> Facts<'a> {
    /// Only the interpreter is known.
    pub fn new(probe: &'a Probe) -> Self {
        Self {
            probe,
            adapter: Adapter::NotNamed,
        }
    }

    /// The adapter is known too.
    pub fn with_adapter(mut self, adapter: &'a AdapterFacts) -> Self {
        self.adapter = Adapter::Read(adapter);
        self
    }

    /// There is an adapter, but it cannot be read.
    pub fn with_unreadable_adapter(mut self, error: &'a ScanError) -> Self {
        self.adapter = Adapter::Unreadable(error);
        self
    }

    /// What the matrix says about each import of the adapter, in the version that is installed: to warn of what may go
    /// wrong under a profile.
    pub fn judgements(&self, profile: Profile) -> Vec<Judgement> {
        let (matrix, build) = (Matrix::builtin(), Build::from(self.probe));
        let imports = match self.adapter {
            Adapter::Read(adapter) => &adapter.imports[..],
            Adapter::NotNamed | Adapter::Unreadable(_) => &[],
        };
        let judge = |module: &String| {
            let installed = matrix.installed(module, self.probe);
            matrix.judge(module, installed, profile, &build)
        };
        imports.iter().map(judge).collect()
    }
}

/// The worker profile to use, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// What to use.
    pub profile: Profile,
    /// Why, each a sentence without its period.
    pub reasons: Vec<String>,
    /// What else may be worth a try, and why.
    pub alternative: Option<Alternative>,
}

/// Another profile that may be worth a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Alternative {
    /// The profile.
    pub profile: Profile,
    /// Why, a sentence without its period.
    pub reason: String,
}

/// Chooses `thread` when threads really run at once and nothing known speaks against them; `process` otherwise.
///
/// Threads really run at once on a free-threaded build whose GIL is off and stays off: nothing the adapter imports is
/// known to turn it on. Nothing speaks against them when the adapter declares `__thread_safe__ = True`, or there is none
/// yet, and nothing it imports is known to fail between threads in a way an adapter per lane does not cure.
pub fn recommend(facts: &Facts<'_>) -> Recommendation {
    let probe = facts.probe;
    let against = against_threads(facts);
    if against.is_empty() {
        let mut reasons = vec![format!(
            "Python {} is free-threaded and its GIL is off, so threads run at once and share memory",
            probe.version
        )];
        reasons.extend(for_threads(facts));
        return Recommendation {
            profile: Profile::Thread,
            reasons,
            alternative: None,
        };
    }
    let mut reasons = against;
    reasons
        .push("processes run at once on every Python, and a crash takes one call only".to_owned());
    Recommendation {
        profile: Profile::Process,
        reasons,
        alternative: alternative(facts),
    }
}

fn against_threads(facts: &Facts<'_>) -> Vec<String> {
    let probe = facts.probe;
    let mut against = Vec::new();
    if !probe.free_threaded_build {
        against.push(format!(
            "Python {} is an ordinary build: its GIL lets one thread run at a time",
            probe.version
        ));
    } else if probe.gil_enabled {
        against.push(format!(
            "Python {} is free-threaded, but its GIL is turned on (`PYTHON_GIL`, or a module imported at start-up)",
            probe.version
        ));
    }
    let adapter = match facts.adapter {
        Adapter::NotNamed => return against,
        Adapter::Unreadable(error) => {
            against.push(format!("what the adapter needs is not known: {error}"));
            return against;
        }
        Adapter::Read(adapter) => adapter,
    };
    for judgement in facts.judgements(Profile::Thread) {
        let fails = judgement.verdict == Verdict::Unsafe;
        let fails = judgement.decisive_reason().filter(|_| fails);
        if let Some(reason) = judgement.turns_gil_on.as_deref().or(fails) {
            against.push(format!("`{}`: {reason}", judgement.library));
        }
    }
    match adapter.thread_safe {
        Some(true) => {}
        Some(false) => against.push("the adapter declares `__thread_safe__ = False`".to_owned()),
        None => against.push("the adapter does not declare `__thread_safe__ = True`".to_owned()),
    }
    against
}

fn for_threads(facts: &Facts<'_>) -> Vec<String> {
    let Adapter::Read(adapter) = facts.adapter else {
        return vec![
            "no adapter was named: it must be thread-safe and declare `__thread_safe__ = True`"
                .to_owned(),
        ];
    };
    let mut reasons = vec!["the adapter declares `__thread_safe__ = True`".to_owned()];
    for judgement in facts.judgements(Profile::Thread) {
        if let (Verdict::Unknown | Verdict::Caution, Some(reason)) =
            (judgement.verdict, judgement.decisive_reason())
        {
            reasons.push(format!("mind `{}`: {reason}", judgement.library));
        }
    }
    for module in &adapter.local_imports {
        reasons.push(format!(
            "`{module}` lies beside the adapter and was not looked into"
        ));
    }
    reasons
}

fn alternative(facts: &Facts<'_>) -> Option<Alternative> {
    let probe = facts.probe;
    let unreadable = matches!(facts.adapter, Adapter::Unreadable(_));
    if probe.free_threaded_build || !probe.subinterpreters || unreadable {
        return None;
    }
    let loads = facts
        .judgements(Profile::Interpreter)
        .iter()
        .all(|judgement| judgement.verdict == Verdict::Ok);
    loads.then(|| Alternative {
        profile: Profile::Interpreter,
        reason: "pure Python runs at once in sub-interpreters from 3.14 on, within one process (experimental)"
            .to_owned(),
    })
}
