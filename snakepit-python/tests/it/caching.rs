//! What an interpreter said is remembered until it may say something else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use snakepit_python::{ProbeErrorKind, Prober};

use crate::support::{BOUND, Place, SOON, python, site_packages, virtual_environment};

/// The entries of the cache.
fn entries(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.path("home/.cache/snakepit/probes"))
        .into_iter()
        .flatten();
    folder.flatten().map(|entry| entry.path()).collect()
}

fn install(folder: &Path, name: &str) {
    let package = folder.join(format!("{name}-1.0.dist-info"));
    fs::create_dir_all(&package).unwrap();
    let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
    fs::write(package.join("METADATA"), text).unwrap();
}

#[test]
fn it_is_asked_once_and_again_when_a_library_is_installed() {
    let place = Place::new();
    let environment = virtual_environment(&place, "env");
    let python = environment.join("bin/python");
    let prober = place.prober();
    let first = prober.probe_cached(&python).unwrap();
    let [entry] = &entries(&place)[..] else {
        panic!("{:?}", entries(&place));
    };
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o077, 0);

    // A mark nobody but the cache can have.
    let text = fs::read_to_string(entry).unwrap();
    fs::write(entry, text.replace("\"CPython\"", "\"Remembered\"")).unwrap();
    assert_eq!(
        prober.probe_cached(&python).unwrap().implementation,
        "Remembered"
    );
    assert_eq!(
        prober
            .clone()
            .without_cache()
            .probe_cached(&python)
            .unwrap(),
        first
    );

    install(&site_packages(&environment), "numpy");
    let second = prober.probe_cached(&python).unwrap();
    assert_eq!(second.implementation, "CPython");
    assert!(second.libraries.contains_key("numpy") && first.libraries.is_empty());
}

#[test]
fn another_interpreter_at_the_same_place_is_asked() {
    let place = Place::new();
    let link = place.path("python3");
    symlink(python(), &link).unwrap();
    assert!(place.prober().probe_cached(&link).is_ok());
    fs::remove_file(&link).unwrap();
    let path = place.script("python3", "#!/bin/sh\nexit 3\n");
    assert!(place.prober().probe_cached(path).is_err());
}

#[test]
fn variables_that_matter_are_part_of_the_question() {
    let place = Place::new();
    place.prober().probe_cached(python()).unwrap();
    let environment = place.environment().with("PYTHONPATH", place.path("path"));
    Prober::new(environment).probe_cached(python()).unwrap();
    assert_eq!(entries(&place).len(), 2);
}

#[test]
fn a_cache_that_is_damaged_or_cannot_be_written_is_none() {
    let place = Place::new();
    let prober = place.prober();
    let probe = prober.probe_cached(python()).unwrap();
    for entry in entries(&place) {
        fs::write(entry, "{").unwrap();
    }
    assert_eq!(prober.probe_cached(python()).unwrap(), probe);

    let place = Place::new();
    place.write("home/.cache", "not a folder");
    assert_eq!(
        place.prober().probe_cached(python()).unwrap().version,
        probe.version
    );
}

#[test]
fn what_a_stand_in_leads_to_is_not_remembered() {
    let place = Place::new();
    let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python().display());
    let shim = place.script("python3", &text);
    let probe = place.prober().probe_cached(shim).unwrap();
    assert_eq!(
        probe.executable.canonicalize().unwrap(),
        python().canonicalize().unwrap()
    );
    assert!(entries(&place).is_empty());
}

#[test]
fn the_first_library_in_a_folder_that_was_not_there_is_noticed() {
    let place = Place::new();
    let environment = place
        .environment()
        .with("PYTHONUSERBASE", place.path("user"))
        .with("PYTHONPATH", place.path("path"));
    let prober = Prober::new(environment).with_time_limit(BOUND);
    let first = prober.probe_cached(python()).unwrap();
    let versions = |name: &str| {
        let probe = prober.probe_cached(python()).unwrap();
        probe.libraries.get(name).cloned()
    };
    let user = first.absent_folders.iter();
    let user = user.filter(|folder| folder.starts_with(place.path("user")));
    let user: Vec<_> = user.collect();
    assert_eq!(user.len(), 1, "{first:?}");
    install(user[0], "plotly");
    assert_eq!(versions("plotly").as_deref(), Some("1.0"));
    install(&place.path("path"), "pyyaml");
    assert_eq!(versions("pyyaml").as_deref(), Some("1.0"));
}

#[test]
fn one_that_hung_is_not_waited_for_again_at_once() {
    let place = Place::new();
    let runs = place.path("runs");
    let text = format!(
        "#!/bin/sh\necho run >> '{}'\nexec sleep 1000\n",
        runs.display()
    );
    let path = place.script("python3", &text);
    let count = || {
        fs::read_to_string(&runs)
            .unwrap_or_default()
            .lines()
            .count()
    };
    // Long enough to write the line on a busy machine; it is the hanging that counts.
    let prober = |limit| Prober::new(place.environment()).with_time_limit(limit);
    let error = prober(SOON * 3).probe_cached(&path).unwrap_err();
    assert!(!error.to_string().contains("ago"), "{error}");
    let first = count();
    let error = prober(SOON).probe_cached(&path).unwrap_err();
    assert!(
        matches!(error.kind(), ProbeErrorKind::TimedOut(_)),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("less than a minute ago"),
        "{error}"
    );
    assert_eq!(count(), first);

    // It is asked again with more time,
    let error = prober(SOON * 4).probe_cached(&path).unwrap_err();
    assert!(!error.to_string().contains("ago"), "{error}");
    // when it is asked for anew,
    let error = prober(SOON).probe(&path).unwrap_err();
    assert!(!error.to_string().contains("ago"), "{error}");
    // later,
    let [entry] = &entries(&place)[..] else {
        panic!("{:?}", entries(&place));
    };
    age(entry, 61);
    let error = prober(SOON).probe_cached(&path).unwrap_err();
    assert!(!error.to_string().contains("ago"), "{error}");
    // or when it is another one.
    fs::remove_file(&path).unwrap();
    symlink(python(), &path).unwrap();
    assert!(prober(BOUND).probe_cached(&path).is_ok());
}

/// Makes a file look as old as that.
fn age(file: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    let file = fs::File::options().append(true).open(file).unwrap();
    file.set_modified(then).unwrap();
}

#[test]
fn entries_nobody_needs_any_more_are_removed() {
    let place = Place::new();
    let prober = place.prober();
    prober.probe_cached(python()).unwrap();
    let [old] = &entries(&place)[..] else {
        panic!("{:?}", entries(&place));
    };
    age(old, 31 * 24 * 60 * 60);
    let link = place.path("python3");
    symlink(python(), &link).unwrap();
    prober.probe_cached(&link).unwrap();
    let left = entries(&place);
    assert!(left.len() == 1 && left[0] != *old, "{left:?}");
}
