//! What was promised about each call, held against what ran: pure but for reading the workers' journal.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use snakepit_core::{CallError, Delivery};

/// How often an idempotent call may run: `poison_threshold`.
pub(crate) const POISON: u8 = 2;

/// Bits of a nonce below the number of its pool.
const BITS: u32 = 40;

/// What a caller was told about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Nothing yet, or the caller left.
    Nothing,
    /// It ran.
    Ran,
    /// It never ran: the code of the error that says so.
    NeverRan(&'static str),
}

impl Promise {
    /// What an error says.
    pub(crate) fn of(error: &CallError) -> Self {
        match error.delivery() {
            Delivery::NotSent => Self::NeverRan(error.code()),
            Delivery::MaybeExecuted => Self::Nothing,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    promise: Promise,
    idempotent: bool,
    runs: u8,
}

impl Entry {
    fn fault(&self) -> Option<String> {
        let most = if self.idempotent { POISON } else { 1 };
        match (self.promise, self.runs) {
            (_, runs) if runs > most => Some(format!("ran {runs} times")),
            (Promise::Ran, 0) => Some("was answered but never ran".to_owned()),
            (Promise::NeverRan(code), runs) if runs > 0 => {
                let kind = if self.idempotent { " idempotent" } else { "" };
                Some(format!(
                    "ran, although its error, `{code}`, says that this{kind} call never did"
                ))
            }
            _ => None,
        }
    }
}

/// The calls of one pool.
#[derive(Debug)]
pub(crate) struct Ledger {
    pool: u64,
    book: Mutex<Book>,
    journal: Mutex<File>,
}

/// The calls since the last audit.
#[derive(Debug, Default)]
struct Book {
    /// How many there were before them.
    settled: u64,
    entries: Vec<Entry>,
}

impl Book {
    fn entry(&mut self, nonce: u64) -> Option<&mut Entry> {
        let number = nonce & ((1 << BITS) - 1);
        let index = usize::try_from(number.checked_sub(self.settled)?).ok()?;
        self.entries.get_mut(index)
    }
}

impl Ledger {
    /// For the pool of that number, whose workers write to the file of that name.
    pub(crate) fn new(pool: usize, journal: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(journal)
            .with_context(|| format!("cannot make {}", journal.display()))?;
        Ok(Self {
            pool: pool as u64,
            book: Mutex::default(),
            journal: Mutex::new(file),
        })
    }

    /// A number no other call of any pool has.
    pub(crate) fn open(&self, idempotent: bool) -> u64 {
        let mut book = self.book.lock();
        let book = &mut *book;
        let entries = &mut book.entries;
        entries.push(Entry {
            promise: Promise::Nothing,
            idempotent,
            runs: 0,
        });
        self.pool << BITS | (book.settled + entries.len() as u64 - 1)
    }

    /// The call is over.
    pub(crate) fn close(&self, nonce: u64, promise: Promise) {
        if let Some(entry) = self.book.lock().entry(nonce) {
            entry.promise = promise;
        }
    }

    /// Reads what ran since the last audit and returns what does not fit. For when no call is under way: what was not run by
    /// now must not run any more.
    pub(crate) fn audit(&self) -> Result<Vec<String>> {
        let mut written = Vec::new();
        self.journal.lock().read_to_end(&mut written)?;
        let mut book = self.book.lock();
        let mut faults = Vec::new();
        for nonce in written.chunks(8) {
            let Ok(nonce) = nonce.try_into().map(u64::from_le_bytes) else {
                faults.push("the journal has half a record".to_owned());
                continue;
            };
            let own = nonce >> BITS == self.pool;
            match book.entry(nonce).filter(|_| own) {
                Some(entry) => entry.runs = entry.runs.saturating_add(1),
                None => faults.push(format!(
                    "call {nonce:#x} ran, which nobody made here, or which was over long ago"
                )),
            }
        }
        let settled = std::mem::take(&mut book.entries);
        for (nonce, entry) in (self.pool << BITS | book.settled..).zip(&settled) {
            faults.extend(
                entry
                    .fault()
                    .map(|fault| format!("call {nonce:#x} {fault}")),
            );
        }
        book.settled += settled.len() as u64;
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    struct Bench {
        ledger: Ledger,
        journal: File,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("journal");
            let ledger = Ledger::new(3, &path).expect("a ledger");
            let journal = File::options()
                .append(true)
                .open(path)
                .expect("the journal");
            Self {
                ledger,
                journal,
                _folder: folder,
            }
        }

        fn run(&mut self, nonce: u64) {
            self.journal.write_all(&nonce.to_le_bytes()).expect("space");
        }

        fn faults(&self) -> Vec<String> {
            self.ledger.audit().expect("a journal that can be read")
        }
    }

    #[test]
    fn calls_that_did_as_was_said_are_no_faults() {
        let mut bench = Bench::new();
        let [answered, lost, never, left] = [(); 4].map(|()| bench.ledger.open(false));
        let again = bench.ledger.open(true);
        for nonce in [answered, lost, again, again] {
            bench.run(nonce);
        }
        bench.ledger.close(answered, Promise::Ran);
        bench.ledger.close(again, Promise::Ran);
        bench.ledger.close(lost, Promise::Nothing);
        bench.ledger.close(never, Promise::NeverRan("call.expired"));
        assert_eq!(bench.faults(), [""; 0]);
        let later = bench.ledger.open(false);
        bench.run(later);
        assert_eq!(bench.faults(), [""; 0]);
        bench.run(left);
        assert_eq!(bench.faults().len(), 1, "it was over long ago");
    }

    #[test]
    fn a_call_that_ran_twice_or_against_its_word_is_found_once() {
        let mut bench = Bench::new();
        let [twice, never, answered] = [(); 3].map(|()| bench.ledger.open(false));
        for nonce in [twice, twice, never] {
            bench.run(nonce);
        }
        bench.ledger.close(never, Promise::NeverRan("call.expired"));
        bench.ledger.close(answered, Promise::Ran);
        assert_eq!(bench.faults().len(), 3);
        assert_eq!(bench.faults(), [""; 0]);
    }

    #[test]
    fn calls_of_others_are_strange_here() {
        let mut bench = Bench::new();
        let own = bench.ledger.open(false);
        bench.run(own);
        bench.run(own & ((1 << BITS) - 1));
        bench.run(own + 1);
        assert_eq!(bench.faults().len(), 2);
    }
}
