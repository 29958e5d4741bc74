//! A meter whose readings a test sets. Knows no process.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::usage::{Meter, Report, Usage, Watch};

/// Measures [`FakeWorker`](super::FakeWorker)s. Cheap to clone; all clones are one meter.
///
/// Nobody is measured by themselves: each reading that [`set`](Self::set) gives is told to whoever watches.
#[derive(Clone, Default)]
pub struct FakeMeter(Arc<Books>);

#[derive(Default)]
struct Books {
    /// What a process uses that nothing was set for.
    private: AtomicU64,
    readings: Mutex<HashMap<u32, Usage>>,
    watches: Mutex<HashMap<u64, (u32, Report)>>,
    next: AtomicU64,
}

impl FakeMeter {
    /// A meter by which every process uses as many bytes of its own from the start.
    pub fn new(private: u64) -> Self {
        let meter = Self::default();
        meter.0.private.store(private, Ordering::SeqCst);
        meter
    }

    /// Measures a process: this many bytes of its own, and as much processor time.
    pub fn set(&self, process: u32, private: u64, cpu: Duration) {
        let usage = Usage::new(Instant::now(), private, cpu);
        self.0.readings.lock().insert(process, usage);
        for (watched, report) in self.0.watches.lock().values_mut() {
            if *watched == process {
                report(usage);
            }
        }
    }

    /// How many processes are being watched.
    pub fn watched(&self) -> usize {
        self.0.watches.lock().len()
    }
}

impl Meter for FakeMeter {
    fn read(&self, process: u32) -> Option<Usage> {
        let known = self.0.readings.lock().get(&process).copied();
        let private = self.0.private.load(Ordering::SeqCst);
        Some(known.unwrap_or_else(|| Usage::new(Instant::now(), private, Duration::ZERO)))
    }

    fn watch(&self, process: u32, _every: Duration, report: Report) -> Watch {
        let number = self.0.next.fetch_add(1, Ordering::SeqCst);
        self.0.watches.lock().insert(number, (process, report));
        Watch::new(Watching {
            books: Arc::clone(&self.0),
            number,
        })
    }
}

impl fmt::Debug for FakeMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeMeter").finish_non_exhaustive()
    }
}

struct Watching {
    books: Arc<Books>,
    number: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.books.watches.lock().remove(&self.number);
    }
}
