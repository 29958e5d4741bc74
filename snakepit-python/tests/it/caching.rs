//! What an interpreter said is remembered until it may say something else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Place, python, site_packages, virtual_environment};

/// The entries of the cache.
fn entries(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.path("home/.cache/snakepit/probes"))
        .into_iter()
        .flatten();
    folder.flatten().map(|entry| entry.path()).collect()
}

fn install(environment: &Path, name: &str) {
    let package = site_packages(environment).join(format!("{name}-1.0.dist-info"));
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

    install(&environment, "numpy");
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
    snakepit_python::Prober::new(environment)
        .probe_cached(python())
        .unwrap();
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
