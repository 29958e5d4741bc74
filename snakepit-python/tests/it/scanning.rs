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
from google import protobuf
from google.cloud import storage
from . import beside
from snakepit_bridge import tool
import helpers
open('ran', 'w')

def late():
    import lxml.etree

class Good:
    __thread_safe__ = True

class Bad(Good):
    __thread_safe__: bool = False

class Heir(Good): ...

class Silent: ...
";
    place.write("adapter.py", text);
    for (class, expected) in [
        ("adapter.py", None),
        ("./adapter.py:Good", Some(true)),
        ("adapter:Bad", Some(false)),
        ("adapter:Heir", Some(true)),
        ("adapter:Silent", None),
    ] {
        let facts = scanned(&place, class).unwrap();
        assert_eq!(facts.thread_safe, expected, "{class}");
        let libraries = ["PIL", "google", "google.protobuf", "lxml", "numpy"];
        assert_eq!(facts.imports, libraries);
        assert_eq!(facts.local_imports, ["helpers"]);
    }
    assert!(!place.path("ran").exists());
}

#[test]
fn without_a_name_the_class_the_bridge_would_take_has_to_say_it() {
    let place = Place::new();
    let helper = "from snakepit_bridge import BaseAdapter, tool as command\nclass Helper:\n    __thread_safe__ = True\n";
    let adapter = |base: &str, body: &str| format!("class Adapter({base}):\n    {body}\n");
    let silent = "@command\n    def f(self): ...";
    let saying = |value: &str| format!("__thread_safe__ = {value}\n    {silent}");
    for (text, expected) in [
        // What a helper says, and that it is silent, says nothing about the adapter.
        (helper.to_owned(), None),
        (helper.to_owned() + &adapter("object", silent), None),
        (helper.to_owned() + &adapter("BaseAdapter", "pass"), None),
        (helper.to_owned() + &adapter("Helper", silent), Some(true)),
        (
            helper.to_owned() + &adapter("object", &saying("False")),
            Some(false),
        ),
        (
            adapter("snakepit_bridge.BaseAdapter", &saying("True"))
                + "class Error(Exception): ...\n",
            Some(true),
        ),
        // It inherits from what cannot be seen here.
        (helper.to_owned() + &adapter("elsewhere.Base", "pass"), None),
        (
            helper.to_owned() + &adapter("elsewhere.Base", "__thread_safe__ = True"),
            Some(true),
        ),
        // The bridge offers no class of two, but the module.
        (
            helper.to_owned()
                + &adapter("object", &saying("True"))
                + &adapter("object", &saying("True")).replace("Adapter", "Other"),
            None,
        ),
        // The module answers for a class that is silent.
        (
            adapter("BaseAdapter", "pass") + "__thread_safe__ = True\n",
            Some(true),
        ),
        (
            "from snakepit_bridge.base_adapter_threaded import ThreadSafeAdapter as Base\n"
                .to_owned()
                + &adapter("Base", "pass"),
            Some(true),
        ),
        (
            "from snakepit_bridge import ThreadSafeAdapter\n".to_owned()
                + &adapter("ThreadSafeAdapter", &saying("False")),
            Some(false),
        ),
        (
            "import snakepit_bridge as bridge\n".to_owned()
                + &adapter("bridge.ThreadSafeAdapter", "pass"),
            Some(true),
        ),
        // A name that is not the bridge's.
        ("class Adapter(ThreadSafeAdapter): ...\n".to_owned(), None),
    ] {
        place.write("adapter.py", &text);
        let facts = scanned(&place, "adapter.py").unwrap();
        assert_eq!(facts.thread_safe, expected, "{text}");
    }
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
