//! The environment of an interpreter: what is set unless somebody set it; must not know processes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;

use snakepit_python::libraries;

/// A lazy import in a zygote would be paid for again by every child.
const NO_LAZY_IMPORTS: (&str, &str) = ("PYTHON_LAZY_IMPORTS", "none");

/// Sets the environment of `command`: the host's, the presets, and `own` above all.
pub(super) fn apply(command: &mut Command, threads: u16, own: &BTreeMap<String, String>) {
    let threads = threads.to_string();
    for (name, value) in presets(&threads, own, |name| std::env::var_os(name).is_some()) {
        command.env(name, value);
    }
    command.envs(
        own.iter()
            .map(|(name, value)| (OsStr::new(name), OsStr::new(value))),
    );
}

fn presets<'a>(
    threads: &'a str,
    own: &'a BTreeMap<String, String>,
    inherited: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = (&'static str, &'a str)> + 'a {
    let presets = libraries::threads(threads).into_iter();
    presets
        .chain([NO_LAZY_IMPORTS])
        .filter(move |(name, _)| !own.contains_key(*name) && !inherited(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_set_stays() {
        let own = BTreeMap::from([("OMP_NUM_THREADS".to_owned(), "4".to_owned())]);
        let set: BTreeMap<_, _> = presets("2", &own, |name| name == "MKL_NUM_THREADS").collect();
        assert!(!set.contains_key("OMP_NUM_THREADS") && !set.contains_key("MKL_NUM_THREADS"));
        assert_eq!(set["OPENBLAS_NUM_THREADS"], "2");
        assert_eq!(set.len(), libraries::threads("2").len() + 1 - 2);
    }
}
