//! The thread profile in a pool: calls that really overlap, lanes that are threads for life, and what the pool insists on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use snakepit_core::error::LaunchErrorKind;
use snakepit_core::{LaunchError, Pool, WorkerProfile};
use snakepit_profiles::{GilPolicy, ThreadSafety};

use crate::support::{Pit, eventually, gil_is_on};

async fn pool(profile: impl WorkerProfile, size: usize) -> Pool {
    let builder = Pool::builder("threads", Arc::new(profile)).size(size);
    builder
        .start()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The zygote ends with the pool.
async fn end(pool: Pool, pit: &Pit) {
    pool.shutdown().await;
    drop(pool);
    pit.assert_empty().await;
}

/// The original took 1.67 s for this very load, whatever it was told.
#[tokio::test]
async fn sixty_four_sleeps_overlap_on_four_workers_of_sixteen_lanes() {
    let pit = Pit::new();
    let pool = pool(pit.threads("overlap.py").threads_per_worker(16).build(), 4).await;
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.ready, snapshot.lanes), (4, 64));
    let start = Instant::now();
    let calls = (0..64).map(|_| pool.call::<()>("sleep", 0.1));
    try_join_all(calls).await.unwrap();
    let one_after_the_other = Duration::from_millis(100) * 64;
    let took = start.elapsed();
    assert!(took < one_after_the_other / 16, "{took:?}");
    end(pool, &pit).await;
}

#[tokio::test]
async fn sixteen_calls_are_inside_one_process_at_the_same_time() {
    let pit = Pit::new();
    let pool = pool(pit.threads("overlap.py").threads_per_worker(16).build(), 1).await;
    let met = join_all((0..16).map(|_| pool.call::<String>("meet", ()))).await;
    let threads: BTreeSet<String> = met.into_iter().map(Result::unwrap).collect();
    assert_eq!(threads.len(), 16, "{threads:?}");
    end(pool, &pit).await;
}

#[tokio::test]
async fn a_lane_is_one_thread_for_life() {
    let pit = Pit::new();
    let pool = pool(pit.threads("overlap.py").threads_per_worker(3).build(), 2).await;
    let mut places = BTreeSet::new();
    for _ in 0..40 {
        let calls = (0..6).map(|_| pool.call::<(u32, u32)>("place", ()));
        places.extend(try_join_all(calls).await.unwrap());
    }
    let processes: BTreeSet<u32> = places.iter().map(|(process, _)| *process).collect();
    assert_eq!((processes.len(), places.len()), (2, 6));
    assert!(
        places.iter().all(|(process, thread)| process != thread),
        "no lane is the main thread of a process"
    );
    end(pool, &pit).await;
}

#[tokio::test]
async fn libraries_get_the_processors_that_are_left_for_a_lane() {
    let pit = Pit::new();
    let processors = std::thread::available_parallelism().unwrap().get();
    for lanes in [1_u16, 16] {
        let profile = pit.threads("overlap.py").threads_per_worker(lanes).build();
        let pool = pool(profile, 1).await;
        let threads: String = pool.call("blas", ()).await.unwrap();
        let expected = (processors / usize::from(lanes)).max(1);
        assert_eq!(threads, expected.to_string());
        end(pool, &pit).await;
    }
}

#[tokio::test]
async fn a_pool_that_requires_the_gil_off_gets_that_or_an_error() {
    let pit = Pit::new();
    let builder = pit.threads("overlap.py").gil(GilPolicy::RequireOff);
    let launched = pit.try_launch(&builder.build()).await;
    match launched {
        Ok(launched) => {
            assert!(!gil_is_on());
            assert!(launched.hello.runtime.ends_with("(free-threaded, GIL off)"));
        }
        Err(error) => {
            assert!(gil_is_on(), "{error}");
            assert_eq!(error.code(), "launch.refused");
            assert!(error.is_permanent());
            let LaunchErrorKind::Refused { policy, .. } = error.kind else {
                panic!("{error}");
            };
            assert_eq!(policy, "gil: require_off");
        }
    }
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_thread_pool_says_once_that_the_gil_is_on() {
    let pit = Pit::new();
    let pool = pool(pit.threads("overlap.py").build(), 3).await;
    let notices = pool.snapshot().notices;
    let told: Vec<_> = notices
        .iter()
        .filter(|notice| notice.code == "gil.on")
        .collect();
    assert_eq!(told.len(), usize::from(gil_is_on()), "{notices:?}");
    for notice in told {
        assert!(notice.message.contains("overlap only in I/O"), "{notice:?}");
    }
    end(pool, &pit).await;
}

#[tokio::test]
async fn an_adapter_is_held_to_what_it_declares() {
    use ThreadSafety::{Declared, Off, Strict, Warn};
    let pit = Pit::new();
    for (declared, thread_safety, accepted) in [
        (Some("yes"), Strict, true),
        (Some("no"), Warn, false),
        (Some("no"), Off, true),
        (None, Strict, false),
        (None, Warn, true),
        (Some("no"), Declared, false),
        (None, Declared, true),
    ] {
        let mut builder = pit.threads("declared.py").thread_safety(thread_safety);
        if let Some(declared) = declared {
            builder = builder.env("DECLARED", declared);
        }
        let launched = pit.try_launch(&builder.build()).await;
        let outcome = launched.as_ref().map(|_| ()).map_err(LaunchError::code);
        let expected = if accepted {
            Ok(())
        } else {
            Err("launch.refused")
        };
        assert_eq!(outcome, expected, "{declared:?} {thread_safety:?}");
    }
    pit.assert_empty().await;
}

/// One lane is stuck in native code that lets the others work: they finish while the replacement serves already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_lane_has_its_process_put_aside_and_the_others_finish() {
    let pit = Pit::new();
    let grace = Duration::from_millis(50);
    let pool = Pool::builder(
        "threads",
        Arc::new(pit.threads("zoo.py").threads_per_worker(3).build()),
    )
    .size(1)
    .cancel_grace(grace)
    .start();
    let pool = pool.await.unwrap();
    let old = pool.snapshot().workers[0].worker;
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let others: Vec<_> = (0..2)
        .map(|_| tokio::spawn(pool.request("wait_for", flag.to_str()).call::<u32>()))
        .collect();
    eventually(
        || pool.snapshot().running == 2,
        || format!("{:?}", pool.snapshot()),
    )
    .await;
    let stuck = pool
        .request("deadlock", ())
        .timeout(grace)
        .call::<()>()
        .await;
    assert_eq!(stuck.unwrap_err().code(), "call.timeout");
    // The others sleep on, and the next call is served by another process.
    let new: u32 = pool.call("process", ()).await.unwrap();
    let aside = |pool: &Pool| {
        pool.snapshot()
            .workers
            .iter()
            .any(|worker| worker.worker == old)
    };
    assert!(aside(&pool), "{:?}", pool.snapshot());
    std::fs::write(&flag, "").unwrap();
    for other in others {
        let process = other.await.unwrap().unwrap();
        assert_ne!(process, new);
    }
    eventually(|| !aside(&pool), || format!("{:?}", pool.snapshot())).await;
    end(pool, &pit).await;
}
