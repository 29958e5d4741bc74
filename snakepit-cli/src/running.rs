//! Starts pools, lets a command use them, and stops them, whatever happens meanwhile. Knows no
//! command.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use snakepit_core::{Config, EventSink, PoolSettings, Snakepit};
use snakepit_python::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::ending::end;
use crate::failure::Failure;
use crate::logs::Printer;

/// How long workers may take beyond what they were promised; what is left then is killed.
pub(crate) const HASTE: Duration = Duration::from_secs(1);

/// Runs `work` with the pools of `config`. No worker is left when it returns.
///
/// The first signal interrupts the calls there are, after the time they are given by `grace`, if any; see
/// [`crate::ending`].
pub(crate) fn with_pools<T>(
    config: Config,
    grace: Option<Duration>,
    work: impl AsyncFnOnce(&Snakepit) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let printer = Printer::start();
    with_pools_until(
        config,
        grace,
        Ending::AnySignal,
        printer,
        async |starter, _| Ok((starter.start().await?, ())),
        async |(), pit, _| work(pit).await,
    )
}

/// Starts pools, as often as it takes.
pub(crate) struct Starter {
    config: Config,
    sink: Arc<dyn EventSink>,
}

impl Starter {
    /// Starts all of them, or none.
    ///
    /// # Cancel safety
    /// Dropping the future kills what was started.
    pub(crate) async fn start(&self) -> Result<Snakepit, Failure> {
        let builder = Snakepit::builder().config(self.config.clone());
        let starting = builder.event_sink(Arc::clone(&self.sink)).start();
        starting.await.map_err(Failure::Start)
    }
}

/// Which signals end a command once its pools run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Ctrl-C and SIGTERM.
    AnySignal,
    /// SIGTERM. What Ctrl-C does is for the command to say.
    Terminate,
}

/// As [`with_pools`], with a say in which signals end it, in where what workers print is shown, and in what is done when
/// pools do not start. What `start` hands on is for `work`.
pub(crate) fn with_pools_until<S, T>(
    config: Config,
    grace: Option<Duration>,
    ending: Ending,
    printer: Printer,
    start: impl AsyncFnOnce(&Starter, &Printer) -> Result<(Snakepit, S), Failure>,
    work: impl AsyncFnOnce(S, &Snakepit, &Printer) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::System)?;
    let promised = config
        .pools
        .iter()
        .map(|pool| promise(&pool.settings))
        .max();
    let patience = promised.unwrap_or_default() + HASTE;
    let sink = printer.sink();
    let starter = Starter { config, sink };
    let result = runtime.block_on(async {
        let mut interrupt = Interrupt::new().map_err(Failure::System)?;
        let (pit, state) = tokio::select! {
            // Dropping the start kills what was started.
            signal = interrupt.next() => return Err(Failure::interrupted(signal)),
            started = start(&starter, &printer) => started?,
        };
        if ending == Ending::Terminate {
            interrupt.keyboard = None;
        }
        let mut work = pin!(work(state, &pit, &printer));
        let signal = tokio::select! {
            signal = interrupt.next() => signal,
            result = &mut work => return tokio::select! {
                signal = interrupt.next() => Err(Failure::interrupted(signal)),
                // A call that ran out of time may still be cleaning up after itself. Dropping the pools kills what is left
                // when their time is up.
                _ = timeout(patience, pit.drain(Duration::ZERO)) => result,
            },
        };
        match end(&pit, work, grace, patience, &mut interrupt, &printer).await {
            // It came to its own end, though later than wished for.
            (Some(result), left) if left.is_empty() => result,
            (_, left) => Err(Failure::Interrupted { signal, left }),
        }
    });
    // Ends the tasks that watch workers, and so what they watch.
    runtime.shutdown_timeout(HASTE);
    let shown = printer.finish();
    result.map_err(|failure| failure.after(shown))
}

/// How long a pool may take to end once its calls are interrupted.
fn promise(settings: &PoolSettings) -> Duration {
    let cancelled = settings
        .cooperative_grace
        .saturating_add(settings.cancel_grace);
    cancelled.saturating_add(settings.stop_grace)
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
            signal = interrupt.next() => {
                stop.stop();
                // It ends as soon as what it ran is dead; what it has to say is of no interest any more.
                let _ = working.await;
                Err(Failure::interrupted(signal))
            }
            done = &mut working => match done {
                Ok(result) => result,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
        }
    })
}

/// The signals that end a command.
pub(crate) struct Interrupt {
    keyboard: Option<Signal>,
    terminate: Signal,
}

impl Interrupt {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            keyboard: Some(signal(SignalKind::interrupt())?),
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    pub(crate) async fn next(&mut self) -> u8 {
        let keyboard = async {
            match &mut self.keyboard {
                Some(keyboard) => keyboard.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = keyboard => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
