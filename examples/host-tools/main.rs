//! Python asks Rust while it works, Rust asks Python to answer, and errors keep their types both ways.

#![expect(clippy::print_stdout, reason = "it is a program that shows something")]

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use snakepit_core::{CallError, Pool, ToolError};
use snakepit_profiles::ProcessProfile;

#[derive(serde::Deserialize)]
struct Item {
    item: String,
}

#[derive(serde::Deserialize)]
struct Customer {
    customer: String,
}

#[derive(serde::Deserialize)]
struct Sum {
    total: u64,
    unknown: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("host-tools/shop.py");
    let profile = ProcessProfile::builder(adapter.display().to_string()).build();
    // A call made by a tool needs a lane while the one that asked keeps its own.
    let pool = Pool::builder("shop", Arc::new(profile))
        .size(2)
        .tool("price", |args: Item| async move { price(&args.item) })
        .start()
        .await?;

    let sum: Sum = pool.call("total", (["tea", "bread"],)).await?;
    println!("Tea and bread: {} cents.", sum.total);
    let sum: Sum = pool.call("total", (["tea", "caviar"],)).await?;
    println!("Tea: {} cents. No price: {:?}.", sum.total, sum.unknown);

    let cents = total_for(&pool, "Ada").await?;
    println!("The same for Ada, a friend: {cents} cents.");

    let error = total_for(&pool, "Bob").await.expect_err("he is a ghost");
    println!("For Bob: {error}");
    let raised = error.is("snakepit_bridge.ToolError");
    println!("That is a ToolError, raised in Python: {raised}.");
    Ok(())
}

/// A tool for one call, and one that calls Python itself.
async fn total_for(pool: &Pool, customer: &str) -> Result<u64, CallError> {
    let python = pool.clone();
    let discount_of = move |args: Customer| {
        let python = python.clone();
        async move {
            let kind = if args.customer == "Ada" {
                "friend"
            } else {
                "ghost"
            };
            // Its error is one in Python, too: with its code, and what it advises.
            python.call::<u32>("discount", (kind,)).await
        }
    };
    let request = pool.request("total_for", (customer, ["tea", "bread"]));
    request.tool("discount_of", discount_of).call().await
}

fn price(item: &str) -> Result<u64, ToolError> {
    match item {
        "tea" => Ok(350),
        "bread" => Ok(200),
        _ => Err(ToolError::new(format!("no price for {item}")).with_code("shop.no_price")),
    }
}
