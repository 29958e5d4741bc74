//! Every transition of a worker and a call is one event: no more, no less, in order.

use std::time::Duration;

use snakepit_core::PoolSettings;
use snakepit_core::testing::{FakeLaunch, FakeProfile};

use crate::support::{FOR_EVER, History, LONG, SHORT, after, begin, builder, until};

#[tokio::test]
async fn a_life_with_every_transition() {
    let (profile, history) = (FakeProfile::new().lanes(2), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    pool.call::<u8>("echo", 1).await.expect("a call");
    // A stuck lane, beside one that works: quarantined, then killed.
    let kind = begin(&pool, "sleep").await;
    let stuck = pool.request("hang", ()).timeout(SHORT).call::<()>().await;
    stuck.expect_err("it hangs");
    until(|| history.of("ready 2").len() == 1).await;
    kind.abort();
    until(|| history.of("exited 1").len() == 1).await;
    // Recycled, busy: it drains.
    let busy = tokio::spawn(pool.request("sleep", 0.1).call::<()>());
    until(|| history.of("started call 4").len() == 1).await;
    pool.recycle(pool.snapshot().workers[0].worker)
        .expect("it serves");
    until(|| history.of("draining 2").len() == 1).await;
    busy.await.expect("a task").expect("a call");
    until(|| history.of("exited 2").len() == 1).await;
    pool.drain(LONG).await;
    until(|| history.of("exited 3").len() == 1).await;
    let expected = [
        "launching 1",
        "ready 1",
        "health ready",
        "started call 1 on 1",
        "finished call 1: Answered",
        "started call 2 on 1",
        "started call 3 on 1",
        "finished call 3: Abandoned",
        "quarantined 1: call 3",
        "launching 2",
        "health down",
        "ready 2",
        "health ready",
        "finished call 2: Abandoned",
        "stopping 1: a cancelled call would not let go of its lane",
        "exited 1",
        "started call 4 on 2",
        "due 2: its replacement was asked for",
        "launching 3",
        "ready 3",
        "draining 2: its replacement was asked for",
        "finished call 4: Answered",
        "stopping 2: its replacement was asked for",
        "exited 2",
        "health down",
        "draining 3: the pool was shut down",
        "stopping 3: the pool was shut down",
        "exited 3",
    ];
    assert_eq!(history.words(), expected);
}

#[tokio::test]
async fn a_death_and_the_launches_that_fail_after_it() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    profile.plan([FakeLaunch::Fail]);
    pool.call::<()>("die", ()).await.expect_err("it dies");
    until(|| history.of("ready 3").len() == 1).await;
    pool.call::<u8>("echo", 1).await.expect("a call");
    let workers: Vec<_> = history
        .words()
        .into_iter()
        .filter(|words| !words.contains("call") && !words.starts_with("exited"))
        .collect();
    let expected = [
        "launching 1",
        "ready 1",
        "health ready",
        "launching 2",
        "health down",
        "failed 2",
        "launching 3",
        "ready 3",
        "health ready",
    ];
    assert_eq!(workers, expected);
    assert_eq!(
        history.of("finished call 1"),
        ["finished call 1: WorkerLost"]
    );
    until(|| history.of("exited 1").len() == 1).await;
}

#[tokio::test]
async fn a_launch_that_is_broken_off_was_stopped() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let profile = profile.script([FakeLaunch::Ready, FakeLaunch::Hang]);
    let pool = builder(&profile)
        .size(2)
        .event_sink(history.sink())
        .launch();
    until(|| history.of("ready 1").len() == 1).await;
    pool.resize(1).expect("it may shrink");
    until(|| profile.alive() == 1).await;
    assert_eq!(
        history.of("stopping"),
        ["stopping 2: the pool was made smaller"]
    );
    assert!(history.of("exited").is_empty() && history.of("failed").is_empty());
}

#[tokio::test]
async fn a_slow_call_is_told_once_with_its_stack_and_goes_on() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let settings = PoolSettings {
        size: 1,
        slow_call_after: Some(Duration::from_millis(20)),
        ..PoolSettings::default()
    };
    let pool = builder(&profile)
        .settings(settings)
        .event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    pool.call::<u8>("echo", 1).await.expect("a quick call");
    pool.call::<()>("sleep", 0.2).await.expect("it goes on");
    assert_eq!(history.of("slow"), [r#"slow call 2: sleep ["in sleep"]"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_recycling_every_worker_and_every_call_has_a_whole_life() {
    let (profile, history) = (FakeProfile::new().lanes(2), History::default());
    let pool = builder(&profile)
        .size(2)
        .policy(after(5))
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    let caller = |caller: u64| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                if (caller + number).is_multiple_of(7) {
                    let call = pool
                        .request("sleep", FOR_EVER)
                        .timeout(Duration::from_millis(2));
                    call.call::<()>().await.expect_err("it sleeps for ever");
                } else {
                    pool.call::<u64>("echo", number).await.expect("a call");
                }
            }
        })
    };
    for task in (0..6).map(caller).collect::<Vec<_>>() {
        task.await.expect("a caller");
    }
    pool.drain(LONG).await;
    let launched = history.of("launching").len();
    until(|| history.of("exited").len() + history.of("stopping").len() >= launched).await;
    let count = |start: &str| history.of(start).len();
    assert!(count("ready") > 10, "{} workers", count("ready"));
    until(|| count("exited") == count("ready")).await;
    assert_eq!(count("stopping"), launched, "each was stopped, once");
    // The time of a short call may be over while it waits for a lane.
    assert_eq!(count("started") + count("rejected"), 300);
    assert_eq!(count("finished"), count("started"));
    assert_eq!(profile.alive(), 0);
}
