//! Which interpreter and which profile a pool runs: requests, `worker_profile: auto`, and what is said about libraries.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use snakepit_core::{Config, Notice, Pool, WorkerProfile};
use snakepit_profiles::{AutoProfile, SpawnMode};

use crate::support::{Pit, adapter, adapters, gil_is_on, poll_once};

async fn start(profile: Arc<dyn WorkerProfile>) -> Pool {
    let started = Pool::builder("choice", profile).size(1).start().await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

fn told<'a>(notices: &'a [Arc<Notice>], code: &str) -> &'a Notice {
    let found = notices.iter().find(|notice| notice.code == code);
    found.unwrap_or_else(|| panic!("no {code} among {notices:?}"))
}

#[tokio::test]
async fn auto_chooses_threads_where_they_run_at_once_and_the_adapter_allows_it() {
    let pit = Pit::new();
    let (mark, value) = pit.mark();
    for (file, allows) in [("overlap.py", true), ("basic.py", false)] {
        let builder = AutoProfile::builder(adapter(file)).python(Pit::python());
        let profile = Arc::new(builder.env(mark, value).threads_per_worker(3).build());
        assert_eq!(profile.kind(), "auto");
        let pool = start(Arc::clone(&profile) as _).await;
        let threads = allows && !gil_is_on();
        let expected = if threads {
            ("thread", 3)
        } else {
            ("process", 1)
        };
        let snapshot = pool.snapshot();
        assert_eq!((&*snapshot.profile, snapshot.lanes), expected);
        let choice = told(&snapshot.notices, "profile.auto");
        assert!(choice.message.contains(expected.0), "{choice:?}");
        pool.shutdown().await;
    }
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_pool_runs_the_interpreter_its_request_finds() {
    let pit = Pit::new();
    let (mark, value) = pit.mark();
    // A virtual environment by its folder, and the version of whatever is tested.
    let python = Pit::python();
    let environment = tempfile::tempdir().unwrap();
    let folder = environment.path().join("env");
    let mut make = std::process::Command::new(&python);
    let made = make
        .args(["-m", "venv", "--without-pip"])
        .arg(&folder)
        .status();
    assert!(made.unwrap().success());
    let text = format!(
        "adapter: basic.py\nadapter_env: {{{mark}: '{value}'}}\npool_size: 1\npython: {}\n",
        folder.display()
    );
    let registry = snakepit_profiles::registry();
    let config = Config::parse(&text, "test.yaml", adapters(), &registry).unwrap();
    let pool = start(Arc::clone(&config.pools[0].profile)).await;
    let hello = pool.snapshot().workers[0].hello.clone().unwrap();
    let facts = snakepit_core::value::to_json(&hello.facts);
    assert!(facts.contains(folder.to_str().unwrap()), "{facts}");
    pool.shutdown().await;
    drop((pool, config));
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_request_nothing_satisfies_says_what_was_tried() {
    let pit = Pit::new();
    let profile = pit.builder("basic.py").python("3.99t").build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    assert_eq!(error.code(), "launch.interpreter");
    let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
    assert!(text.contains("3.99t") && text.contains("python"), "{text}");
    assert!(hint.contains("snakepit python list"), "{hint}");
    pit.assert_empty().await;
}

#[tokio::test]
async fn an_interpreter_that_hangs_ends_with_the_search_for_it() {
    let pit = Pit::new();
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("python3");
    std::fs::write(&fake, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    for spawn in [SpawnMode::Auto, SpawnMode::Exec] {
        let builder = pit.builder("basic.py").python("3.77").env("PATH", &path);
        let profile = builder.spawn(spawn).build();
        let mut launch = Box::pin(profile.launch(pit.context()));
        while pit.processes().is_empty() {
            assert!(!poll_once(&mut launch).await);
        }
        drop(launch);
        drop(profile);
        pit.assert_empty().await;
    }
}

#[test]
fn a_version_needs_no_quotes_and_nonsense_is_refused() {
    let parse = |python: &str| {
        let text = format!("adapter: x.py\npython: {python}\n");
        Config::parse(&text, "test.yaml", ".", &snakepit_profiles::registry())
    };
    for python in [
        "3.10",
        "3.14t",
        "'>=3.11'",
        "free-threaded",
        "python3",
        "./env",
    ] {
        parse(python).unwrap_or_else(|report| panic!("{python}: {report}"));
    }
    let config = parse("3.10").unwrap();
    let shown = &config.pools[0].provenance;
    let setting = shown
        .iter()
        .find(|setting| setting.key == "python")
        .unwrap();
    assert_eq!(setting.value.as_deref(), Some("3.10"));
    for python in ["banana!", "3.", "'>= three'"] {
        let report = parse(python).unwrap_err().to_string();
        assert!(
            report.contains("python") && report.contains("3.14t"),
            "{report}"
        );
    }
}
