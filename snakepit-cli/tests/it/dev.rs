//! `snakepit dev`, with its lines from a pipe: calls, code that changes, interruptions.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};

use rustix::process::Signal;

use crate::support::{Running, snakepit, zoo};

/// A session in progress.
struct Dev {
    run: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Dev {
    fn start(adapter: &Path) -> Self {
        Self::start_until(adapter, "`:help` says what can be written here")
    }

    fn start_until(adapter: &Path, said: &str) -> Self {
        let adapter = adapter.display().to_string();
        let mut run = snakepit(&["dev", "--adapter", &adapter])
            .interactive()
            .start();
        run.wait_for(said);
        let (stdin, stdout) = (run.stdin(), BufReader::new(run.stdout()));
        Self { run, stdin, stdout }
    }

    fn write(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("it reads");
    }

    /// The next line of standard output.
    fn read(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it is UTF-8");
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.write(line);
        self.read()
    }

    /// Ends its input.
    fn end(self) -> crate::support::Finished {
        let Self { run, stdin, .. } = self;
        drop(stdin);
        run.end()
    }
}

fn versioned(folder: &Path, version: &str) -> PathBuf {
    let file = folder.join("versioned.py");
    fs::write(&file, format!("def version():\n    return {version}\n")).unwrap();
    file
}

#[test]
fn lines_are_calls_and_their_results_are_lines() {
    let mut dev = Dev::start(&zoo("well.py"));
    assert_eq!(dev.ask("join first=a second=\"b c\""), "\"a b c\"");
    assert_eq!(dev.ask("join [\"a\", \"b\"]"), "\"a b\"");
    assert_eq!(dev.ask("count to:=3"), "1");
    assert_eq!((dev.read(), dev.read()), ("2".to_owned(), "3".to_owned()));
    dev.write("fail");
    dev.write("join first=a");
    dev.write("missing");
    dev.write("help");
    dev.write("join {");
    dev.write(":nonsense");
    dev.write("");
    assert_eq!(dev.ask("speak"), "\"answered\"");
    dev.write(":session ada");
    assert_eq!(dev.ask("remember text=x"), r#"["ada",["x"]]"#);
    assert_eq!(dev.ask("remember text=y"), r#"["ada",["x","y"]]"#);
    dev.write(":session");
    dev.write("remember text=z");
    dev.write(":commands");
    while !dev.read().starts_with("count(to: int)  streams") {}
    dev.write(":quit");
    let Dev { run, .. } = dev;
    run.end().exits(0).says(&[
        "count(to: int)  streams",
        "`:help` says",
        "raised ValueError: the order is not there",
        "KeyError: 'missing'",
        "raise ValueError",
        "error[call.bad_arguments]",
        "error[call.unknown_command]",
        "error[usage]: there is no command `help`",
        "write `:help`",
        "error[usage]: the argument is not JSON",
        "error[usage]: there is no `:nonsense`",
        "said on stdout",
        "calls are of session `ada`",
        "this call belongs to no session",
    ]);
}

#[test]
fn the_next_line_calls_what_is_on_disk_and_the_old_code_goes_on_while_that_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(&versioned(folder.path(), "1"));
    assert_eq!(dev.ask("version"), "1");
    versioned(folder.path(), "2");
    assert_eq!(dev.ask("version"), "2");
    versioned(folder.path(), "(3");
    assert_eq!(dev.ask("version"), "2");
    versioned(folder.path(), "4 / 0 if False else 4");
    assert_eq!(dev.ask("version"), "4");
    fs::write(folder.path().join("helper.py"), "VERSION = 5").unwrap();
    versioned(folder.path(), "__import__('helper').VERSION");
    assert_eq!(dev.ask("version"), "5");
    fs::write(folder.path().join("helper.py"), "VERSION = 6").unwrap();
    assert_eq!(dev.ask("version"), "6");
    assert_eq!(dev.ask(":reload\nversion"), "6");
    dev.end().exits(0).says(&[
        "reloaded in ",
        "error[launch.adapter]: the new code does not start, the old goes on",
        "versioned.py\", line 2",
        "SyntaxError",
        "reloaded in ",
    ]);
}

#[test]
fn what_is_saved_is_loaded_though_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(&versioned(folder.path(), "1"));
    versioned(folder.path(), "2");
    dev.run.wait_for("reloaded in ");
    assert_eq!(dev.ask("version"), "2");
    dev.end().exits(0);
}

#[test]
fn ctrl_c_interrupts_the_call_and_nothing_else() {
    let mut dev = Dev::start(&zoo("well.py"));
    dev.write("clean_up_when_interrupted");
    dev.run.wait_for("stdout | waiting");
    dev.run.signal(Signal::INT);
    dev.run
        .wait_for("`clean_up_when_interrupted` was interrupted");
    dev.run.wait_for("stdout | cleaned up");
    assert_eq!(dev.ask("echo 5"), "5");
    dev.end().exits(0);
}

#[test]
fn sigterm_ends_it() {
    let mut dev = Dev::start(&zoo("well.py"));
    dev.write("wait_for_ever");
    dev.run.wait_for("stdout | waiting");
    dev.run.signal(Signal::TERM);
    let Dev { run, stdin, .. } = dev;
    run.end().exits(143).says(&["error[interrupted]"]);
    drop(stdin);
}

#[test]
fn a_worker_that_dies_is_told_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dying.py");
    fs::write(
        &file,
        "import os\ndef die(): os._exit(3)\ndef live(): return 'well'\n",
    )
    .unwrap();
    let mut dev = Dev::start(&file);
    dev.write("die");
    assert_eq!(dev.ask("live"), "\"well\"");
    dev.end()
        .exits(0)
        .says(&["error[call.worker_lost]", "exit code 3"]);
}

#[test]
fn an_adapter_that_does_not_load_is_told_at_once() {
    let adapter = zoo("raises_at_import.py").display().to_string();
    snakepit(&["dev", "--adapter", &adapter])
        .run()
        .exits(3)
        .says(&["error[launch.adapter]"]);
}

#[test]
fn an_adapter_that_does_not_load_at_the_start_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let waiting = "tried again when code is saved";
    let mut dev = Dev::start_until(&versioned(folder.path(), "(1"), waiting);
    dev.write("version");
    dev.run.wait_for("nothing to call until the adapter loads");
    versioned(folder.path(), "(2");
    dev.run.wait_for("return (2");
    versioned(folder.path(), "3");
    assert_eq!(dev.ask("version"), "3");
    dev.end().exits(0).says(&[
        "error[launch.adapter]: pool `default` did not start",
        "versioned.py\", line 2",
        "SyntaxError",
        "version()",
    ]);
}

#[test]
fn input_that_ends_before_the_adapter_loads_ends_it_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = versioned(folder.path(), "(1");
    for line in ["version", ":quit"] {
        let mut dev = Dev::start_until(&adapter, "tried again when code is saved");
        dev.write(line);
        dev.end().exits(3).says(&["SyntaxError"]);
    }
}
