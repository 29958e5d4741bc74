//! Host tools and input streams: what a question costs, beside a call that does nothing.

use std::time::Instant;

use anyhow::Result;
use snakepit_core::{CallError, Pool};

use super::{each, noop};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;

/// Questions in one call, so that the call itself hardly counts.
const MANY: u32 = 50;

pub(crate) fn run(setup: &Setup, pool: &Pool, report: &mut Report) -> Result<()> {
    pool.tool("nothing", |()| async { Ok::<_, CallError>(()) });
    let times = if setup.quick { 300 } else { 5_000 };
    let (mut nothing, mut asking) = (Vec::new(), Vec::new());
    let (mut first, mut question) = (Vec::new(), Vec::new());
    let mut items = Vec::new();
    for _ in 0..setup.repetitions {
        setup.runtime.block_on(async {
            nothing.push(noop(pool, times).await?);
            let (silent, one) = (ask(pool, 0, times).await?, ask(pool, 1, times).await?);
            asking.push(one);
            first.push(one - silent);
            question.push(ask(pool, MANY, times / 20).await? / f64::from(MANY));
            items.push(input(pool, setup.quick).await?);
            anyhow::Ok(())
        })?;
    }
    report::section("host tools: Python asks, 1 worker, 1 caller");
    report.figure("a call that does nothing, p50", "us", &nothing, Bar::None);
    report.figure("a call that asks one tool, p50", "us", &asking, Bar::None);
    report.figure("of it the question", "us", &first, Bar::None);
    report.figure("one question of many, p50", "us", &question, Bar::None);
    report.ratio(
        "a call that asks one tool / a call that does nothing",
        &asking,
        &nothing,
        Bar::AtMost(2.2),
    );
    // The round trip of a question alone, there and back, without the call around it.
    report.ratio(
        "of it the question / a call that does nothing",
        &first,
        &nothing,
        Bar::AtMost(2.2),
    );
    report.ratio(
        "one question of many / a call that does nothing",
        &question,
        &nothing,
        Bar::AtMost(2.2),
    );
    report.figure("items of an input stream", "items/s", &items, Bar::None);
    Ok(())
}

async fn ask(pool: &Pool, questions: u32, times: usize) -> Result<f64> {
    let pool = pool.clone();
    each(times, move || {
        let pool = pool.clone();
        async move { pool.call::<()>("ask", (questions,)).await }
    })
    .await
}

async fn input(pool: &Pool, quick: bool) -> Result<f64> {
    let count: u32 = if quick { 2_000 } else { 50_000 };
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let start = Instant::now();
        let numbers = futures_util::stream::iter(0..count);
        let taken: u32 = pool
            .request("total", ())
            .input("numbers", numbers)
            .call()
            .await?;
        Ok::<_, CallError>(f64::from(taken) / start.elapsed().as_secs_f64())
    });
    Ok(task.await??)
}
