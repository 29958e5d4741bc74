//! One thread for all, and none for nobody; alone in its process, to count the threads of it.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use snakepit_core::Meter as _;
use snakepit_lifecycle::Sampler;

/// The kernel keeps 15 letters of a thread's name.
fn samplers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("there is /proc");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks
        .filter_map(|task| name(task.ok()?).ok())
        .filter(|name| name.starts_with("snakepit-sample"))
        .count()
}

#[test]
fn one_thread_serves_all_and_ends_with_the_last_watch() {
    let sampler = Sampler::new();
    for _ in 0..3 {
        assert_eq!(samplers(), 0);
        let (sender, readings) = channel();
        let watches: Vec<_> = (0..100)
            .map(|number| {
                let sender = sender.clone();
                let report = move |_| {
                    // The test may have seen enough.
                    let _ = sender.send(number);
                };
                let every = Duration::from_millis(1 + number % 7);
                sampler.watch(std::process::id(), every, Box::new(report))
            })
            .collect();
        let mut heard = std::collections::HashSet::new();
        while heard.len() < 100 {
            let number = readings.recv_timeout(Duration::from_secs(60));
            heard.insert(number.expect("each is looked at"));
        }
        assert_eq!(samplers(), 1);
        drop(watches);
        let give_up = Instant::now() + Duration::from_secs(60);
        while samplers() > 0 {
            assert!(Instant::now() < give_up, "the thread stays");
            std::thread::yield_now();
        }
    }
}
