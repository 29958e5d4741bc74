//! Zygotes that die, or are to be forgotten: workers say why they are gone, and launches find another.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use snakepit_core::{Args, CallError, Pool, Worker, WorkerProfile};

use crate::support::{LIMIT, Pit, eventually, kill};

/// One that dies at once would do so again, so only those are replaced unasked that have lived for longer. Their age is all
/// that matters, and nothing but the clock tells it.
const A_WHILE: Duration = Duration::from_millis(1100);

#[tokio::test]
async fn a_killed_zygote_takes_its_workers_along_and_is_replaced() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let launched = pit.launch(&profile).await;
    let worker = launched.hello.process.unwrap();
    let zygote = *pit.processes().iter().find(|&&pid| pid != worker).unwrap();
    kill(zygote);
    let report = tokio::time::timeout(LIMIT, launched.worker.exited())
        .await
        .unwrap();
    assert_eq!(report.cause(), "its zygote was killed (SIGKILL)");
    let next = pit.launch(&profile).await;
    assert_eq!(
        pit.call(&*next.worker, "echo", Args::positional([1]))
            .await
            .unwrap(),
        1.into()
    );
    // Again, without waiting for the news to arrive.
    let worker = next.hello.process.unwrap();
    for pid in pit.processes() {
        if pid != worker {
            kill(pid);
        }
    }
    pit.launch(&profile).await;
    drop((launched, next, profile));
    pit.assert_empty().await;
}

/// What it started is in a group nobody watches over any more.
#[tokio::test]
async fn a_killed_zygote_leaves_nothing_of_its_workers() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let worker = pit.launch(&profile).await.worker;
    pit.call(&*worker, "start_children", Args::none())
        .await
        .unwrap();
    kill(pit.children()[0]);
    worker.exited().await;
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_launch_is_lost_to_the_death_of_a_zygote() {
    let pit = Arc::new(Pit::new());
    let profile = Arc::new(
        pit.builder("launches.py:Adapter")
            .env("HOW", "setup sleeps")
            .build(),
    );
    drop(pit.launch(&*profile).await);
    let launches = (0..10).map(|_| {
        let (pit, profile) = (Arc::clone(&pit), Arc::clone(&profile));
        tokio::spawn(async move { pit.launch(&*profile).await })
    });
    let launches: Vec<_> = launches.collect();
    // All are forked and none is ready: each sleeps in its setup.
    eventually(
        || pit.grandchildren() == 10,
        || format!("{:?}", pit.processes()),
    )
    .await;
    kill(pit.children()[0]);
    // Those that were ready by then have died with it, as workers do; the others come from the next one.
    for launched in join_all(launches).await {
        launched.unwrap();
    }
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_whole_again_after_the_death_of_its_zygote() {
    let pit = Pit::new();
    let pool = Pool::builder("zygotes", Arc::new(pit.profile("basic.py")))
        .size(3)
        .start();
    let pool = pool.await.unwrap();
    for _ in 0..2 {
        let calls = (0..12).map(|number| {
            let call = pool
                .request("nap", 0.1 + f64::from(number) / 1000.0)
                .idempotent(true);
            tokio::spawn(call.call::<f64>())
        });
        let calls: Vec<_> = calls.collect();
        eventually(
            || pool.snapshot().running == 3,
            || format!("{:?}", pool.snapshot()),
        )
        .await;
        kill(pit.children()[0]);
        for call in join_all(calls).await {
            call.unwrap().unwrap();
        }
        eventually(
            || pool.snapshot().ready == 3,
            || format!("{:?}", pool.snapshot()),
        )
        .await;
        assert_eq!(pit.grandchildren(), 3);
    }
    pool.shutdown().await;
    drop(pool);
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_renewed_profile_loads_its_adapter_again() {
    let pit = Pit::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edited.py");
    std::fs::write(&path, "def version():\n    return 1\n").unwrap();
    let profile = snakepit_profiles::ProcessProfile::builder(path.display().to_string())
        .python(Pit::python())
        .env(pit.mark().0, pit.mark().1)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .build();
    let version = async |worker: &dyn Worker| -> Result<_, CallError> {
        pit.call(worker, "version", Args::none()).await
    };
    let old = pit.launch(&profile).await.worker;
    std::fs::write(&path, "def version():\n    return 2\n").unwrap();
    let same = pit.launch(&profile).await.worker;
    assert_eq!(version(&*same).await.unwrap(), 1.into());
    profile.renew();
    let new = pit.launch(&profile).await.worker;
    assert_eq!(version(&*new).await.unwrap(), 2.into());
    assert_eq!(version(&*old).await.unwrap(), 1.into());
    assert_eq!(pit.processes().len(), 5, "two zygotes");
    drop((old, same));
    eventually(
        || pit.processes().len() == 2,
        || format!("{:?}", pit.processes()),
    )
    .await;
    drop((new, profile));
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_zygote_that_dies_is_replaced_before_anybody_needs_it() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let launched = pit.launch(&profile).await;
    tokio::time::sleep(A_WHILE).await;
    let zygote = pit.children()[0];
    kill(zygote);
    launched.worker.exited().await;
    let replaced = || pit.children().iter().any(|&child| child != zygote);
    eventually(replaced, || format!("{:?}", pit.children())).await;
    drop((launched, profile));
    pit.assert_empty().await;
}
