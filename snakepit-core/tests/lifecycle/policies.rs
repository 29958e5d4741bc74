//! Policies are asked when there is reason to, with what they need to know, and their verdicts are carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use snakepit_core::error::LaunchErrorKind;
use snakepit_core::testing::{FakeMeter, FakeProfile};
use snakepit_core::{HealthStatus, Notice, PoolSettings, Recheck, Verdict};

use crate::support::{History, LONG, Rule, SHORT, after, begin, builder, failed, until};

#[tokio::test]
async fn a_limit_below_the_boot_footprint_is_refused_at_start_with_both_numbers() {
    let profile = FakeProfile::new();
    let rule = Rule::new(|_, _| Verdict::Keep).measured().most_at_boot(50);
    let pool = builder(&profile)
        .policy(rule)
        .meter(Arc::new(FakeMeter::new(80)));
    let error = pool.start().await.expect_err("it cannot start");
    assert!(error.is_permanent());
    assert!(matches!(&error.kind, LaunchErrorKind::Refused { policy, .. } if policy == "rule"));
    let text = error.to_string();
    assert!(
        text.contains("80 bytes") && text.contains("limit is 50"),
        "{text}"
    );
    assert_eq!((profile.launches(), profile.alive()), (1, 0));
}

#[tokio::test]
async fn a_reading_that_is_too_high_replaces_the_worker_before_it_goes() {
    let (profile, meter, history) = (FakeProfile::new(), FakeMeter::new(10), History::default());
    let rule = Rule::new(|worker, _| match worker.readings.last() {
        Some(usage) if usage.private > 50 => Verdict::Retire(format!("uses {}", usage.private)),
        _ => Verdict::Keep,
    });
    let pool = builder(&profile)
        .policy(rule.measured())
        .meter(Arc::new(meter.clone()))
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    until(|| meter.watched() == 1).await;
    meter.set(1, 40, Duration::ZERO);
    until(|| {
        pool.snapshot().workers[0]
            .usage
            .is_some_and(|usage| usage.private == 40)
    })
    .await;
    meter.set(1, 60, Duration::ZERO);
    until(|| history.of("exited 1").len() == 1).await;
    assert_eq!(history.of("due"), ["due 1: uses 60"]);
    let worker = &pool.snapshot().workers[0];
    assert_eq!((worker.process, worker.state), (Some(2), "ready"));
    until(|| meter.watched() == 1).await;
    drop(pool);
    until(|| meter.watched() == 0).await;
}

#[tokio::test]
async fn the_first_reading_after_the_first_call_is_remembered() {
    let (profile, meter) = (FakeProfile::new(), FakeMeter::new(10));
    let seen = Arc::new(AtomicU64::new(0));
    let rule = {
        let seen = Arc::clone(&seen);
        Rule::new(move |worker, _| {
            let first = worker.first_call.map_or(1, |usage| usage.private);
            seen.store(
                first * 1000 + worker.readings.len() as u64,
                Ordering::SeqCst,
            );
            Verdict::Keep
        })
    };
    let pool = builder(&profile)
        .policy(rule.measured())
        .meter(Arc::new(meter.clone()))
        .start()
        .await
        .expect("it starts");
    until(|| meter.watched() == 1).await;
    meter.set(1, 20, Duration::ZERO);
    until(|| seen.load(Ordering::SeqCst) == 1001).await;
    pool.call::<u8>("echo", 1).await.expect("a call");
    for (bytes, expected) in [(30, 30_002), (40, 30_003)] {
        meter.set(1, bytes, Duration::ZERO);
        until(|| seen.load(Ordering::SeqCst) == expected).await;
    }
}

