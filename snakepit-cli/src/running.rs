//! Starts pools, lets a command use them, and stops them, whatever happens meanwhile. Knows no
//! command.

use std::time::Duration;

use snakepit_core::{Config, Snakepit};
use snakepit_python::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::logs::Printer;

/// How long workers may take to stop after Ctrl-C, or beyond what they were promised; what is left
/// then is killed.
const HASTE: Duration = Duration::from_secs(1);

/// Runs `work` with the pools of `config`. No worker is left when it returns.
pub(crate) fn with_pools<T>(
    config: Config,
    work: impl AsyncFnOnce(&Snakepit) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::System)?;
    let promised = config
        .pools
        .iter()
        .map(|pool| pool.settings.stop_grace)
        .max();
    let printer = Printer::start();
    let sink = printer.sink();
    let result = runtime.block_on(async {
        let mut interrupt = Interrupt::new().map_err(Failure::System)?;
        let starting = Snakepit::builder().config(config).event_sink(sink).start();
        let pit = tokio::select! {
            // Dropping the start kills what was started.
            number = interrupt.next() => return Err(Failure::Interrupted(number)),
            pit = starting => pit.map_err(Failure::Start)?,
        };
        let result = tokio::select! {
            number = interrupt.next() => Err(Failure::Interrupted(number)),
            result = work(&pit) => result,
        };
        let patience = match &result {
            Err(Failure::Interrupted(_)) => HASTE,
            _ => promised.unwrap_or_default() + HASTE,
        };
        tokio::select! {
            number = interrupt.next() => Err(Failure::Interrupted(number)),
            // Dropping the pools kills what is left when the time is up.
            _ = timeout(patience, pit.shutdown()) => result,
        }
    });
    // Ends the tasks that watch workers, and so what they watch.
    runtime.shutdown_timeout(HASTE);
    let shown = printer.finish();
    result.map_err(|failure| failure.after(shown))
}

/// Runs `work`, which blocks, until it is done or a signal comes; then whatever it runs is killed.
pub(crate) fn stoppable<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let stop = Stop::new().map_err(Failure::System)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::System)?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::new().map_err(Failure::System)?;
        let stopped = stop.clone();
        let mut working = tokio::task::spawn_blocking(move || work(&stopped));
        tokio::select! {
            number = interrupt.next() => {
                stop.stop();
                // It ends as soon as what it ran is dead; what it has to say is of no interest any more.
                let _ = working.await;
                Err(Failure::Interrupted(number))
            }
            done = &mut working => match done {
                Ok(result) => result,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
        }
    })
}

/// The signals that end a command.
struct Interrupt {
    keyboard: Signal,
    terminate: Signal,
}

impl Interrupt {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            keyboard: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.keyboard.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
