//! Threads are recommended when they really run at once and nothing known speaks against them; else processes.

use super::*;
use crate::profile::Profile::{Interpreter, Process, Thread};

/// An interpreter of this version, with these libraries.
fn probe(version: &str, libraries: &[(&str, &str)]) -> Probe {
    let number = version.trim_end_matches('t');
    let free_threaded = number != version;
    let libraries: serde_json::Map<_, _> = libraries
        .iter()
        .map(|(name, version)| ((*name).to_owned(), (*version).into()))
        .collect();
    let facts = serde_json::json!({
        "version": number, "implementation": "CPython", "free_threaded_build": free_threaded,
        "gil_enabled": !free_threaded, "subinterpreters": number.starts_with("3.14"), "executable": "/python",
        "prefix": "/", "base_prefix": "/", "virtual_environment": false, "libc": null, "libraries": libraries,
        "import_folders": [],
    });
    serde_json::from_value(facts).unwrap()
}

fn adapter(thread_safe: Option<bool>, imports: &[&str]) -> AdapterFacts {
    AdapterFacts {
        imports: imports.iter().map(|&name| name.to_owned()).collect(),
        local_imports: Vec::new(),
        thread_safe,
    }
}

#[track_caller]
fn check(
    probe: &Probe,
    adapter: Option<&AdapterFacts>,
    profile: Profile,
    reason: &str,
) -> Recommendation {
    let facts = Facts::new(probe);
    let recommendation = recommend(&adapter.map_or(facts, |adapter| facts.with_adapter(adapter)));
    let reasons = recommendation.reasons.join("; ");
    assert_eq!(recommendation.profile, profile, "{reasons}");
    assert!(reasons.contains(reason), "{reasons}");
    recommendation
}

#[test]
fn a_gil_means_processes() {
    let safe = adapter(Some(true), &[]);
    check(
        &probe("3.13.1", &[]),
        Some(&safe),
        Process,
        "an ordinary build",
    );
    let mut turned_on = probe("3.14.7t", &[]);
    turned_on.gil_enabled = true;
    check(&turned_on, Some(&safe), Process, "its GIL is turned on");
}

#[test]
fn without_a_gil_it_is_for_the_adapter_to_say() {
    let free = probe("3.14.7t", &[]);
    check(&free, None, Thread, "no adapter was named");
    check(
        &free,
        Some(&adapter(Some(true), &[])),
        Thread,
        "declares `__thread_safe__ = True`",
    );
    check(
        &free,
        Some(&adapter(Some(false), &[])),
        Process,
        "declares `__thread_safe__ = False`",
    );
    check(
        &free,
        Some(&adapter(None, &[])),
        Process,
        "does not declare",
    );
}

#[test]
fn libraries_in_their_installed_version_speak_for_and_against() {
    let libraries = [
        ("numpy", "2.5.5"),
        ("lxml", "6.1.3"),
        ("matplotlib", "3.11.2"),
        ("pandas", "3.1.1"),
    ];
    let free = probe("3.14.7t", &libraries);
    let imports = |names: &[&str]| adapter(Some(true), names);
    check(&free, Some(&imports(&["numpy"])), Thread, "run at once");
    check(
        &free,
        Some(&imports(&["lxml"])),
        Process,
        "`lxml`: importing it turns the GIL on",
    );
    check(
        &free,
        Some(&imports(&["matplotlib"])),
        Process,
        "`matplotlib`: it keeps state of the whole process",
    );
    // An adapter in each lane cures this.
    check(
        &free,
        Some(&imports(&["pandas"])),
        Thread,
        "mind `pandas`: each thread needs objects of its own",
    );
    check(
        &free,
        Some(&imports(&["left_pad"])),
        Thread,
        "mind `left_pad`: nothing is known about it",
    );
    let newer = probe("3.14.7t", &[("lxml", "7.0.1")]);
    check(&newer, Some(&imports(&["lxml"])), Thread, "run at once");
}

#[test]
fn an_adapter_that_cannot_be_read_speaks_against_threads_in_its_own_words() {
    let error = ScanError::NoFile("left.pad".to_owned());
    let reasons = |version: &str| {
        let probe = probe(version, &[]);
        let recommendation = recommend(&Facts::new(&probe).with_unreadable_adapter(&error));
        assert_eq!(recommendation.profile, Process);
        assert_eq!(recommendation.alternative, None);
        recommendation.reasons.join("; ")
    };
    let free = reasons("3.14.7t");
    assert!(
        free.contains("no file of the adapter `left.pad` was found"),
        "{free}"
    );
    assert!(!free.contains("__thread_safe__"), "{free}");
    assert!(reasons("3.14.7").contains("left.pad"));
}

#[test]
fn sub_interpreters_are_offered_where_they_help() {
    let offered = |version: &str, imports: &[&str]| {
        let probe = probe(version, &[]);
        let adapter = adapter(None, imports);
        let recommendation = recommend(&Facts::new(&probe).with_adapter(&adapter));
        recommendation
            .alternative
            .map(|alternative| alternative.profile)
    };
    assert_eq!(offered("3.14.7", &[]), Some(Interpreter));
    assert_eq!(offered("3.14.7", &["requests"]), Some(Interpreter));
    assert_eq!(offered("3.14.7", &["numpy"]), None);
    assert_eq!(offered("3.14.7", &["left_pad"]), None);
    assert_eq!(offered("3.13.1", &[]), None);
    assert_eq!(offered("3.14.7t", &[]), None);
}

#[test]
fn modules_beside_the_adapter_are_mentioned() {
    let free = probe("3.14.7t", &[]);
    let mut adapter = adapter(Some(true), &[]);
    adapter.local_imports.push("helpers".to_owned());
    check(
        &free,
        Some(&adapter),
        Thread,
        "`helpers` lies beside the adapter and was not looked into",
    );
}
