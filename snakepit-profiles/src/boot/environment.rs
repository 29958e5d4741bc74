//! The environment of an interpreter: what is set unless somebody set it; must not know processes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;

/// One thread per library and worker: a pool's parallelism is its workers. And no thread pools in a zygote, whose threads
/// would be missing in its children.
const PRESETS: &[(&str, &str)] = &[
    ("OPENBLAS_NUM_THREADS", "1"),
    ("OMP_NUM_THREADS", "1"),
    ("MKL_NUM_THREADS", "1"),
    ("NUMEXPR_NUM_THREADS", "1"),
    ("VECLIB_MAXIMUM_THREADS", "1"),
    ("BLIS_NUM_THREADS", "1"),
    ("RAYON_NUM_THREADS", "1"),
    ("POLARS_MAX_THREADS", "1"),
    // jemalloc's background threads (pyarrow, polars) do not survive a fork either.
    ("JE_ARROW_MALLOC_CONF", "background_thread:false"),
    ("_RJEM_MALLOC_CONF", "background_thread:false"),
    // A lazy import in a zygote would be paid for again by every child.
    ("PYTHON_LAZY_IMPORTS", "none"),
];

/// Sets the environment of `command`: the host's, the presets, and `own` above all.
pub(super) fn apply(command: &mut Command, own: &BTreeMap<String, String>) {
    for (name, value) in presets(own, |name| std::env::var_os(name).is_some()) {
        command.env(name, value);
    }
    command.envs(
        own.iter()
            .map(|(name, value)| (OsStr::new(name), OsStr::new(value))),
    );
}

fn presets<'a>(
    own: &'a BTreeMap<String, String>,
    inherited: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    PRESETS
        .iter()
        .copied()
        .filter(move |(name, _)| !own.contains_key(*name) && !inherited(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_set_stays() {
        let own = BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "4".to_owned())]);
        let names: Vec<_> = presets(&own, |name| name == "MKL_NUM_THREADS")
            .map(|(name, _)| name)
            .collect();
        assert!(!names.contains(&"OMP_NUM_THREADS") && !names.contains(&"MKL_NUM_THREADS"));
        assert_eq!(names.len(), PRESETS.len() - 2);
    }
}
