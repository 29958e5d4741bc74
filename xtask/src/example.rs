//! Runs the examples as their readers would.

use anyhow::ensure;

use crate::interpreter::Interpreter;
use crate::project::cargo;
use crate::step::Steps;

struct Example {
    folder: &'static str,
    /// The package whose program runs it.
    package: &'static str,
    args: &'static [&'static str],
    /// All it prints.
    prints: &'static str,
    /// Whether it takes `--python`: a configuration names its own, a profile of a third party may know none.
    python: bool,
}

const EXAMPLES: &[Example] = &[
    Example {
        folder: "hello",
        package: "snakepit-cli",
        args: &[
            "call",
            "--adapter",
            "examples/hello/hello.py",
            "greet",
            "name=Ada",
        ],
        prints: "\"Hello, Ada!\"",
        python: true,
    },
    Example {
        folder: "hybrid",
        package: "snakepit-cli",
        args: &[
            "call",
            "--config=examples/hybrid/snakepit.yaml",
            "--pool=crunch",
            "primes",
            "[10000]",
        ],
        prints: "1229",
        python: false,
    },
    Example {
        folder: "hybrid",
        package: "snakepit-cli",
        args: &[
            "call",
            "--config=examples/hybrid/snakepit.yaml",
            "--pool=fetch",
            "title",
            "name=Ada",
        ],
        prints: "\"Ada, Countess of Lovelace\"",
        python: false,
    },
    Example {
        folder: "hybrid",
        package: "snakepit-cli",
        args: &[
            "call",
            "--config=examples/hybrid/snakepit.yaml",
            "--pool=either",
            "title",
            "name=Ada",
        ],
        prints: "\"Ada, Countess of Lovelace\"",
        python: false,
    },
    Example {
        folder: "notes",
        package: "snakepit-example-notes",
        args: &[],
        prints: "Ada has 2 notes.
Her worker was replaced; she has 3 notes.
the art of flight a letter numbers
THE ART OF FLIGHT, A LETTER, NUMBERS
refused: `text` has to be a str, not an int (5)
Letters told of: [17.0, 8.0, 7.0]",
        python: false,
    },
    Example {
        folder: "custom-profile",
        package: "snakepit-profile-lines",
        args: &[
            "call",
            "--profile=lines",
            "--adapter=examples/custom-profile/workers/demo.py",
            "echo",
            "\"hi\"",
        ],
        prints: "\"hi\"",
        python: false,
    },
];

/// One step for each example; those of a profile of its own have tests besides, run with all others.
pub(crate) fn run(steps: &mut Steps, interpreter: &Interpreter) {
    for example in EXAMPLES {
        let mut command = cargo();
        command.args(["run", "--quiet", "--package", example.package, "--"]);
        command.args(example.args);
        if example.python {
            command.arg("--python").arg(&interpreter.path);
        } else {
            command.env("SNAKEPIT_PYTHON", &interpreter.path);
        }
        let name = format!("examples/{} ({})", example.folder, interpreter.tag());
        steps.output(&name, &mut command, |printed| {
            ensure!(
                printed.trim_end() == example.prints,
                "it printed\n{printed}instead of\n{}",
                example.prints
            );
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::root;

    #[test]
    fn every_example_is_run() {
        for entry in std::fs::read_dir(root().join("examples")).expect("there are examples") {
            let folder = entry.expect("a folder").file_name();
            let known = EXAMPLES.iter().any(|example| folder == example.folder);
            assert!(
                known,
                "examples/{} is run by nobody: name it here",
                folder.display()
            );
        }
    }
}
