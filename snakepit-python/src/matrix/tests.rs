//! The built-in facts are complete and consistent, and verdicts follow from them.

use std::collections::HashMap;

use pep440_rs::Version;

use super::*;
use crate::imports::{ImportOutcome, ImportReport, SubCheck};

fn build(text: &str) -> Build {
    let number = text.trim_end_matches('t');
    Build::new(number.parse().unwrap(), number != text)
}

fn judge(library: &str, version: &str, profile: Profile, python: &str) -> Judgement {
    let installed = match version {
        "" | "none" => Installed::No,
        "unknown" => Installed::Unversioned,
        version => Installed::Version(version),
    };
    Matrix::builtin().judge(library, installed, profile, &build(python))
}

#[test]
fn every_row_is_complete() {
    for library in Matrix::builtin().libraries() {
        let name = &library.name;
        assert_eq!(
            *name,
            normalise(name),
            "names are written in their normal form"
        );
        assert!(is_date(&library.checked), "{name}: {}", library.checked);
        assert!(!library.sources.is_empty(), "{name} has no sources");
        for source in &library.sources {
            assert!(
                source == "measured" || source.starts_with("https://"),
                "{name}: {source}"
            );
        }
        assert!(
            library.newest.is_some() || library.standard_library,
            "{name} has no version"
        );
        let sharing = &library.sharing;
        let says_yes = |answer| matches!(answer, Sharing::Safe | Sharing::ReadOnly);
        assert!(
            !sharing.sources.is_empty() || !says_yes(sharing.answer),
            "{name}: nobody is named who says that threads may share its objects"
        );
        assert!(!says_yes(sharing.before), "{name}: no row needs that");
        assert!(
            sharing
                .sources
                .iter()
                .all(|source| source.starts_with("https://")),
            "{name}: sharing cannot be measured"
        );
        assert!(
            sharing.since.is_none() || sharing.answer != sharing.before,
            "{name}: nothing changed in `since`"
        );
        let fact = &library.free_threading;
        assert!(
            fact.since.is_none() || fact.answer != fact.before,
            "{name}: nothing changed in `since`"
        );
        let notes = [
            &library.releases_gil.note,
            &library.sharing.note,
            &fact.note,
            &library.fork.note,
        ];
        for text in notes.into_iter().flatten().chain([&library.advice]) {
            assert!(!text.is_empty() && !text.ends_with('.'), "{name}: {text}");
        }
    }
}

fn is_date(text: &str) -> bool {
    let numbers: Vec<u32> = text
        .split('-')
        .filter_map(|part| part.parse().ok())
        .collect();
    matches!(numbers[..], [2025..=2100, 1..=12, 1..=31]) && text.len() == "2026-11-22".len()
}

#[test]
fn no_name_means_two_libraries() {
    let mut owners: HashMap<String, &str> = HashMap::new();
    for library in Matrix::builtin().libraries() {
        for name in library.all_names() {
            let owner = owners.insert(normalise(name), &library.name);
            assert!(
                owner.is_none_or(|owner| owner == library.name),
                "{name} is {owner:?} too"
            );
        }
    }
}

#[test]
fn rows_are_sorted_and_many() {
    let names: Vec<&str> = Matrix::builtin()
        .libraries()
        .map(|library| library.name.as_str())
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    assert!(names.len() >= 18 + 15);
}

#[test]
fn the_libraries_of_the_original_are_all_there() {
    for name in [
        "numpy",
        "scipy",
        "torch",
        "pytorch",
        "tensorflow",
        "pandas",
        "polars",
        "matplotlib",
        "plotly",
        "sqlite3",
        "psycopg2",
        "requests",
        "httpx",
        "scikit-learn",
        "xgboost",
        "lightgbm",
        "transformers",
        "spacy",
    ] {
        assert!(Matrix::builtin().get(name).is_some(), "{name}");
    }
}

#[test]
fn a_library_is_known_by_all_its_names() {
    for (name, expected) in [
        ("sklearn", "scikit-learn"),
        ("Scikit_Learn", "scikit-learn"),
        ("PIL", "pillow"),
        ("cv2", "opencv"),
        ("opencv-python-headless", "opencv"),
        ("pytorch", "torch"),
        ("yaml", "pyyaml"),
        ("google.protobuf", "protobuf"),
    ] {
        assert_eq!(Matrix::builtin().get(name).unwrap().name, expected);
    }
}

