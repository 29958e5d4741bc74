//! Searches that end at a real interpreter.

use std::fs;
use std::os::unix::fs::symlink;

use snakepit_python::{
    AdapterSpec, Environment, Finder, Profile, Provenance, Reason, Request, Stop,
};

use crate::support::{Place, python, virtual_environment};

fn request(text: &str) -> Request {
    text.parse().unwrap()
}

#[test]
fn the_interpreter_is_found_by_its_own_version() {
    let place = Place::new();
    fs::create_dir(place.path("bin")).unwrap();
    symlink(python(), place.path("bin/python3")).unwrap();
    let finder = Finder::new(place.environment().with("PATH", place.path("bin")));
    let probe = finder.prober().probe(python()).unwrap();
    let [major, minor, ..] = probe.version.release() else {
        panic!("{}", probe.version);
    };
    let build = if probe.free_threaded_build { "t" } else { "" };
    let (other, message) = match build {
        "t" => ("", "and free-threaded"),
        _ => ("t", "and not free-threaded"),
    };
    let found = finder
        .find(&request(&format!("{major}.{minor}{build}")))
        .unwrap();
    assert_eq!(found.path, place.path("bin/python3"));
    assert_eq!(found.provenance, Provenance::Path);
    let missed = finder
        .find(&request(&format!("{major}.{minor}{other}")))
        .unwrap_err();
    assert!(missed.in_full().contains(message), "{}", missed.in_full());
    assert!(finder.find(&request(&format!(">={major}.{minor}"))).is_ok());
    assert!(finder.find(&request(&format!("<{major}.{minor}"))).is_err());
}