#[tokio::test]
async fn a_worker_is_trimmed_once_and_asked_about_again() {
    let (profile, meter) = (FakeProfile::new(), FakeMeter::new(10));
    let rule = Rule::new(|worker, _| match worker.readings.last() {
        Some(usage) if worker.trimmed_at.is_some_and(|at| usage.at > at) => {
            Verdict::Retire("still too much after trimming".into())
        }
        Some(_) if worker.trimmed_at.is_none() => Verdict::Trim,
        _ => Verdict::Keep,
    });
    let pool = builder(&profile)
        .policy(rule.measured())
        .meter(Arc::new(meter.clone()))
        .start()
        .await
        .expect("it starts");
    until(|| meter.watched() == 1).await;
    let first = profile.workers()[0].clone();
    meter.set(1, 60, Duration::ZERO);
    until(|| first.trims() == 1).await;
    assert_eq!(profile.launches(), 1);
    meter.set(1, 60, Duration::ZERO);
    until(|| profile.launches() == 2).await;
    assert_eq!(first.trims(), 1);
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
}

#[tokio::test]
async fn a_killed_worker_takes_its_calls_along_with_the_words_of_the_policy() {
    let (profile, meter, history) = (FakeProfile::new(), FakeMeter::new(10), History::default());
    let rule = Rule::new(|worker, _| match worker.readings.last() {
        Some(_) => Verdict::Kill("more memory than allowed".into()),
        None => Verdict::Keep,
    });
    let pool = builder(&profile)
        .policy(rule.measured())
        .meter(Arc::new(meter.clone()))
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    let call = begin(&pool, "sleep").await;
    until(|| meter.watched() == 1).await;
    meter.set(1, 60, Duration::ZERO);
    let error = failed(call.await.expect("a task"), "call.worker_lost");
    assert!(
        error.to_string().contains("more memory than allowed"),
        "{error}"
    );
    assert_eq!(
        history.of("stopping 1"),
        ["stopping 1: more memory than allowed"]
    );
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("the next call"), 1);
}

#[tokio::test]
async fn a_worker_that_gives_no_sign_is_silent_and_its_policy_hears_of_it() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let patience = Duration::from_millis(150);
    let rule = Rule::new(move |worker, now| {
        if now.duration_since(worker.heard_at) > patience {
            Verdict::Kill("it gave no sign".into())
        } else {
            Verdict::Keep
        }
    });
    let pool = builder(&profile)
        .policy(rule.heartbeat(Duration::from_millis(20)))
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    profile.workers()[0].set_mute(true);
    until(|| pool.health().status == HealthStatus::Down).await;
    let health = pool.health();
    assert!(
        health.reasons[0].starts_with("worker 1 has given no sign"),
        "{health:?}"
    );
    assert_eq!((health.workers, health.lanes), (1, 0));
    until(|| history.of("stopping 1: it gave no sign").len() == 1).await;
    until(|| pool.health().status == HealthStatus::Ready).await;
}

#[tokio::test]
async fn a_worker_that_is_heard_again_is_left_alone() {
    let profile = FakeProfile::new();
    let rule = Rule::new(|_, _| Verdict::Keep).heartbeat(Duration::from_millis(10));
    let pool = builder(&profile)
        .policy(rule)
        .start()
        .await
        .expect("it starts");
    profile.workers()[0].set_mute(true);
    until(|| pool.health().status == HealthStatus::Down).await;
    profile.workers()[0].set_mute(false);
    until(|| pool.health().status == HealthStatus::Ready).await;
    assert_eq!(profile.launches(), 1);
}

#[tokio::test]
async fn a_policy_is_asked_again_at_the_time_it_names() {
    let profile = FakeProfile::new();
    let rule = Rule::new(|worker, now| {
        if worker.worker.get() == 1 && now >= worker.ready_at + SHORT {
            Verdict::Retire("its time is over".into())
        } else {
            Verdict::Keep
        }
    });
    let rule = rule.recheck(|worker| Recheck {
        at: Some(worker.ready_at + SHORT),
        served: None,
    });
    let _pool = builder(&profile)
        .policy(rule)
        .start()
        .await
        .expect("it starts");
    until(|| profile.launches() == 2 && profile.alive() == 1).await;
}

