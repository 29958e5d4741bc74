//! Says what happened, as tables; must not judge.

use std::collections::BTreeSet;

use crate::arena::{Arena, Ground};
use crate::disturb::Done;
use crate::quiet::Look;

/// Prints all of it.
pub(crate) fn print(arena: &Arena, done: &Done, looks: &[Look]) {
    calls(arena);
    println!("\nwhat was done                   times   with nothing to do it to");
    for (kind, (with, without)) in done {
        println!("  {kind:<28} {with:>6}   {without:>6}");
    }
    quiet(looks);
}

fn calls(arena: &Arena) {
    let row = |name: &str, cells: Vec<String>| {
        print!("  {name:<22}");
        for cell in cells {
            print!("{cell:>13}");
        }
        println!();
    };
    let every = |cell: &dyn Fn(&Ground) -> String| -> Vec<String> {
        arena.grounds.iter().map(|ground| cell(ground)).collect()
    };
    println!("\ncalls, by how they ended");
    row("", every(&|ground| ground.shape.name.to_owned()));
    let outcomes: BTreeSet<&str> = arena
        .grounds
        .iter()
        .flat_map(|ground| {
            ground
                .tally
                .lock()
                .outcomes
                .keys()
                .copied()
                .collect::<Vec<_>>()
        })
        .collect();
    for outcome in outcomes {
        let count = |ground: &Ground| {
            let tally = ground.tally.lock();
            tally
                .outcomes
                .get(outcome)
                .copied()
                .unwrap_or_default()
                .to_string()
        };
        row(outcome, every(&count));
    }
    row(
        "most over its time",
        every(&|ground| format!("{:.0} ms", ground.tally.lock().latest.as_secs_f64() * 1e3)),
    );
    println!("\nworkers");
    let counts = |ground: &Ground| arena.history.counts(ground.pool.name());
    row(
        "launches begun",
        every(&|ground| counts(ground).launched.to_string()),
    );
    row(
        "launches failed",
        every(&|ground| counts(ground).failed.to_string()),
    );
    row(
        "became ready",
        every(&|ground| counts(ground).ready.to_string()),
    );
    row("exited", every(&|ground| counts(ground).exited.to_string()));
}

fn quiet(looks: &[Look]) {
    println!("\nquiet moments: whole after   calls so far   host memory   open files   threads");
    for look in looks {
        println!(
            "  {:>20.2} s   {:>12}   {:>7.1} MiB   {:>10}   {:>7}",
            look.settled.as_secs_f64(),
            look.calls,
            mebibytes(look.resident),
            look.has.open_files(),
            look.has.threads
        );
    }
    if let Some(slope) = slope(looks) {
        println!("  slope of the host's memory: {slope:.0} bytes a call");
    }
}

/// Bytes a call, by least squares over the quiet moments after the first storm: what is made at first use is made by then.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn slope(looks: &[Look]) -> Option<f64> {
    let points: Vec<(f64, f64)> = looks
        .iter()
        .skip(1)
        .map(|look| (look.calls as f64, look.resident as f64))
        .collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / count, y + point.1 / count)
    });
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        let apart = point.0 - x;
        (above + apart * (point.1 - y), below + apart * apart)
    });
    (points.len() >= 2 && below > 0.0).then(|| above / below)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
