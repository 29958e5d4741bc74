//! One call after the other: p50 and p99 of a call that does nothing.

use super::{Context, Sections, judged, rows, turns};
use crate::compare::load::{Work, one_by_one, warm};
use crate::compare::section::{Better, Picture, Section};
use crate::statistics::{median, percentile};

pub(crate) fn latency(cx: &Context<'_>) -> Sections {
    let calls = if cx.setup.quick { 1_000 } else { 10_000 };
    let mut left_out = Vec::new();
    let pools = cx.pools("compare.py", 1, &mut left_out);
    let mut rows = rows(pools.iter().map(|(contestant, _)| *contestant), 2);
    for (_, pool) in &pools {
        cx.setup.runtime.block_on(warm(pool, Work::Noop))?;
    }
    for round in 0..cx.setup.repetitions {
        for turn in turns(pools.len(), round) {
            let pool = &pools[turn].1;
            cx.setup.runtime.block_on(one_by_one(pool, calls / 10))?;
            let samples = cx.setup.runtime.block_on(one_by_one(pool, calls))?;
            rows[turn].samples[0].push(median(&samples));
            rows[turn].samples[1].push(percentile(&samples, 0.99));
        }
    }
    cx.stop(pools);
    Ok(vec![judged(Section {
        id: "latency",
        title: "One call after the other".into(),
        about: format!("A call that does nothing, 1 caller, 1 lane, {calls} calls a round."),
        unit: "us",
        better: Better::Less,
        picture: Picture::Bars,
        points: vec!["p50".into(), "p99".into()],
        judged: 0,
        rows,
        verdict: String::new(),
        left_out,
    })])
}
