//! What the comparison must show: the bars of the thread and interpreter profiles, each measured side by side with its peer.

use super::contestants::{Contestant, Kind};
use super::duel::{Measure, Side, duel};
use super::section::Section;
use super::workloads::Context;
use crate::report::{self, Bar, Report};

/// Everybody's sleep of 0.1 s and half as much again.
const BURST: Bar = Bar::AtMost(0.15);
const SCALING: Bar = Bar::AtLeast(0.95);
const INTERPRETER_SCALING: Bar = Bar::AtLeast(0.9);
const ONE_LANE: Bar = Bar::AtMost(1.15);
const NEIGHBOUR: Bar = Bar::AtMost(3.0);
const LATENCY: Bar = Bar::AtMost(1.3);

/// Measures what needs turns of its own, takes the rest from the sections, and adds all of it to the report.
pub(super) fn check(cx: &Context<'_>, sections: &[Section], report: &mut Report) {
    report::section("bars: ratios are medians of turns, side by side");
    from_sections(sections, report);
    let threaded = |contestant: &&Contestant| contestant.kind == Kind::Thread;
    for thread in cx.contestants.iter().filter(threaded) {
        let process = with(thread, Kind::Process);
        let name = thread.interpreter.name();
        // Where the GIL is on, threads cannot share the cores; shown beside, not asked for.
        let bar = if thread.interpreter.free_threaded {
            SCALING
        } else {
            Bar::None
        };
        let what = format!(
            "pure Python on {name}: {0} thread lanes / {0} processes",
            cx.cores
        );
        against(
            cx,
            report,
            what,
            Measure::Rate,
            [thread, &process],
            cx.cores,
            bar,
        );
        let what = format!("call that does nothing on {name}, p50: thread / process");
        against(
            cx,
            report,
            what,
            Measure::Latency,
            [thread, &process],
            1,
            LATENCY,
        );
    }
    for interpreter in cx
        .contestants
        .iter()
        .filter(|contestant| contestant.kind == Kind::Interpreter)
    {
        let process = with(interpreter, Kind::Process);
        let what = format!(
            "pure Python on {}: {1} interpreter lanes / {1} processes",
            interpreter.interpreter.name(),
            cx.cores
        );
        let sides = [interpreter, &process];
        against(
            cx,
            report,
            what,
            Measure::Rate,
            sides,
            cx.cores,
            INTERPRETER_SCALING,
        );
    }
    one_lane(cx, report);
}

/// The price of free threading for who has one lane only: how many times the time of the same version's ordinary build.
fn one_lane(cx: &Context<'_>, report: &mut Report) {
    let thread = |free_threaded: bool, version: Option<(u64, u64)>| {
        cx.contestants.iter().find(|contestant| {
            contestant.kind == Kind::Thread
                && contestant.interpreter.free_threaded == free_threaded
                && version.is_none_or(|version| contestant.interpreter.version == version)
        })
    };
    let Some(free) = thread(true, None) else {
        return;
    };
    let Some(ordinary) = thread(false, Some(free.interpreter.version)) else {
        return;
    };
    let what = format!(
        "pure Python, one thread lane: time on {} / on {}",
        free.interpreter.name(),
        ordinary.interpreter.name()
    );
    // Rates: the slower one's time is longer by as much as its rate is lower.
    against(
        cx,
        report,
        what,
        Measure::Rate,
        [ordinary, free],
        1,
        ONE_LANE,
    );
}

fn with(contestant: &Contestant, kind: Kind) -> Contestant {
    Contestant {
        kind,
        ..contestant.clone()
    }
}

fn against(
    cx: &Context<'_>,
    report: &mut Report,
    what: String,
    measure: Measure,
    sides: [&Contestant; 2],
    lanes: usize,
    bar: Bar,
) {
    let [one, other] = sides.map(|who| Side { who, lanes });
    // A bar that could not be measured is a bar missed; the others still count.
    let [one, other] = duel(cx.setup, measure, [&one, &other]).unwrap_or_else(|error| {
        println!("  {what}: {error:#}");
        [Vec::new(), Vec::new()]
    });
    report.ratio(what, &one, &other, bar);
}

fn from_sections(sections: &[Section], report: &mut Report) {
    let rows = |id: &str| {
        let found = sections.iter().find(|section| section.id == id);
        found.map_or(&[][..], |section| &section.rows[..])
    };
    for row in rows("burst") {
        if row.who.kind == Kind::Thread {
            let what = format!("64 sleeps of 0.1 s at once: {}", row.who.name);
            report.figure(what, "s", &row.samples[0], BURST);
        }
    }
    for row in rows("neighbour") {
        // On an ordinary build the busy lane holds the GIL for a switch interval at a time: shown, not asked for.
        let bar = match row.who.kind {
            Kind::Thread if row.who.name.ends_with('t') => NEIGHBOUR,
            _ => Bar::None,
        };
        let what = format!("p99 beside a busy lane / alone: {}", row.who.name);
        report.ratio(what, &row.samples[1], &row.samples[0], bar);
    }
    for (what, other) in [
        ("forked", "forked"),
        ("that import by themselves", "imports"),
    ] {
        memory(rows("pandas-memory"), what, other, report);
    }
}

/// The claim of the original, per interpreter: no bar, a measured figure.
fn memory(rows: &[super::section::Row], what: &str, other: &str, report: &mut Report) {
    for threads in rows.iter().filter(|row| row.who.kind == Kind::Thread) {
        let same = |row: &&super::section::Row| {
            row.who.interpreter == threads.who.interpreter && row.who.name.contains(other)
        };
        if let Some(processes) = rows.iter().find(same) {
            let (count, _) = processes.who.name.split_once(' ').unwrap_or_default();
            let (lanes, python) = threads.who.name.split_once(" on ").unwrap_or_default();
            let what = format!("pandas memory on {python}: {count} processes {what} / {lanes}");
            report.ratio(what, &processes.samples[0], &threads.samples[0], Bar::None);
        }
    }
}
