//! Disturbs pools in every way there is, under load, and checks all along that they keep what they promise. Started by
//! `cargo xtask chaos`, which finds the interpreters.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod arena;
mod calls;
mod disturb;
mod history;
mod ledger;
mod load;
mod plan;
mod proc;
mod quiet;
mod report;
mod stall;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use tokio::task::JoinSet;

use crate::arena::{Arena, Interpreters};
use crate::disturb::Disturber;
use crate::history::History;
use crate::plan::{Plan, Storm};
use crate::quiet::Look;

#[derive(Parser)]
#[command(name = "snakepit-chaos")]
struct Cli {
    /// How long, roughly
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Does the same things in the same order as the run that printed this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Twelve seconds, to see that everything runs
    #[arg(long)]
    quick: bool,
    /// The interpreter of most pools
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// A free-threaded interpreter
    #[arg(long)]
    free_threaded: Option<PathBuf>,
    /// An ordinary interpreter of version 3.14 or newer
    #[arg(long)]
    isolating: Option<PathBuf>,
}

fn main() -> ExitCode {
    run(&Cli::parse()).unwrap_or_else(|error| {
        // Not by returning it: people who set RUST_BACKTRACE would read our stack instead of our words.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let seed = cli.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let lasts = if cli.quick {
        Duration::from_secs(12)
    } else {
        Duration::try_from_secs_f64(cli.minutes * 60.0)?
    };
    let interpreters = Interpreters {
        python: cli.python.clone(),
        free_threaded: cli.free_threaded.clone(),
        isolating: cli.isolating.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Threads that are only there because they may be needed again would look like leaked ones.
        .thread_keep_alive(Duration::from_millis(100))
        .build()?;
    let clean = runtime.block_on(chaos(seed, lasts, &interpreters))?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns whether everything held.
async fn chaos(seed: u64, lasts: Duration, interpreters: &Interpreters) -> Result<bool> {
    let began = Instant::now();
    let arena = Arc::new(Arena::open(interpreters).await?);
    let plan = Plan::new(seed, arena.grounds.len(), lasts);
    println!(
        "seed {seed}: {} storms over {} pools; --seed {seed} makes the same plan again",
        plan.storms.len(),
        arena.grounds.len()
    );
    let disturber = Disturber::new(Arc::clone(&arena));
    let watch = tokio::spawn(watch::watch(Arc::clone(&arena)));
    let mut looks = vec![calm_before(&arena, seed).await?];
    for (number, storm) in plan.storms.iter().enumerate() {
        if !arena.history.is_clean() {
            break;
        }
        weather(&arena, &disturber, seed, number, storm).await?;
        let look = quiet::look(&arena, looks.first()).await?;
        println!(
            "storm {}: whole again after {:.2} s",
            number + 1,
            look.settled.as_secs_f64()
        );
        looks.push(look);
    }
    quiet::end(&arena, seed).await?;
    report::print(&arena, &disturber.done.lock(), &looks);
    watch.abort();
    // It holds the pools, too.
    let _ = watch.await;
    let (run, history) = (arena.run.clone(), Arc::clone(&arena.history));
    drop((arena, disturber));
    quiet::nothing_left(&run, &history).await;
    println!("\n{:.0} s in all", began.elapsed().as_secs_f64());
    Ok(verdict(&history, seed))
}

/// Some load without disturbances and a reload of each pool, so that what is made at first use is made.
async fn calm_before(arena: &Arc<Arena>, seed: u64) -> Result<Look> {
    let until = Instant::now() + Duration::from_secs(1);
    let callers = load::callers(arena, seed, usize::MAX, until);
    let mut reloads = JoinSet::new();
    for ground in arena.grounds.iter().map(Arc::clone) {
        reloads.spawn(async move {
            if let Err(error) = ground.pool.reload().await {
                ground.fault(format!("an undisturbed reload failed: {error}"));
            }
        });
    }
    quiet::ended(arena, reloads, "the reloads").await;
    quiet::ended(arena, callers, "the calls").await;
    quiet::look(arena, None).await
}

async fn weather(
    arena: &Arc<Arena>,
    disturber: &Disturber,
    seed: u64,
    number: usize,
    storm: &Storm,
) -> Result<()> {
    let began = Instant::now();
    let callers = load::callers(arena, seed, number, began + storm.lasts);
    let unfinished = disturber.storm(storm, began).await;
    disturber.calm()?;
    quiet::ended(arena, callers, "the calls").await;
    quiet::ended(arena, unfinished?, "the disturbances").await;
    // A moment without files may have ended only now, and with it what it was to be taken back to.
    disturber.calm()
}

/// Prints what did not hold, if anything.
fn verdict(history: &History, seed: u64) -> bool {
    let (faults, latest) = history.faults();
    if faults.is_empty() {
        println!("everything held");
        return true;
    }
    println!("\nWhat had happened before the first fault:\n{latest}");
    println!("{} faults, seed {seed}:", faults.len());
    for fault in faults {
        println!("  {fault}");
    }
    false
}
