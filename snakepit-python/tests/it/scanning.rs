//! What an adapter's file says, read by a real interpreter that does not run it.

use snakepit_python::{AdapterFacts, ScanError, scan};

use crate::support::{Place, python};

fn scanned(place: &Place, adapter: &str) -> Result<AdapterFacts, ScanError> {
    scan(&place.prober(), &python(), adapter, &place.path(""))
}

#[test]
fn imports_and_declarations_are_read_and_nothing_is_run() {
    let place = Place::new();
    place.write("helpers.py", "");
    let text = "\
import os, numpy.linalg as la
from PIL import Image
from . import beside
from snakepit_bridge import tool
import helpers
open('ran', 'w')

def late():
    import lxml.etree

class Good:
    __thread_safe__ = True

class Bad:
    __thread_safe__: bool = False

class Base(snakepit_bridge.ThreadSafeAdapter): ...

class Silent: ...
";
    place.write("adapter.py", text);
    for (class, expected) in [
        ("adapter.py", Some(false)),
        ("./adapter.py:Good", Some(true)),
        ("adapter:Bad", Some(false)),
        ("adapter:Base", Some(true)),
        ("adapter:Silent", None),
    ] {
        let facts = scanned(&place, class).unwrap();
        assert_eq!(facts.thread_safe, expected, "{class}");
        assert_eq!(facts.imports, ["PIL", "lxml", "numpy"]);
        assert_eq!(facts.local_imports, ["helpers"]);
    }
    assert!(!place.path("ran").exists());
}

#[test]
fn a_plain_module_may_declare_itself() {
    let place = Place::new();
    place.write("package/__init__.py", "__thread_safe__ = True\n");
    assert_eq!(scanned(&place, "package").unwrap().thread_safe, Some(true));
    place.write("package/module.py", "__thread_safe__ = maybe()\n");
    assert_eq!(scanned(&place, "package.module").unwrap().thread_safe, None);
}

#[test]
fn what_cannot_be_read_is_told() {
    let place = Place::new();
    place.write("broken.py", "def f(:\n");
    let error = scanned(&place, "broken.py").unwrap_err();
    assert!(
        matches!(&error, ScanError::Syntax(text) if text.contains("broken.py")),
        "{error}"
    );
    let error = scanned(&place, "missing.module").unwrap_err();
    assert!(matches!(error, ScanError::NoFile(_)), "{error}");
    place.write("fine.py", "");
    let shell = place.script("python3", "#!/bin/sh\nexit 4\n");
    let error = scan(&place.prober(), &shell, "fine.py", &place.path("")).unwrap_err();
    assert!(error.to_string().contains("exit code 4"), "{error}");
    assert!(!error.hint().is_empty());
}
