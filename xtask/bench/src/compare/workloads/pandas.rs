//! The original's claim that threads need a ninth of the memory, measured: 4 x 16 threads against 100 processes, with pandas.

use std::fmt::Write as _;

use anyhow::Result;
use snakepit_profiles::SpawnMode;

use super::footprint::measure;
use super::{Context, Sections, reason};
use crate::compare::contestants::{Contestant, Kind};
use crate::compare::section::{Better, Picture, Row, Section, Who, short};
use crate::process::Memory;

const WORKERS: usize = 4;
const LANES: usize = 16;

/// A way to have many lanes with pandas.
struct Way {
    what: String,
    kind: Kind,
    workers: usize,
    spawn: SpawnMode,
}

fn ways(processes: usize) -> [Way; 3] {
    let way = |what, kind, workers, spawn| Way {
        what,
        kind,
        workers,
        spawn,
    };
    let forked = format!("{processes} processes, forked");
    let alone = format!("{processes} processes, each imports");
    [
        way(
            format!("{WORKERS} x {LANES} threads"),
            Kind::Thread,
            WORKERS,
            SpawnMode::Auto,
        ),
        way(forked, Kind::Process, processes, SpawnMode::Zygote),
        way(alone, Kind::Process, processes, SpawnMode::Exec),
    ]
}

/// What one way costs: time, memory, private memory; each at one or two points.
type Costs = [Vec<f64>; 3];

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature of all workloads; what fails here is left out"
)]
pub(crate) fn pandas(cx: &Context<'_>) -> Sections {
    let processes = if cx.setup.quick { 10 } else { 100 };
    let mut left_out = Vec::new();
    let mut all: [Vec<Row>; 3] = std::array::from_fn(|_| Vec::new());
    let mut claims: [Vec<String>; 3] = std::array::from_fn(|_| Vec::new());
    let threaded = |contestant: &&Contestant| contestant.kind == Kind::Thread;
    for contestant in cx.contestants.iter().filter(threaded) {
        let name = contestant.interpreter.name();
        if contestant.interpreter.pandas.is_none() {
            left_out.push(format!("Python {name}: no pandas there"));
            continue;
        }
        // Once each: memory does not vary, and a hundred interpreters that import pandas take their time.
        let mut costs = Vec::new();
        for way in ways(processes) {
            match way.measure(cx, contestant) {
                Ok((who, cost)) => {
                    for (rows, figures) in all.iter_mut().zip(&cost) {
                        let samples = figures.iter().map(|figure| vec![*figure]).collect();
                        let who = who.clone();
                        rows.push(Row { who, samples });
                    }
                    costs.push(cost);
                }
                Err(error) => left_out.push(reason(&error)),
            }
        }
        let whats = ["time", "memory", "private memory"];
        for (figure, (claims, what)) in claims.iter_mut().zip(whats).enumerate() {
            claims.extend(claim(&name, processes, what, figure, &costs));
        }
    }
    let claims = claims.map(|claims| {
        if claims.is_empty() {
            "Nothing was measured".to_owned()
        } else {
            claims.join(". ")
        }
    });
    Ok(sections(processes, all, claims, &left_out))
}

/// How many times the cost of the threads the processes have.
fn claim(
    name: &str,
    processes: usize,
    what: &str,
    figure: usize,
    costs: &[Costs],
) -> Option<String> {
    let [threads, forked, alone] = costs else {
        return None;
    };
    let times = |of: &Costs| short(of[figure][0] / threads[figure][0]);
    let mut claim = format!(
        "On {name} {processes} forked processes take {}x the {what} of {WORKERS} x {LANES} threads, and {processes} that \
         import by themselves {}x",
        times(forked),
        times(alone)
    );
    if figure > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let each = |of: &Costs, lanes: usize| short(of[figure][0] / lanes as f64);
        let _ = write!(
            claim,
            " (a lane: threads {}, forked {}, by themselves {} MiB)",
            each(threads, WORKERS * LANES),
            each(forked, processes),
            each(alone, processes)
        );
    }
    Some(claim)
}

fn sections(
    processes: usize,
    rows: [Vec<Row>; 3],
    claims: [String; 3],
    left_out: &[String],
) -> Vec<Section> {
    let fewer = if processes < 100 {
        " A quick run has fewer processes than the 100 of the claim, so nothing follows from its ratios."
    } else {
        ""
    };
    let about = format!(
        "{WORKERS} workers of {LANES} threads with pandas against {processes} processes, forked by a zygote or each starting an \
         interpreter. Snakepit 0.6 (Elixir) claimed that its threads need 9.4 times less memory than 100 processes.{fewer}"
    );
    let idle_and_worked = &["idle", "after work"][..];
    let kinds = [
        ("pandas-start", "start-up", "s", &["from nothing"][..]),
        ("pandas-memory", "memory", "MiB", idle_and_worked),
        ("pandas-private", "private memory", "MiB", idle_and_worked),
    ];
    let parts = kinds.into_iter().zip(rows).zip(claims);
    parts
        .map(|(((id, what, unit, points), rows), verdict)| Section {
            id,
            title: format!("pandas in many lanes: {what}"),
            about: about.clone(),
            unit,
            better: Better::Less,
            picture: Picture::Bars,
            points: points.iter().map(|point| (*point).to_owned()).collect(),
            judged: 0,
            rows,
            verdict,
            left_out: left_out.to_vec(),
        })
        .collect()
}

impl Way {
    fn measure(&self, cx: &Context<'_>, threads: &Contestant) -> Result<(Who, Costs)> {
        let contestant = Contestant {
            kind: self.kind,
            ..threads.clone()
        };
        let profile = contestant.profile("with_pandas.py", LANES, self.spawn);
        let cost = measure(&contestant, profile, self.workers);
        let cost = cx.setup.runtime.block_on(cost)?;
        let who = Who {
            name: format!("{} on {}", self.what, contestant.interpreter.name()),
            kind: self.kind,
            interpreter: contestant.index,
        };
        let both = |of: fn(&Memory) -> f64| vec![of(&cost.idle), of(&cost.worked)];
        let memory = both(|memory| memory.proportional);
        let private = both(|memory| memory.private);
        Ok((who, [vec![cost.seconds], memory, private]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_ratio_to_the_threads() {
        let cost = |figure: f64| [vec![1.0], vec![figure, 1.0], vec![1.0, 1.0]];
        let costs = [cost(64.0), cost(96.0), cost(576.0)];
        assert_eq!(
            claim("3.14t", 100, "memory", 1, &costs).as_deref(),
            Some(
                "On 3.14t 100 forked processes take 1.50x the memory of 4 x 16 threads, and 100 that import by themselves \
                 9.00x (a lane: threads 1.00, forked 0.960, by themselves 5.76 MiB)"
            )
        );
        assert_eq!(claim("3.14t", 100, "memory", 1, &costs[..2]), None);
    }
}
