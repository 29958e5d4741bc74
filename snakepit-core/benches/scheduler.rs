//! What one call costs in the scheduler, and that the cost does not grow with the pool.
#![allow(missing_docs, reason = "criterion's macros generate public items")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use snakepit_core::testing::SchedulerDriver;

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler/call");
    for (workers, lanes, queued) in [
        (2, 1, 62),
        (10, 1, 1_000),
        (10, 100, 100_000),
        (1_000, 1, 100_000),
    ] {
        let mut driver = SchedulerDriver::new(workers, lanes, queued);
        let name = format!("{workers}x{lanes} lanes, {queued} queued");
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| driver.cycle());
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
