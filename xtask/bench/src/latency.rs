//! One call at a time: the whole pool against the bare socket.

use std::time::Instant;

use anyhow::Result;
use snakepit_core::{CallError, Pool};

use crate::floor::Floor;
use crate::peer::{PEERS, Peer};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::{median, percentile};

/// How many round trips one repetition takes.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) warm_up: usize,
    pub(crate) calls: usize,
}

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let shape = if setup.quick {
        Shape {
            warm_up: 200,
            calls: 2_000,
        }
    } else {
        Shape {
            warm_up: 1_000,
            calls: 20_000,
        }
    };
    let pool = setup.runtime.block_on(setup.bare_pool(1))?;
    let (mut rust, mut python) = (Floor::rust()?, Floor::python(setup)?);
    let (mut rust_samples, mut python_samples, mut our_samples) =
        (Vec::new(), Vec::new(), Vec::new());
    let peers: &[Peer] = if setup.peers { PEERS } else { &[] };
    let mut peer_p50s = vec![Vec::new(); peers.len()];
    for _ in 0..setup.repetitions {
        rust_samples.push(rust.measure(shape)?);
        python_samples.push(python.measure(shape)?);
        // A task, because that is where calls are made; not the thread that blocks on the runtime.
        let task = setup.runtime.spawn(calls(pool.clone(), shape));
        our_samples.push(setup.runtime.block_on(task)??);
        for (peer, p50s) in peers.iter().zip(&mut peer_p50s) {
            p50s.push(peer.latency(setup)?);
        }
    }
    rust.stop()?;
    python.stop()?;
    setup.runtime.block_on(pool.shutdown());

    report::section("latency: a call that does nothing, 1 worker, 1 caller");
    let p50 = |samples: &[Vec<f64>]| samples.iter().map(|s| median(s)).collect::<Vec<_>>();
    let p99: Vec<_> = our_samples.iter().map(|s| percentile(s, 0.99)).collect();
    let (rust, python, ours) = (p50(&rust_samples), p50(&python_samples), p50(&our_samples));
    report.figure("bare socket, Rust to Rust, p50", "us", &rust, Bar::None);
    report.figure("bare socket, Rust to Python, p50", "us", &python, Bar::None);
    report.figure("Snakepit, p50", "us", &ours, Bar::None);
    report.figure("Snakepit, p99", "us", &p99, Bar::None);
    report.ratio(
        "Snakepit / Rust to Rust, p50",
        &ours,
        &rust,
        Bar::AtMost(1.25),
    );
    report.ratio("Snakepit / Rust to Python, p50", &ours, &python, Bar::None);
    for (peer, p50s) in peers.iter().zip(&peer_p50s) {
        report.figure(format!("{}, p50", peer.name), "us", p50s, Bar::None);
        report.ratio(
            format!("{} / Snakepit, p50", peer.name),
            p50s,
            &ours,
            Bar::None,
        );
    }
    report.raw("latency-rust-to-rust-us", &rust_samples.concat())?;
    report.raw("latency-rust-to-python-us", &python_samples.concat())?;
    report.raw("latency-snakepit-us", &our_samples.concat())
}

/// Calls one after the other, in microseconds.
async fn calls(pool: Pool, shape: Shape) -> Result<Vec<f64>, CallError> {
    let mut samples = Vec::with_capacity(shape.calls);
    for index in 0..shape.warm_up + shape.calls {
        let start = Instant::now();
        pool.call::<()>("noop", ()).await?;
        if index >= shape.warm_up {
            samples.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(samples)
}