#[test]
fn the_active_environment_is_taken_and_a_broken_one_is_told() {
    let place = Place::new();
    let environment = virtual_environment(&place, "env");
    fs::create_dir(place.path("bin")).unwrap();
    symlink(python(), place.path("bin/python3")).unwrap();
    let variables = place
        .environment()
        .with("PATH", place.path("bin"))
        .with("VIRTUAL_ENV", &environment);
    let finder = Finder::new(variables);
    let found = finder.find(&Request::Any).unwrap();
    assert_eq!(found.path, environment.join("bin/python"));
    assert_eq!(found.provenance, Provenance::VirtualEnv);

    let settings = fs::read_to_string(environment.join("pyvenv.cfg")).unwrap();
    let settings: String = settings
        .lines()
        .map(|line| {
            if line.starts_with("home") {
                "home = /no/such/bin\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    fs::write(environment.join("pyvenv.cfg"), settings).unwrap();
    let found = finder.find(&Request::Any).unwrap();
    assert_eq!(found.provenance, Provenance::Path);
    assert!(
        matches!(found.skipped[0].reason, Reason::Broken { .. }),
        "{:?}",
        found.skipped
    );
    let named = request(environment.to_str().unwrap());
    let error = finder.find(&named).unwrap_err();
    assert!(
        error.to_string().contains("/no/such/bin is gone"),
        "{error}"
    );
    assert!(error.hint().contains("venv --clear"));
}

#[test]
fn one_that_is_named_and_does_not_answer_is_an_error_with_its_last_words() {
    let place = Place::new();
    let path = place.script("python3", "#!/bin/sh\necho 'out of order' >&2\nexit 9\n");
    let finder = Finder::new(place.environment());
    let named = request(path.to_str().unwrap());
    assert!(finder.find(&named).is_ok());
    let error = finder.find_and_probe(&named).unwrap_err();
    assert!(error.to_string().contains("exit code 9"), "{error}");
    assert!(error.to_string().contains("(out of order)"), "{error}");
}

#[test]
fn a_shim_is_replaced_by_what_it_stands_for_and_a_wrapper_is_not() {
    let place = Place::new();
    let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python().display());
    for (folder, replaced) in [("shims", true), ("bin", false)] {
        let path = place.script(&format!("{folder}/python3"), &text);
        let variables = place.environment().with("PATH", place.path(folder));
        let found = Finder::new(variables).find(&request(">=3.8")).unwrap();
        let expected = if replaced { python() } else { path };
        assert_eq!(found.path, expected);
    }
}

#[test]
fn all_of_them_are_listed_with_what_they_are() {
    let place = Place::new();
    fs::create_dir(place.path("bin")).unwrap();
    symlink(python(), place.path("bin/python3")).unwrap();
    let environment = virtual_environment(&place, ".venv");
    let finder = Finder::new(place.environment().with("PATH", place.path("bin")));
    let found: Vec<_> = finder.all().flatten().collect();
    let places: Vec<_> = found
        .iter()
        .map(|found| (found.provenance, found.path.clone()))
        .collect();
    assert_eq!(
        places,
        [
            (Provenance::ProjectVenv, environment.join("bin/python")),
            (Provenance::Path, place.path("bin/python3")),
        ]
    );
    assert!(found.iter().all(|found| found.probe.is_some()));
}

#[test]
fn a_choice_reads_the_adapter_in_the_first_folder_that_has_it() {
    let place = Place::new();
    place.write("second/adapter.py", "import left_pad\n");
    place.write("third/adapter.py", "import right_pad\n");
    let named = Request::Path(python());
    let folders: Vec<_> = ["first", "second", "third"]
        .map(|name| place.path(name))
        .into();
    let finder = Finder::new(place.environment());
    let choice = finder
        .choose(&named, Some(&"adapter".into()), &folders)
        .unwrap();
    assert_eq!(choice.adapter.unwrap().unwrap().imports, ["left_pad"]);

    place.write("first/adapter.py", "import (\n");
    let choice = finder
        .choose(&named, Some(&"adapter.py".into()), &folders)
        .unwrap();
    let reasons = choice.recommendation.reasons.join("; ");
    assert!(reasons.contains("SyntaxError"), "{reasons}");
    assert_eq!(choice.recommendation.profile, Profile::Process);

    let choice = finder
        .choose(&named, Some(&"absent".into()), &folders)
        .unwrap();
    let reasons = choice.recommendation.reasons.join("; ");
    assert!(
        reasons.contains("no file of the adapter `absent`"),
        "{reasons}"
    );
}

#[test]
fn listed_modules_are_judged_as_imports_of_what_declares_nothing() {
    let place = Place::new();
    place.write("helpers.py", "__thread_safe__ = True\n");
    let named = Request::Path(python());
    let finder = Finder::new(place.environment());
    let modules = AdapterSpec::modules(["math", "numpy.linalg", "helpers", "lxml.etree"]);
    let choice = finder
        .choose(&named, Some(&modules), &[place.path("")])
        .unwrap();
    let facts = choice.adapter.unwrap().unwrap();
    assert_eq!(facts.imports, ["lxml", "numpy"]);
    assert_eq!(facts.local_imports, ["helpers"]);
    assert_eq!(facts.thread_safe, None);
    assert_eq!(choice.recommendation.profile, Profile::Process);
}

#[test]
fn what_is_found_does_not_depend_on_where_one_is() {
    let finder = Finder::new(Environment::empty(""));
    let error = finder.find(&request("./gone/python")).unwrap_err();
    let [tried] = error.tried() else {
        panic!("{error:?}");
    };
    let here = std::env::current_dir().unwrap();
    assert_eq!(tried.path, here.join("gone/python"));
}

#[test]
fn a_search_that_was_stopped_runs_nothing() {
    let place = Place::new();
    let path = place.script("python3", "#!/bin/sh\nexec sleep 1000\n");
    let stop = Stop::new().unwrap();
    stop.stop();
    let finder = Finder::new(place.environment()).with_stop(stop);
    let error = finder.find_and_probe(&Request::Path(path)).unwrap_err();
    assert!(
        error.to_string().contains("was not asked to the end"),
        "{error}"
    );
}
