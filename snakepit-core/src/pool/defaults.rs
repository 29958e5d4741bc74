//! What commands say of their own calls, for calls that do not say it themselves. Knows no call in progress.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::command::Command;

#[derive(Clone, Copy, Debug)]
struct Said {
    timeout: Option<Duration>,
    idempotent: bool,
}

/// What a worker tells: of the commands that say something.
pub(super) struct Learnt(HashMap<String, Said>);

impl Learnt {
    pub(super) fn from(commands: &[Command]) -> Self {
        let says = |command: &&Command| command.timeout.is_some() || command.idempotent;
        let entry = |command: &Command| {
            let (timeout, idempotent) = (command.timeout, command.idempotent);
            (
                command.name.clone(),
                Said {
                    timeout,
                    idempotent,
                },
            )
        };
        Self(commands.iter().filter(says).map(entry).collect())
    }
}

/// As the worker that became ready last told. Most commands say nothing, and then a question costs one load.
#[derive(Debug)]
pub(super) struct Defaults {
    any: AtomicBool,
    commands: Mutex<HashMap<String, Said>>,
}

impl Defaults {
    pub(super) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            commands: Mutex::new(HashMap::new()),
        }
    }

    /// Takes over what a worker that has become ready tells.
    pub(super) fn learn(&self, learnt: Learnt) {
        let any = !learnt.0.is_empty();
        *self.commands.lock() = learnt.0;
        self.any.store(any, Ordering::Release);
    }

    /// How long a call of `command` may take, if the command says so.
    pub(super) fn timeout(&self, command: &str) -> Option<Duration> {
        self.of(command)?.timeout
    }

    /// Whether `command` says that running it twice does no harm.
    pub(super) fn is_idempotent(&self, command: &str) -> bool {
        self.of(command).is_some_and(|said| said.idempotent)
    }

    fn of(&self, command: &str) -> Option<Said> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.commands.lock().get(command).copied()
    }
}
