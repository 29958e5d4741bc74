//! A report from a CSV file: pandas reads and sums up, Rust keeps the table in between, and prints.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use snakepit_core::value::Table;
use snakepit_core::{Pool, Value};
use snakepit_profiles::ProcessProfile;

#[derive(serde::Deserialize)]
struct Report {
    region: Vec<String>,
    units: Vec<u64>,
    revenue: Vec<f64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pandas-report");
    let adapter = folder.join("sales.py").display().to_string();
    // Imported once, before workers are forked: they share the memory, and are ready at once.
    let profile = ProcessProfile::builder(adapter).preload(["pandas"]).build();
    let pool = Pool::builder("sales", Arc::new(profile))
        .size(2)
        .start()
        .await?;

    let text = std::fs::read(folder.join("sales.csv"))?;
    let table: Value = pool.call("read", (Value::Bytes(text.into()),)).await?;
    // Arrow, for the `arrow` crate to read, or a file, or another worker, as here.
    let Value::Table(sales) = &table else {
        bail!("it is {}", table.kind());
    };
    let is_arrow = matches!(**sales, Table::Arrow(_));
    println!("The sales are one stream of Arrow: {is_arrow}.");

    let report: Report = pool.call("by_region", (table,)).await?;
    println!("{:<8}{:>6}{:>10}", "region", "units", "revenue");
    let rows = report.region.iter().zip(&report.units).zip(&report.revenue);
    for ((region, units), revenue) in rows {
        println!("{region:<8}{units:>6}{revenue:>10.2}");
    }
    Ok(())
}
