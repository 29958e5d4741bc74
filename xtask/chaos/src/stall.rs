//! How long the machine kept this process from running: what a thread that only sleeps sees; must not know pools.
//!
//! It is told beside a fault, and excuses none. A runtime that is blocked does not stop this thread; a machine that stands
//! still does.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the thread wants to run.
const EVERY: Duration = Duration::from_millis(10);
/// Later than that is a stall.
const LATE: Duration = Duration::from_millis(100);

struct Meter {
    stalled: Duration,
    last: Instant,
}

impl Meter {
    /// Since the thread last ran, if that is too long ago.
    fn going(&self) -> Duration {
        let since = self.last.elapsed();
        if since > LATE { since } else { Duration::ZERO }
    }
}

/// How long it has been kept from running in all, since it was first asked.
pub(crate) fn stalled() -> Duration {
    let meter = meter().lock();
    meter.stalled + meter.going()
}

fn meter() -> &'static Mutex<Meter> {
    static METER: OnceLock<Mutex<Meter>> = OnceLock::new();
    static THREAD: OnceLock<()> = OnceLock::new();
    let meter = METER.get_or_init(|| {
        Mutex::new(Meter {
            stalled: Duration::ZERO,
            last: Instant::now(),
        })
    });
    THREAD.get_or_init(|| {
        let run = move || loop {
            thread::sleep(EVERY);
            let mut meter = meter.lock();
            let going = meter.going();
            meter.stalled += going;
            meter.last = Instant::now();
        };
        // Without a thread everything would look like a stall, and nothing would be found.
        thread::Builder::new()
            .name("stall-meter".into())
            .spawn(run)
            .expect("a thread at the start");
    });
    meter
}
