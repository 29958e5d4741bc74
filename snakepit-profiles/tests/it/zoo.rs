//! The zoo: every bad deed at every point of a worker's life, on processes and on threads. Each ends in a typed error, a
//! pool that goes on working, and no process left.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snakepit_core::{CallError, LaunchError, Pool, PoolSettings, WorkerProfile};
use tokio::time::timeout;

use crate::support::{LIMIT, Pit, eventually};

/// What an adapter can do; see `beasts.py`.
const DEEDS: [&str; 13] = [
    "raise",
    "exit",
    "leave",
    "crash",
    "hang",
    "hang with the GIL",
    "flood",
    "fork",
    "fork and go on",
    "leak",
    "swallow",
    "close",
    "lie",
];

/// How long calls may take that should not end by themselves, and how patient the pool is after that.
const SHORT: Duration = Duration::from_millis(100);

/// A profile whose adapter does what a file says.
struct Cage {
    pit: Pit,
    folder: tempfile::TempDir,
    profile: Arc<dyn WorkerProfile>,
}

impl Cage {
    fn new(threads: bool) -> Self {
        let (pit, folder) = (Pit::new(), tempfile::tempdir().unwrap());
        let file = folder.path().join("deed").display().to_string();
        let profile: Arc<dyn WorkerProfile> = if threads {
            let builder = pit.threads("beasts.py:Beast").threads_per_worker(2);
            Arc::new(builder.env("BEAST", file).build())
        } else {
            Arc::new(pit.builder("beasts.py:Beast").env("BEAST", file).build())
        };
        Self {
            pit,
            folder,
            profile,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tell(&self, point: &str, deed: &str) {
        fs::write(self.file("deed"), format!("{point} {deed}")).unwrap();
    }

    fn calm(&self) {
        let _ = fs::remove_file(self.file("deed"));
    }

    async fn pool(&self) -> Pool {
        let settings = PoolSettings {
            size: 1,
            request_timeout: SHORT,
            cancel_grace: SHORT / 2,
            quarantine_grace: SHORT,
            stop_grace: SHORT,
            // They die faster here than in any pool that is worth keeping.
            restart_budget: Some(10_000),
            ..PoolSettings::default()
        };
        let builder = Pool::builder("zoo", Arc::clone(&self.profile)).settings(settings);
        builder
            .start()
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until the pool answers again. What a deed has left unusable shows only by a call that takes too long.
    async fn works(&self, pool: &Pool, what: &str) {
        let start = Instant::now();
        let mut errors = Vec::new();
        while start.elapsed() < LIMIT {
            match pool
                .request("echo", 7)
                .timeout(10 * SHORT)
                .call::<u8>()
                .await
            {
                Ok(answer) => return assert_eq!(answer, 7, "{what}"),
                Err(error) => errors.push(error.to_string()),
            }
        }
        panic!("{what}: {errors:?}");
    }

    /// The pool ends, and nothing of it is left but the zygote, which is the profile's.
    async fn end(&self, pool: Pool, what: &str) {
        timeout(LIMIT, pool.shutdown()).await.expect(what);
        drop(pool);
        let left = || self.pit.processes().len().saturating_sub(1);
        eventually(
            || left() == 0,
            || format!("{what}: {:?}", self.pit.processes()),
        )
        .await;
    }

    async fn close(self) {
        drop(self.profile);
        self.pit.assert_empty().await;
    }
}

/// The code of what became of a call: one of those that are expected of such a deed.
fn check(what: &str, deed: &str, result: Result<(), CallError>) {
    let code = result.map_or_else(|error| error.code(), |()| "ok");
    let expected: &[&str] = match deed {
        "raise" | "exit" => &["call.exception"],
        "leave" | "crash" => &["call.worker_lost"],
        "hang" | "hang with the GIL" | "swallow" => &["call.timeout"],
        // A copy that goes on may not answer; how much of the answer the machine gets done in time is its business.
        "flood" | "leak" | "fork" | "fork and go on" => &["ok", "call.timeout"],
        // What a worker does without its connections, it does not know either.
        "close" => &[
            "call.worker_lost",
            "call.protocol",
            "call.timeout",
            "call.exception",
            "ok",
        ],
        "lie" => &["call.protocol", "call.worker_lost"],
        _ => unreachable!("no such deed"),
    };
    assert!(expected.contains(&code), "{what}: {code}");
}

fn cages() -> [Cage; 2] {
    [Cage::new(false), Cage::new(true)]
}

#[tokio::test]
async fn in_an_import() {
    let import = async |deed, threads| {
        let cage = Cage::new(threads);
        cage.tell("import", deed);
        let mut context = cage.pit.context();
        let hangs = ["hang", "hang with the GIL", "swallow"].contains(&deed);
        context.timeout = if hangs { Duration::from_secs(2) } else { LIMIT };
        let result = cage.profile.launch(context).await;
        let code = result.as_ref().map_or_else(LaunchError::code, |_| "ok");
        let expected: &[&str] = match deed {
            "raise" => &["launch.adapter"],
            "exit" => &["launch.adapter", "launch.exited"],
            "leave" | "crash" => &["launch.exited"],
            "hang" | "hang with the GIL" | "swallow" => &["launch.timeout"],
            "lie" => &["launch.protocol"],
            "close" => &["launch.exited", "launch.protocol"],
            // Two zygotes on one link.
            "fork and go on" => &["launch.protocol", "launch.exited", "launch.other", "ok"],
            _ => &["ok"],
        };
        assert!(expected.contains(&code), "import, {deed}: {result:?}");
        drop(result);
        cage.close().await;
    };
    // Two at a time: each loads an interpreter, and some only wait.
    for deed in DEEDS {
        tokio::join!(import(deed, false), import(deed, true));
    }
}

#[tokio::test]
async fn in_setup() {
    for cage in cages() {
        drop(cage.profile.launch(cage.pit.context()).await.unwrap());
        for deed in DEEDS {
            cage.tell("setup", deed);
            let mut context = cage.pit.context();
            let hangs = ["hang", "hang with the GIL", "swallow"].contains(&deed);
            context.timeout = if hangs { Duration::from_secs(1) } else { LIMIT };
            let result = cage.profile.launch(context).await;
            let code = result.as_ref().map_or_else(LaunchError::code, |_| "ok");
            let expected: &[&str] = match deed {
                "raise" | "exit" => &["launch.setup"],
                "leave" | "crash" => &["launch.exited"],
                "hang" | "hang with the GIL" | "swallow" => &["launch.timeout"],
                "lie" => &["launch.protocol"],
                "close" => &["launch.exited", "launch.protocol", "launch.timeout"],
                "fork and go on" => &["ok", "launch.setup"],
                _ => &["ok"],
            };
            assert!(expected.contains(&code), "setup, {deed}: {result:?}");
            drop(result);
            cage.calm();
            let pool = cage.pool().await;
            cage.works(&pool, deed).await;
            cage.end(pool, deed).await;
        }
        cage.close().await;
    }
}

#[tokio::test]
async fn in_a_call() {
    for cage in cages() {
        for deed in DEEDS {
            let pool = cage.pool().await;
            cage.tell("call", deed);
            check(&format!("call, {deed}"), deed, pool.call("call", ()).await);
            cage.calm();
            cage.works(&pool, deed).await;
            cage.end(pool, deed).await;
        }
        cage.close().await;
    }
}

#[tokio::test]
async fn in_a_stream() {
    for cage in cages() {
        for deed in DEEDS {
            let pool = cage.pool().await;
            cage.tell("stream", deed);
            let whole = async {
                let mut stream = pool.stream::<u8>("stream", ()).await?;
                while let Some(item) = stream.next().await {
                    item?;
                }
                Ok(())
            };
            check(&format!("stream, {deed}"), deed, whole.await);
            cage.calm();
            cage.works(&pool, deed).await;
            cage.end(pool, deed).await;
        }
        cage.close().await;
    }
}

#[tokio::test]
async fn while_idle() {
    for cage in cages() {
        for deed in DEEDS {
            let pool = cage.pool().await;
            cage.tell("idle", deed);
            let begun = cage.file("deed.begun");
            let _ = fs::remove_file(&begun);
            pool.call::<()>("leave_alone", ()).await.unwrap();
            eventually(|| begun.exists(), || format!("idle, {deed}")).await;
            cage.calm();
            cage.works(&pool, deed).await;
            cage.end(pool, deed).await;
        }
        cage.close().await;
    }
}

#[tokio::test]
async fn in_cleanup() {
    for cage in cages() {
        for deed in DEEDS {
            let pool = cage.pool().await;
            let old: u32 = pool.call("pid", ()).await.unwrap();
            cage.tell("cleanup", deed);
            let worker = pool.snapshot().workers[0].worker;
            pool.recycle(worker).unwrap();
            // Whatever it does, it is gone, and the other is there.
            let gone = || !cage.pit.processes().contains(&old);
            eventually(gone, || format!("cleanup, {deed}")).await;
            cage.calm();
            cage.works(&pool, deed).await;
            cage.end(pool, deed).await;
        }
        cage.close().await;
    }
}

#[tokio::test]
async fn while_being_replaced() {
    for cage in cages() {
        for deed in DEEDS {
            let pool = cage.pool().await;
            cage.tell("recycle", deed);
            fs::write(cage.file("deed.wait"), "").unwrap();
            let request = pool.request("wait_and_call", ()).timeout(10 * SHORT);
            let call = tokio::spawn(request.call::<()>());
            let running = cage.file("deed.running");
            eventually(|| running.exists(), || format!("recycle, {deed}")).await;
            fs::remove_file(&running).unwrap();
            let worker = pool.snapshot().workers[0].worker;
            pool.recycle(worker).unwrap();
            let replaced = || {
                pool.snapshot()
                    .workers
                    .iter()
                    .any(|other| other.worker != worker && other.age.is_some())
            };
            eventually(replaced, || format!("recycle, {deed}")).await;
            fs::remove_file(cage.file("deed.wait")).unwrap();
            check(&format!("recycle, {deed}"), deed, call.await.unwrap());
            cage.calm();
            cage.works(&pool, deed).await;
            cage.end(pool, deed).await;
        }
        cage.close().await;
    }
}