#[test]
fn a_module_belongs_to_a_library() {
    for (module, expected) in [
        ("numpy", "numpy"),
        ("numpy.linalg.lapack", "numpy"),
        ("google.protobuf.message", "google.protobuf"),
        ("google.cloud.storage", "google"),
        ("left_pad.core", "left_pad"),
    ] {
        assert_eq!(Matrix::builtin().import_of(module), expected);
    }
}

#[test]
fn a_library_nobody_knows_is_never_ok() {
    for profile in Profile::ALL {
        let judgement = judge("left-pad", "1.0", profile, "3.14.0t");
        assert_eq!(judgement.verdict, Verdict::Unknown);
        assert!(judgement.advice.unwrap().contains("--probe left-pad"));
    }
}

/// Library, version, profile, Python, verdict and part of a reason.
const VERDICTS: &str = "\
numpy        2.5.5       thread      3.14.7t ok      leaves the GIL off
numpy        2.10.0      thread      3.14.7t ok      leaves the GIL off
numpy        2.3.2rc1    thread      3.14.7t caution there is from 2.3.2 on
numpy        none        thread      3.14.7t ok      leaves the GIL off
numpy        unknown     thread      3.14.7t unknown depends on its version
numpy        unknown     thread      3.14.7  ok      lets other threads run
numpy        unknown     process     3.14.7t unknown depends on its version
polars       unknown     process     3.14.7t caution depends on its version
xgboost      3.4.1       thread      3.14.7  ok      while nobody changes them
xgboost      1.3.3       thread      3.14.7  caution objects of its own (not so from 1.4 on)
xgboost      unknown     thread      3.14.7  unknown whether threads may share its objects depends
regex        2026.11.15  thread      3.14.7t caution objects of its own
lxml         unknown     thread      3.14.7t caution what it does to the GIL depends on its version
numpy        banana      thread      3.14.7t unknown no version
numpy        1.20.0      thread      3.14.7  ok      lets other threads run
numpy        2.5.5       interpreter 3.14.7  unsafe  does not work in a sub-interpreter
requests     2.34.2      interpreter 3.14.7  ok      loads
requests     2.34.2      interpreter 3.13.9  unsafe  need Python 3.14
lxml         6.1.3       thread      3.14.7t caution turns the GIL on for the whole process (not from 7.0 on)
lxml         7.0b1       thread      3.14.7t caution turns the GIL on
lxml         7.0         thread      3.14.7t caution each thread needs objects of its own
polars       0.0.0       thread      3.14.7t unsafe  stand-in
polars       0.0.0       process     3.14.7t unsafe  stand-in
polars       2.1.0       process     3.14.7  caution starts threads
duckdb       1.5.0.dev44 thread      3.14.7t unsafe  stand-in
matplotlib   3.11.2      thread      3.11.7  unsafe  state of the whole process
matplotlib   3.11.2      process     3.11.7  ok      it survives a fork
transformers 5.23.0      process     3.11.7  ok      forking after importing it works
pandas       3.1.1       thread      3.11.7  caution objects of its own
orjson       3.13.0      thread      3.11.7  caution threads take turns
sklearn      1.9.1       process     3.11.7  caution compute in `setup`
torch        2.15.0      process     3.11.7  unknown nobody tried to fork
sqlite3      unknown     thread      3.14.7t caution objects of its own
";

#[test]
fn verdicts_depend_on_library_version_profile_and_build() {
    for line in VERDICTS.lines() {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap();
        let (library, version, profile, python, verdict) = (next(), next(), next(), next(), next());
        let reason = words.collect::<Vec<_>>().join(" ");
        let profile = profile.parse().unwrap();
        let judgement = judge(library, version, profile, python);
        let reasons = judgement.reasons.join("; ");
        assert_eq!(judgement.verdict.to_string(), verdict, "{line}: {reasons}");
        assert!(reasons.contains(&reason), "{line}: {reasons}");
    }
}

