//! The vocabulary of the original Snakepit: its single-pool form, and keys that mean nothing here.
//!
//! The single-pool form has no `pools`: the pool's keys stand at the top level, some of them inside
//! `pool_config`. It is converted by moving nodes of the tree, so that every problem still points
//! at what the user wrote. Values it wrote in another form are converted, too.

use super::locate::{self, Spot};
use super::report::Finding;
use super::tree::{Entry, Kind, Node};
use super::wording;

/// Any of these at the top level makes a file one of the single-pool form.
const MARKS: [&str; 5] = [
    "adapter",
    "adapter_module",
    "pool_size",
    "pool_config",
    "worker_profile",
];

/// What to do about a key of the original that has no effect here, if it is one.
pub(crate) fn explain(key: &str) -> Option<&'static str> {
    Some(match key {
        "worker_ttl"
        | "worker_max_requests"
        | "worker_idle_ttl"
        | "worker_max_memory"
        | "worker_max_growth"
        | "hang_timeout" => {
            "this program was built without snakepit-lifecycle; remove the key, or add its policies to the registry"
        }
        "threads_per_worker" | "thread_safety" => {
            "it belongs to the worker profile `thread`; remove the key or set `worker_profile`"
        }
        "thread_safety_checks" => "use `thread_safety` of the worker profile `thread`",
        "startup_batch_size" | "startup_batch_delay_ms" => {
            "workers need not be started in batches; remove the key"
        }
        "max_workers" => "use `pool_size`, or its `max`",
        "adapter_spec" => "use `adapter`",
        "python_executable" => "use `python`",
        "pool_max_queue_size" => "use `queue_size`",
        "pool_queue_timeout" => "use `queue_timeout` with a unit, such as `5s`",
        "pool_startup_timeout" => "use `startup_timeout` with a unit, such as `10s`",
        "python_thread_limits" => "use `adapter_env`, such as `{OMP_NUM_THREADS: 1}`",
        "grpc_port" | "grpc_host" => "workers listen on no port; remove the key",
        "pooling_enabled" => "a pool that is configured is started; remove the key",
        "cleanup_retry_interval" | "cleanup_max_retries" => {
            "workers do not outlive their host; remove the key"
        }
        _ => return None,
    })
}

/// Whether a key at the top level shows that the file has the single-pool form.
pub(crate) fn marks_single_pool(key: &str) -> bool {
    MARKS.contains(&key)
}

/// Takes the keys inside `pool_config` out of it.
pub(crate) fn flatten_pool_config(entries: &mut Vec<Entry>, findings: &mut Vec<Finding>) {
    let Some(index) = entries.iter().position(|entry| entry.key == "pool_config") else {
        return;
    };
    let outer = entries.remove(index);
    let Kind::Mapping(inner) = outer.node.kind else {
        let finding = Finding::new(Spot::Value(outer.node.place), wording::invalid(&outer.key));
        findings.push(finding.labelled("expected a mapping"));
        return;
    };
    for entry in inner {
        match entries.iter().find(|other| other.key == entry.key) {
            Some(other) => findings.push(same_meaning(&entry, other)),
            None => entries.push(entry),
        }
    }
}

/// Keys of the original and what they are called now.
const RENAMED: [(&str, &str); 2] = [
    ("adapter_module", "adapter"),
    ("memory_threshold_mb", "worker_max_memory"),
];

/// Keys whose value the original wrote as a number and a unit, or `infinity`.
const TIMES: [&str; 2] = ["worker_ttl", "worker_idle_ttl"];

/// Gives the keys of a pool their present names, and their values their present form.
pub(crate) fn modernize(text: &str, entries: &mut Vec<Entry>, findings: &mut Vec<Finding>) {
    for (old, new) in RENAMED {
        let find = |name| entries.iter().position(|entry| entry.key == name);
        let (old, known) = (find(old), find(new));
        if let (Some(old), Some(known)) = (old, known) {
            findings.push(same_meaning(&entries[old], &entries[known]));
        }
        if let Some(old) = old {
            if entries[old].key == "memory_threshold_mb" {
                entries[old].node.instead = megabytes(text, &entries[old].node);
            }
            let written = std::mem::replace(&mut entries[old].key, new.to_owned());
            entries[old].written = Some(written);
        }
    }
    entries.retain_mut(|entry| {
        if !TIMES.contains(&entry.key.as_str()) {
            return true;
        }
        entry.node.instead = number_and_unit(text, &entry.node);
        let word = locate::read::<String>(text, &entry.node.place);
        // No limit, which is what no key means.
        !word.is_ok_and(|word| matches!(word.as_str(), "infinity" | ":infinity"))
    });
}

/// `512` as `512MiB`.
fn megabytes(text: &str, node: &Node) -> Option<String> {
    let number = locate::read::<u64>(text, &node.place).ok()?;
    Some(format!("{number}MiB"))
}

/// `{3600, seconds}`, which YAML takes for a mapping without values, or `[3600, seconds]`, as `3600s`.
fn number_and_unit(text: &str, node: &Node) -> Option<String> {
    let words = match &node.kind {
        Kind::Mapping(entries) => {
            let bare = |entry: &&Entry| matches!(entry.node.kind, Kind::Null);
            entries
                .iter()
                .filter(bare)
                .map(|entry| entry.key.clone())
                .collect()
        }
        Kind::List(_) => locate::read::<Vec<String>>(text, &node.place).ok()?,
        Kind::Null | Kind::Scalar => return None,
    };
    let [number, unit] = &words[..] else {
        return None;
    };
    let unit = match unit.trim_start_matches(':') {
        "seconds" => "s",
        "minutes" => "m",
        "hours" => "h",
        "days" => "d",
        _ => return None,
    };
    Some(format!("{}{unit}", number.parse::<u64>().ok()?))
}

fn same_meaning(second: &Entry, first: &Entry) -> Finding {
    let message = if second.key == first.key {
        format!("`{}` is given twice", second.key)
    } else {
        format!("`{}` and `{}` mean the same", second.key, first.key)
    };
    Finding::new(Spot::Key(second.place.clone()), message)
        .pointing_also_at(Spot::Key(first.place.clone()), "first given")
}
