//! The comparison of worker profiles: the same Python code on each profile and interpreter, a verdict for each workload, and a
//! report that can be read.

mod bars;
mod chart;
mod contestants;
mod duel;
mod html;
mod interpreters;
mod load;
mod section;
mod verdict;
mod workloads;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use self::interpreters::Interpreter;
use self::section::Section;
use self::workloads::Context;
use crate::host;
use crate::report::Report;
use crate::setup::Setup;

/// Compares everything on these interpreters.
pub(crate) fn run(setup: &Setup, pythons: &[PathBuf], report: &mut Report) -> Result<()> {
    let interpreters = probe(pythons)?;
    let missing = interpreters::missing(&interpreters);
    let described = interpreters.iter().map(Interpreter::describe).collect();
    report.add("interpreters", described);
    report.add("missing", json!(missing));
    let interpreters: Vec<_> = interpreters.into_iter().map(Arc::new).collect();
    for interpreter in &interpreters {
        println!(
            "Python {}: {}",
            interpreter.name(),
            interpreter.path.display()
        );
    }
    for what in &missing {
        println!("Left out: {what}.");
    }
    let contestants = contestants::contestants(&interpreters);
    let cx = Context {
        setup,
        contestants: &contestants,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };

    let before = host::ticks();
    let mut failed = false;
    // The busiest moment between workloads.
    let mut busy = report.about()["busy"].as_f64().unwrap_or_default();
    let mut sections: Vec<Section> = Vec::new();
    let workloads = [
        workloads::footprint,
        workloads::latency,
        workloads::sweeps,
        workloads::neighbour,
        workloads::burst,
        workloads::pandas,
    ];
    for workload in workloads {
        busy = busy.max(host::busy());
        match workload(&cx) {
            Ok(new) => {
                for section in &new {
                    print!("{}", section.table());
                }
                sections.extend(new);
            }
            // What was measured before, and will be after, is not lost.
            Err(error) => {
                println!("\nA workload was given up: {error:#}");
                failed = true;
            }
        }
    }
    busy = busy.max(host::busy());
    bars::check(&cx, &sections, report);
    report.add("busy", json!(busy));
    if busy > 0.1 {
        println!(
            "  The machine was up to {:.0} % busy with other things in between.",
            busy * 100.0
        );
    }
    report.add("stolen", json!(host::stolen(before, host::ticks())));
    write(&sections, report)?;
    ensure!(!failed, "not every workload could be measured: see above");
    Ok(())
}

/// Each interpreter once, in the order given; two paths to the same one are one.
fn probe(pythons: &[PathBuf]) -> Result<Vec<Interpreter>> {
    let mut interpreters: Vec<Interpreter> = Vec::new();
    for path in pythons {
        let found = Interpreter::probe(path.clone())?;
        if interpreters
            .iter()
            .all(|other| other.name() != found.name())
        {
            interpreters.push(found);
        }
    }
    Ok(interpreters)
}

/// The report, and the data beside it.
fn write(sections: &[Section], report: &mut Report) -> Result<()> {
    report.add("sections", sections.iter().map(Section::json).collect());
    let mut csv = "workload,contestant,point,unit,round,sample\n".to_owned();
    for section in sections {
        section.csv(&mut csv);
    }
    let folder = report.folder();
    fs::write(folder.join("samples.csv"), csv)?;
    let page = folder.join("report.html");
    fs::write(&page, html::page(sections, report))
        .with_context(|| format!("cannot write {}", page.display()))?;
    println!("\nReport: {}", page.display());
    Ok(())
}
