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
    let mut floor = Floor::start()?;
    let (mut floor_samples, mut our_samples) = (Vec::new(), Vec::new());
    let peers: &[Peer] = if setup.peers { PEERS } else { &[] };
    let mut peer_p50s = vec![Vec::new(); peers.len()];
    for _ in 0..setup.repetitions {
        floor_samples.push(floor.measure(shape)?);
        // A task, because that is where calls are made; not the thread that blocks on the runtime.
        our_samples.push(
            setup
                .runtime
                .block_on(setup.runtime.spawn(calls(pool.clone(), shape)))??,
        );
        for (peer, p50s) in peers.iter().zip(&mut peer_p50s) {
            p50s.push(peer.latency(setup)?);
        }
    }
    floor.stop()?;
    setup.runtime.block_on(pool.shutdown());

    report::section("latency: a call that does nothing, 1 worker, 1 caller");
    let p50 = |samples: &[Vec<f64>]| samples.iter().map(|s| median(s)).collect::<Vec<_>>();
    let p99 = |samples: &[Vec<f64>]| {
        samples
            .iter()
            .map(|s| percentile(s, 0.99))
            .collect::<Vec<_>>()
    };
    let (floor_p50, our_p50) = (p50(&floor_samples), p50(&our_samples));
    report.figure("bare Rust-Rust socket, p50", "us", &floor_p50, Bar::None);
    report.figure(
        "bare Rust-Rust socket, p99",
        "us",
        &p99(&floor_samples),
        Bar::None,
    );
    report.figure("Snakepit, p50", "us", &our_p50, Bar::None);
    report.figure("Snakepit, p99", "us", &p99(&our_samples), Bar::None);
    report.ratio(
        "Snakepit / bare socket, p50",
        &our_p50,
        &floor_p50,
        Bar::AtMost(1.25),
    );
    for (peer, p50s) in peers.iter().zip(&peer_p50s) {
        report.figure(format!("{}, p50", peer.name), "us", p50s, Bar::None);
        report.ratio(
            format!("{} / Snakepit, p50", peer.name),
            p50s,
            &our_p50,
            Bar::None,
        );
    }
    report.raw("latency-floor-us", &floor_samples.concat())?;
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
