//! What decoding a large value costs at both ends, beside the JSON parsers of both languages alone.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::json;
use snakepit_profiles::codec::decode;

use crate::report::{self, Bar, Report};
use crate::setup::{Setup, builder};

/// Rows of the value: 1 MB of text.
const ROWS: usize = 6_900;

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let text = sample();
    let rounds = if setup.quick { 3 } else { 20 };
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    let (mut in_rust, mut in_python) = (Vec::new(), Vec::new());
    for _ in 0..setup.repetitions {
        let rust = rust(&text, rounds)?;
        let python = setup.runtime.block_on(python(setup, &text, rounds))?;
        in_rust.push(rust.0 / rust.1);
        in_python.push(python.0 / python.1);
        ours.push((rust.0 + python.0) * 1e3);
        alone.push((rust.1 + python.1) * 1e3);
    }
    let size = text.len() / 1000;
    report::section(&format!(
        "values: decoding {size} kB of nested JSON at both ends"
    ));
    report.figure("ours, Rust and Python together", "ms", &ours, Bar::None);
    report.figure(
        "serde_json and json.loads together",
        "ms",
        &alone,
        Bar::None,
    );
    report.figure("of it in Rust: ours / serde_json", "x", &in_rust, Bar::None);
    report.figure(
        "of it in Python: ours / json.loads",
        "x",
        &in_python,
        Bar::None,
    );
    report.ratio("ours / the parsers alone", &ours, &alone, Bar::AtMost(1.3));
    Ok(())
}

/// Rows of what people send: names, numbers, lists, maps in maps.
fn sample() -> String {
    let row = |number: usize| {
        json!({
            "id": number,
            "name": format!("row {number} é"),
            "price": f64::from(u32::try_from(number).unwrap_or(0)) / 7.0,
            "tags": ["a", "b", null, true],
            "place": {"city": "Zürich", "at": [47.37, 8.54], "floors": {"first": 1, "last": -3}},
        })
    };
    let rows: serde_json::Value = (0..ROWS).map(row).collect();
    rows.to_string()
}

/// The best time of each, in seconds; they take turns.
fn rust(text: &str, rounds: usize) -> Result<(f64, f64)> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let (mut ours, mut alone) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..rounds {
        let start = Instant::now();
        let value = decode(black_box(&body), false)?;
        ours = ours.min(start.elapsed().as_secs_f64());
        drop(value);
        let start = Instant::now();
        let value: serde_json::Value = serde_json::from_slice(black_box(&body))?;
        alone = alone.min(start.elapsed().as_secs_f64());
        drop(value);
    }
    Ok((ours, alone))
}

async fn python(setup: &Setup, text: &str, rounds: usize) -> Result<(f64, f64)> {
    let pool = builder(setup.profile("values.py"), 1)
        .start()
        .await
        .context("the pool does not start")?;
    let costs = pool.call("decode_costs", (text, rounds)).await?;
    pool.shutdown().await;
    Ok(costs)
}