#[test]
fn only_what_turns_the_gil_on_is_marked_so() {
    let turns_on = |version, python| judge("lxml", version, Profile::Thread, python).turns_gil_on;
    assert!(turns_on("6.1.3", "3.14.7t").is_some_and(|reason| reason.contains("GIL on")));
    assert_eq!(turns_on("6.1.3", "3.14.7"), None);
    assert_eq!(turns_on("7.1", "3.14.7t"), None);
    assert_eq!(turns_on("unknown", "3.14.7t"), None);
}

fn report(module: &str, outcome: ImportOutcome) -> ImportReport {
    ImportReport {
        outcome,
        ..ImportReport::not_tried(module)
    }
}

#[test]
fn what_was_tried_makes_a_verdict_worse_and_never_better() {
    let known = || judge("numpy", "2.5.5", Profile::Thread, "3.14.7t");
    let imported = || report("numpy", ImportOutcome::Imported);
    assert_eq!(
        known().with_report(&imported(), Profile::Thread).verdict,
        Verdict::Ok
    );
    let turned_on = ImportReport {
        gil_before: Some(false),
        gil_after: Some(true),
        ..imported()
    };
    let judgement = known().with_report(&turned_on, Profile::Thread);
    assert!(judgement.turns_gil_on.is_some() && judgement.verdict == Verdict::Caution);
    let forked = ImportReport {
        fork: SubCheck::Hangs,
        ..imported()
    };
    assert_eq!(
        known().with_report(&forked, Profile::Process).verdict,
        Verdict::Unsafe
    );
    let threads = ImportReport {
        threads: vec!["worker".to_owned()],
        ..imported()
    };
    assert_eq!(
        known().with_report(&threads, Profile::Process).verdict,
        Verdict::Caution
    );
    let crashed = report(
        "numpy",
        ImportOutcome::Crashed("signal SIGSEGV (11)".to_owned()),
    );
    assert_eq!(
        known().with_report(&crashed, Profile::Thread).verdict,
        Verdict::Unsafe
    );
    let missing = |module: &str| {
        ImportOutcome::Failed(format!("ModuleNotFoundError: No module named '{module}'"))
    };
    let absent = report("numpy", missing("numpy"));
    assert_eq!(
        known().with_report(&absent, Profile::Thread).verdict,
        Verdict::Unknown
    );
    for part in ["google", "google.protobuf"] {
        let absent = report("google.protobuf.message", missing(part));
        let judgement = judge("protobuf", "none", Profile::Process, "3.14.7");
        let judgement = judgement.with_report(&absent, Profile::Process);
        assert_eq!(judgement.verdict, Verdict::Unknown, "{judgement:?}");
    }
    let broken = report("numpy", missing("other"));
    assert_eq!(
        known().with_report(&broken, Profile::Thread).verdict,
        Verdict::Unsafe
    );
    // That an import went well proves nothing.
    let known = judge("lxml", "6.1.3", Profile::Thread, "3.14.7t");
    let stayed_off = ImportReport {
        gil_before: Some(false),
        gil_after: Some(false),
        ..report("lxml", ImportOutcome::Imported)
    };
    assert_eq!(
        known.clone().with_report(&stayed_off, Profile::Thread),
        known
    );
    let unknown = judge("left-pad", "", Profile::Thread, "3.14.7t");
    assert_eq!(
        unknown.with_report(&imported(), Profile::Thread).verdict,
        Verdict::Unknown
    );
}

#[test]
fn a_text_that_is_no_matrix_says_where() {
    let error = Matrix::parse("- name: x\n  sharnig: {is: safe}\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("sharnig") && error.contains("line 2"),
        "{error}"
    );
}

#[test]
fn the_reason_that_decides_is_the_worst_one() {
    let reason = |library, version| {
        let judgement = judge(library, version, Profile::Thread, "3.14.7t");
        judgement.decisive_reason().unwrap().to_owned()
    };
    assert!(reason("polars", "0.0.0").contains("stand-in"));
    assert!(reason("numpy", "2.3.1").contains("no build of this version"));
    assert!(reason("numpy", "2.5.5").contains("may share"));
}

#[test]
fn versions_are_compared_as_versions() {
    let version = |text: &str| text.parse::<Version>().unwrap();
    assert!(version("2.9") < version("2.10"));
    assert!(version("0.9.0-rc.1") < version("0.9.0"));
    assert!(version("1.5.0.dev44") < version("1.5.0a1"));
}