#[tokio::test]
async fn a_policy_is_not_asked_for_every_call() {
    let (profile, asked) = (FakeProfile::new(), Arc::new(AtomicU64::new(0)));
    let rule = {
        let asked = Arc::clone(&asked);
        Rule::new(move |worker, _| {
            asked.fetch_add(1, Ordering::SeqCst);
            if worker.served >= 50 {
                Verdict::Retire("it served enough".into())
            } else {
                Verdict::Keep
            }
        })
    };
    let rule = rule.recheck(|_| Recheck {
        at: None,
        served: Some(50),
    });
    let pool = builder(&profile)
        .policy(rule)
        .start()
        .await
        .expect("it starts");
    for number in 0..49 {
        pool.call::<u8>("echo", number).await.expect("a call");
    }
    let before = asked.load(Ordering::SeqCst);
    assert_eq!(
        (before, profile.launches()),
        (1, 1),
        "asked when it became ready"
    );
    pool.call::<u8>("echo", 1).await.expect("a call");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    until(|| profile.launches() == 2).await;
}

#[tokio::test]
async fn a_spare_worker_is_released_and_not_replaced() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let rule = Rule::new(|worker, _| {
        if worker.spare && worker.busy == 0 {
            Verdict::Release("idle".into())
        } else {
            Verdict::Keep
        }
    });
    let rule = rule.recheck(|worker| Recheck {
        at: Some(worker.ready_at),
        served: None,
    });
    let settings = PoolSettings {
        size: 1,
        max_size: Some(3),
        scale_up_after: Duration::from_millis(1),
        scale_cooldown: Duration::from_millis(1),
        ..PoolSettings::default()
    };
    let pool = builder(&profile)
        .settings(settings)
        .policy(rule)
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(pool.request("sleep", 0.2).timeout(LONG).call::<()>()))
        .collect();
    for call in calls {
        call.await.expect("a task").expect("a call");
    }
    assert!(profile.launches() > 1, "it did not grow");
    until(|| profile.alive() == 1).await;
    let stopped = history.of("stopping");
    assert!(
        !stopped.is_empty()
            && stopped
                .iter()
                .all(|words| words.ends_with("could do without it")),
        "{stopped:?}"
    );
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.target, snapshot.min, snapshot.max), (1, 1, 3));
}

#[tokio::test]
async fn a_policy_that_only_replaces_is_stopped_once_and_the_pool_goes_on() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let rule = Rule::new(|_, _| Verdict::Retire("12 is more than 10".into())).guarded();
    let pool = builder(&profile)
        .policy(rule)
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    until(|| !history.of("no more").is_empty()).await;
    until(|| profile.alive() == 1).await;
    assert_eq!(history.of("no more"), ["no more rule: 12 is more than 10"]);
    assert_eq!(history.of("due").len(), 4);
    let health = pool.health();
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(
        health.reasons,
        ["recycling by `rule` was stopped: 12 is more than 10"]
    );
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    let launches = profile.launches();
    let worker = pool.snapshot().workers[0].worker;
    pool.recycle(worker).expect("people may go on");
    until(|| profile.launches() == launches + 1).await;
}

#[tokio::test]
async fn workers_that_are_all_unfit_are_not_replaced_for_ever() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let _pool = pool.start().await.expect("it starts");
    for round in 1..=4 {
        profile.workers()[0].notify(Notice::new("gil.on", "the GIL is on").unfit());
        until(|| profile.launches() == round + 1 && profile.workers().len() == 1).await;
    }
    for _ in 0..3 {
        profile.workers()[0].notify(Notice::new("gil.on", "the GIL is on").unfit());
    }
    assert_eq!(history.of("no more"), ["no more gil.on: the GIL is on"]);
    assert_eq!((profile.launches(), profile.alive()), (5, 1));
}

#[tokio::test]
async fn a_worker_of_use_may_be_replaced_as_often_as_it_takes() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile)
        .policy(after(10).guarded())
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    for number in 0..200 {
        pool.call::<u8>("echo", number).await.expect("a call");
        tokio::task::yield_now().await;
    }
    assert!(profile.launches() > 10);
    assert!(history.of("no more").is_empty());
}
