//! `snakepit config`, and calls by a configuration file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Finished, snakepit, zoo};

/// A folder with an adapter and a configuration.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(zoo("well.py"), folder.path().join("well.py")).unwrap();
    fs::write(folder.path().join("snakepit.yaml"), text).unwrap();
    folder
}

fn run_in(folder: &Path, args: &[&str]) -> Finished {
    snakepit(args).in_folder(folder).run()
}

const TWO_POOLS: &str = "\
pools:
  - name: fast
    adapter: well.py
    pool_size: 4
    adapter_env: {COLOUR: red}
  - name: slow
    adapter: well.py
    request_timeout: 1h30m
";

#[test]
fn a_right_file_is_summed_up() {
    let folder = folder(TWO_POOLS);
    run_in(folder.path(), &["config", "check", "snakepit.yaml"])
        .exits(0)
        .prints("snakepit.yaml: ok, 2 pools: fast, slow\n");
}

#[test]
fn the_keys_of_lifecycle_are_known_and_their_mistakes_are_told_with_a_remedy() {
    let keys = "pools:
  - name: a
    adapter: well.py
    pool_size: {min: 1, max: 4}
    worker_ttl: 12h
    worker_max_memory: 512MiB
";
    let folder = folder(keys);
    let shown = run_in(folder.path(), &["config", "show", "snakepit.yaml"])
        .exits(0)
        .stdout;
    for line in ["worker_ttl: 12h", "worker_idle_ttl: 1m", "hang_timeout: 1m"] {
        assert!(shown.contains(line), "no `{line}` in\n{shown}");
    }
    let wrong = format!("{keys}    worker_hard_memory: 256MiB\n    worker_max_requests: 0\n");
    fs::write(folder.path().join("snakepit.yaml"), wrong).unwrap();
    run_in(folder.path(), &["config", "check", "snakepit.yaml"])
        .exits(2)
        .says(&[
            "invalid value of `worker_max_memory`\n --> snakepit.yaml:6:24\n",
            "expected less than `worker_hard_memory`, which is 256MiB",
            "invalid value of `worker_max_requests`\n --> snakepit.yaml:8:26\n",
            "expected a whole number from 1",
        ]);
}

#[test]
fn a_wrong_file_is_reported_with_all_its_mistakes() {
    let folder =
        folder("pools:\n  - name: a\n    adapter: well.py\n    pool_siez: 4\n    preload: numpy\n");
    for action in ["check", "show"] {
        run_in(folder.path(), &["config", action, "snakepit.yaml"])
            .exits(2)
            .prints("")
            .says(&[
                "error[config]: unknown key `pool_siez`\n --> snakepit.yaml:4:5\n",
                "= help: did you mean `pool_size`?\n",
                "error[config]: invalid value of `preload`\n --> snakepit.yaml:5:14\n",
                "5 |     preload: numpy\n",
                "  |              ^^^^^ expected a list",
            ]);
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let run = snakepit(&["config", "check", "/no/such/pit.yaml"]).run();
    run.exits(2)
        .prints("")
        .says(&["cannot read the file: No such file", "/no/such/pit.yaml"]);
}

#[test]
fn the_configuration_in_effect_says_where_values_came_from_and_reads_back() {
    let folder = folder(TWO_POOLS);
    let shown = run_in(folder.path(), &["config", "show", "snakepit.yaml"])
        .exits(0)
        .stdout;
    for (left, right) in [
        ("  - name: fast ", "# snakepit.yaml:2"),
        ("    pool_size: 4 ", "# snakepit.yaml:4"),
        ("    adapter_env: {COLOUR: red} ", "# snakepit.yaml:5"),
        ("    queue_timeout: 5s ", "# default"),
        ("    request_timeout: 1h30m ", "# snakepit.yaml:8"),
        ("    # python: ", "# not set"),
    ] {
        let found = shown
            .lines()
            .any(|line| line.starts_with(left) && line.ends_with(right));
        assert!(found, "no `{left}...{right}` in\n{shown}");
    }

    fs::write(folder.path().join("again.yaml"), &shown).unwrap();
    let again = run_in(folder.path(), &["config", "show", "again.yaml"])
        .exits(0)
        .stdout;
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split("  # ").next().unwrap().trim_end().to_owned())
            .collect()
    };
    assert_eq!(values(&again), values(&shown));
}

#[test]
fn a_pool_of_the_file_is_called_by_its_name() {
    let folder = folder(TWO_POOLS);
    run_in(
        folder.path(),
        &["call", "--pool", "fast", "environment", "name=COLOUR"],
    )
    .exits(0)
    .prints("\"red\"\n");
    run_in(
        folder.path(),
        &[
            "call",
            "--config",
            "snakepit.yaml",
            "environment",
            "name=COLOUR",
        ],
    )
    .exits(2)
    .says(&[
        "error[usage]: the configuration has several pools",
        "`fast`, `slow`",
    ]);
    run_in(
        folder.path(),
        &["call", "--pool", "quick", "environment", "name=COLOUR"],
    )
    .exits(2)
    .says(&["error[usage]: no pool is named `quick`", "`fast`, `slow`"]);
}

#[test]
fn adapters_are_found_beside_the_file_from_anywhere() {
    let folder = folder(TWO_POOLS);
    let file = folder.path().join("snakepit.yaml").display().to_string();
    snakepit(&["call", "--config", &file, "--pool", "slow", "echo", "1"])
        .run()
        .exits(0)
        .prints("1\n");
}

#[test]
fn the_single_pool_form_is_one_pool() {
    let folder = folder("adapter_module: well.py\npool_config: {pool_size: 2}\n");
    run_in(folder.path(), &["call", "echo", "1"])
        .exits(0)
        .prints("1\n");
}

#[test]
fn the_commands_of_all_pools_are_listed_with_their_pool() {
    let folder = folder(TWO_POOLS);
    let run = run_in(folder.path(), &["commands"]).exits(0);
    assert!(run.stdout.contains("fast echo(value)\n"), "{run:#?}");
    assert!(run.stdout.contains("slow echo(value)\n"), "{run:#?}");
}
