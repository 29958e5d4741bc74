//! Work under load: calls a second at 1 to 64 callers.

use std::time::Duration;

use anyhow::Result;

use super::{Context, Sections, judged, rows, turns};
use crate::compare::contestants::LANES_PER_WORKER;
use crate::compare::load::{Work, load, warm};
use crate::compare::section::{Better, Picture, Section};
use crate::statistics::percentile;

const CALLERS: [usize; 4] = [1, 4, 16, 64];

struct Sweep {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    adapter: &'static str,
    work: Work,
    lanes: usize,
}

/// Nothing, pure Python, NumPy, waiting, and a mixture.
pub(crate) fn sweeps(cx: &Context<'_>) -> Sections {
    let cores = cx.cores;
    let mut sections = Vec::new();
    for sweep in [
        Sweep {
            id: "noop",
            title: "Calls that do nothing",
            about: "The cost of calling itself.",
            adapter: "compare.py",
            work: Work::Noop,
            lanes: cores,
        },
        Sweep {
            id: "cpu",
            title: "Pure Python",
            about: "Arithmetic, objects, dictionaries and function calls, about 3 ms a call.",
            adapter: "compare.py",
            work: Work::Crunch,
            lanes: cores,
        },
        Sweep {
            id: "matmul",
            title: "NumPy",
            about: "A product of two 256 x 256 matrices of doubles a call; one BLAS thread for each lane.",
            adapter: "matmul.py",
            work: Work::Matmul,
            lanes: cores,
        },
        Sweep {
            id: "sleep",
            title: "Waiting",
            about: "A sleep of 20 ms a call, as for a network or a disk.",
            adapter: "compare.py",
            work: Work::Nap,
            lanes: cores * LANES_PER_WORKER,
        },
        Sweep {
            id: "mixed",
            title: "Mixed load",
            about: "Four of five calls do nothing, the fifth is 3 ms of pure Python.",
            adapter: "compare.py",
            work: Work::Mixed,
            lanes: cores * 2,
        },
    ] {
        sections.extend(sweep.run(cx)?);
    }
    Ok(sections)
}

impl Sweep {
    fn run(&self, cx: &Context<'_>) -> Sections {
        let mut left_out = Vec::new();
        let able: Vec<_> = cx
            .contestants
            .iter()
            .filter(|contestant| {
                let able = self.work != Work::Matmul || contestant.interpreter.numpy.is_some();
                if !able {
                    left_out.push(format!("{contestant}: no NumPy there"));
                }
                able
            })
            .cloned()
            .collect();
        let cx = &Context {
            contestants: &able,
            ..*cx
        };
        let pools = cx.pools(self.adapter, self.lanes, &mut left_out);
        for (_, pool) in &pools {
            cx.setup.runtime.block_on(warm(pool, self.work))?;
        }
        let who = || pools.iter().map(|(contestant, _)| *contestant);
        let mut rates = rows(who(), CALLERS.len());
        let mut tails = rows(who(), CALLERS.len());
        for round in 0..cx.setup.repetitions {
            for (point, callers) in CALLERS.into_iter().enumerate() {
                for turn in turns(pools.len(), round) {
                    let seen = self.once(cx, &pools[turn].1, callers)?;
                    rates[turn].samples[point].push(seen.0);
                    tails[turn].samples[point].push(seen.1);
                }
            }
        }
        cx.stop(pools);

        let section = |id, title: String, unit, better, rows| {
            judged(Section {
                id,
                title,
                about: format!("{} {} lanes each.", self.about, self.lanes),
                unit,
                better,
                picture: Picture::Lines,
                points: CALLERS.map(points).to_vec(),
                judged: CALLERS.len() - 1,
                rows,
                verdict: String::new(),
                left_out: left_out.clone(),
            })
        };
        let mut sections = vec![section(
            self.id,
            self.title.to_owned(),
            "calls/s",
            Better::More,
            rates,
        )];
        if self.work == Work::Mixed {
            let title = "Mixed load: how long the small calls take, p99".to_owned();
            sections.push(section("mixed-tail", title, "ms", Better::Less, tails));
        }
        Ok(sections)
    }

    /// Calls a second, and the 99th percentile of a call in milliseconds.
    fn once(
        &self,
        cx: &Context<'_>,
        pool: &snakepit_core::Pool,
        callers: usize,
    ) -> Result<(f64, f64)> {
        let duration: Duration = cx.setup.duration;
        let seen = cx
            .setup
            .runtime
            .block_on(load(pool, self.work, callers, duration))?;
        Ok((seen.calls_per_second, percentile(&seen.latencies, 0.99)))
    }
}

fn points(callers: usize) -> String {
    match callers {
        1 => "1 caller".to_owned(),
        more => format!("{more} callers"),
    }
}
