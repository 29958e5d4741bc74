//! A worker profile of a third party: any program that reads calls from its standard input and answers on its standard
//! output, one JSON object a line. Knows of Snakepit only `snakepit-core`.
//!
//! ```text
//! worker  {"commands": ["greet"]}                                                  once, when it is ready
//! host    {"command": "greet", "args": ["Ada"], "kwargs": {}, "session": null}     for each call
//! worker  {"value": "hello, Ada"}                                                  or, if it went wrong:
//! worker  {"error": {"kind": "exception", "message": "who?"}}
//! ```
//!
//! End-of-file asks the program to end; what it writes to standard error is logged. `workers/demo.py` is such a program.

mod worker;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::error::LaunchErrorKind;
use snakepit_core::event::{LogLine, LogStream};
use snakepit_core::{
    Command, Hello, LaunchContext, LaunchError, Launched, PoolSettings, WorkerProfile, value,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process;

use worker::{LinesWorker, Pipes};

/// Runs calls in programs that speak lines of JSON.
#[derive(Clone, Debug)]
pub struct LinesProfile {
    program: PathBuf,
    arguments: Vec<String>,
}

impl LinesProfile {
    /// A profile that starts this program, once per worker.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = String>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().collect(),
        }
    }
}

#[async_trait]
impl WorkerProfile for LinesProfile {
    fn kind(&self) -> &'static str {
        "lines"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        let mut child = process::Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Whatever drops the child, a launch broken off or the runtime that ends, ends the process.
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let (program, source) = (self.program.display().to_string(), Arc::new(error));
                LaunchError::new(LaunchErrorKind::Spawn { program, source })
            })?;
        let broken = |what: &str| LaunchError::new(LaunchErrorKind::Protocol(what.to_owned()));
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(broken("the program has no pipes"));
        };
        let mut errors = BufReader::new(stderr).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                (cx.output)(LogLine::new(LogStream::Stderr, line));
            }
        });
        let mut pipes = Pipes::new(stdin, stdout);
        let first = pipes.receive().await.ok().flatten();
        let names = first
            .as_ref()
            .and_then(|hello| hello.get("commands")?.as_list());
        let names = names.ok_or_else(|| broken("its first line names no commands"))?;
        let command = |name: &value::Value| Command {
            name: name.as_str().unwrap_or_default().to_owned(),
            ..Command::default()
        };
        let mut hello = Hello::new(1);
        hello.process = child.id();
        hello.runtime = self.program.display().to_string();
        hello.commands = names.iter().map(command).collect();
        let label = format!("{}/{}", cx.pool, cx.worker);
        Ok(Launched {
            worker: Arc::new(LinesWorker::new(label, child, pipes)),
            hello,
        })
    }
}

/// Builds a [`LinesProfile`] from the keys `adapter`, the program, and `adapter_args`, its arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinesFactory;

impl ProfileFactory for LinesFactory {
    fn kind(&self) -> &'static str {
        "lines"
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        _settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let program: Option<PathBuf> = section.required("adapter");
        let arguments: Vec<String> = section.or("adapter_args", Vec::new());
        Some(Arc::new(LinesProfile::new(
            section.resolve(program?),
            arguments,
        )))
    }
}
