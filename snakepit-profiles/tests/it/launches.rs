//! Launches: by fork and by exec, failing in every way, many at once, dropped at every point.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snakepit_core::error::{ExitStatus, LaunchErrorKind};
use snakepit_core::event::LogStream;
use snakepit_core::{Args, LaunchError, WorkerProfile};
use snakepit_profiles::{ProcessProfile, SpawnMode};

use crate::support::{LIMIT, Pit, eventually, poll_once};

const MODES: [SpawnMode; 2] = [SpawnMode::Auto, SpawnMode::Exec];

fn launching(pit: &Pit, how: &str, mode: SpawnMode) -> ProcessProfile {
    pit.builder("launches.py:Adapter")
        .env("HOW", how)
        .spawn(mode)
        .build()
}

async fn failing(how: &str, mode: SpawnMode) -> LaunchError {
    let pit = Pit::new();
    let profile = launching(&pit, how, mode);
    let error = pit.try_launch(&profile).await.unwrap_err();
    drop(profile);
    pit.assert_empty().await;
    error
}

#[tokio::test]
async fn an_import_that_raises_is_an_adapter_error() {
    for mode in MODES {
        let error = failing("raise", mode).await;
        assert_eq!(error.code(), "launch.adapter");
        assert!(error.is_permanent());
        assert_eq!(
            error.exception().unwrap().to_string(),
            "RuntimeError: the import failed"
        );
        assert!(
            error.output.iter().any(|line| line == "loading"),
            "{:?}",
            error.output
        );
    }
}

#[tokio::test]
async fn a_setup_that_raises_is_a_setup_error() {
    for mode in MODES {
        let error = failing("setup raises", mode).await;
        assert_eq!(error.code(), "launch.setup");
        assert!(!error.is_permanent());
        assert_eq!(
            error.exception().unwrap().to_string(),
            "RuntimeError: the setup failed"
        );
    }
}

#[tokio::test]
async fn an_exit_on_the_way_is_reported_with_its_stage_and_output() {
    for mode in MODES {
        for (how, at, expected) in [
            ("leave", "loading the adapter", ExitStatus::Code(3)),
            ("crash", "loading the adapter", ExitStatus::Signal(11)),
            (
                "setup leaves",
                "setting up the adapter",
                ExitStatus::Code(4),
            ),
        ] {
            let error = failing(how, mode).await;
            let LaunchErrorKind::Exited { stage, status } = error.kind else {
                panic!("{error:?}")
            };
            assert_eq!((stage, status), (at, expected));
            if how == "leave" {
                assert_eq!(error.output.last().unwrap(), "leaving early");
            }
        }
    }
}

#[tokio::test]
async fn closing_the_boot_link_is_the_end() {
    for mode in MODES {
        let error = failing("close", mode).await;
        assert_eq!(error.code(), "launch.exited", "{error}");
    }
}

#[tokio::test]
async fn a_launch_that_hangs_is_ended_and_names_its_stage() {
    let cases = [
        ("hang", "loading the adapter"),
        ("hold", "loading the adapter"),
        ("setup hangs", "setting up the adapter"),
        ("setup holds", "setting up the adapter"),
    ];
    let cases = MODES
        .into_iter()
        .flat_map(|mode| cases.map(|(how, at)| (mode, how, at)));
    let launches = cases.map(|(mode, how, at)| async move {
        let pit = Pit::new();
        let profile = launching(&pit, how, mode);
        let mut context = pit.context();
        // Python has to have come to the stage by then, whatever else the machine is doing.
        context.timeout = Duration::from_secs(15);
        let error = profile.launch(context).await.unwrap_err();
        let LaunchErrorKind::TimedOut { stage, .. } = error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(stage, at);
        drop(profile);
        pit.assert_empty().await;
    });
    futures_util::future::join_all(launches).await;
}

#[tokio::test]
async fn a_missing_adapter_or_interpreter_is_permanent() {
    let pit = Pit::new();
    let error = pit
        .try_launch(&pit.profile("nothing.py"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.is_permanent()),
        ("launch.adapter", true)
    );
    let profile = pit.builder("basic.py").python("/no/such/python").build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_permanent()),
        ("launch.interpreter", true)
    );
    let profile = pit.builder("basic.py").python("/bin/true").build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    assert_eq!(error.code(), "launch.exited");
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test]
async fn an_old_interpreter_says_so() {
    let Some(python) = ["python2.7", "python3.6", "python3.7"]
        .iter()
        .map(|name| {
            format!(
                "{}/.pyenv/shims/{name}",
                std::env::var("HOME").unwrap_or_default()
            )
        })
        .find(|path| std::fs::exists(path).unwrap_or_default())
    else {
        return; // none here
    };
    let pit = Pit::new();
    let profile = pit.builder("basic.py").python(python).build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    // A shim of a version that is not selected exits instead.
    assert!(
        ["launch.interpreter", "launch.exited"].contains(&error.code()),
        "{error}"
    );
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test]
async fn what_an_import_prints_is_heard_once() {
    for mode in MODES {
        let pit = Pit::new();
        let profile = launching(&pit, "", mode);
        pit.launch(&profile).await;
        let heard = || {
            pit.lines()
                .iter()
                .filter(|line| line.text == "loading")
                .count()
        };
        eventually(|| heard() == 1, || format!("{:?}", pit.lines())).await;
        if mode == SpawnMode::Auto {
            pit.launch(&profile).await;
            assert_eq!(heard(), 1);
        }
    }
}

#[tokio::test]
async fn exec_makes_the_same_worker() {
    let pit = Pit::new();
    let profile = pit.exec("basic.py");
    let launched = pit.launch(&profile).await;
    assert_eq!(launched.hello.launch, "exec");
    let answer = pit
        .call(&*launched.worker, "echo", Args::positional(["x"]))
        .await
        .unwrap();
    assert_eq!(answer, "x".into());
    let pid = pit
        .call(&*launched.worker, "pid", Args::none())
        .await
        .unwrap();
    assert_eq!(pid.as_u64(), launched.hello.process.map(u64::from));
    assert_eq!(pit.processes().len(), 1);
    assert_eq!(
        launched.worker.stop(LIMIT).await.status,
        ExitStatus::Code(0)
    );
    drop((launched, profile));
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_zygote_with_threads_falls_back_to_exec() {
    let pit = Pit::new();
    let profile = pit.profile("threads.py");
    for _ in 0..2 {
        let launched = pit.launch(&profile).await;
        assert!(
            launched.hello.launch.starts_with("exec: "),
            "{}",
            launched.hello.launch
        );
        let answer = pit
            .call(&*launched.worker, "echo", Args::positional([1]))
            .await
            .unwrap();
        assert_eq!(answer, 1.into());
    }
    let notes = pit
        .lines()
        .iter()
        .filter(|line| line.stream == LogStream::Log)
        .count();
    assert_eq!(notes, 1, "{:?}", pit.lines());
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_zygote_with_threads_is_an_error_if_nothing_else_will_do() {
    let pit = Pit::new();
    let profile = pit.builder("threads.py").spawn(SpawnMode::Zygote).build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    assert!(error.is_permanent() && error.hint().is_some(), "{error:?}");
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_share_one_zygote() {
    let pit = Arc::new(Pit::new());
    let profile = Arc::new(pit.profile("basic.py"));
    let launches: Vec<_> = (0..100)
        .map(|_| {
            let (pit, profile) = (Arc::clone(&pit), Arc::clone(&profile));
            tokio::spawn(async move { pit.launch(&*profile).await })
        })
        .collect();
    let mut workers = Vec::new();
    for launch in launches {
        workers.push(launch.await.unwrap());
    }
    assert_eq!(pit.processes().len(), 101);
    for (number, launched) in workers.iter().enumerate() {
        let answer = pit
            .call(&*launched.worker, "echo", Args::positional([number]))
            .await
            .unwrap();
        assert_eq!(answer, number.into());
    }
    drop((workers, profile));
    pit.assert_empty().await;
}

#[tokio::test]
async fn workers_outlive_their_profile() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let launched = pit.launch(&profile).await;
    drop(profile);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = pit
        .call(&*launched.worker, "echo", Args::positional([1]))
        .await
        .unwrap();
    assert_eq!(answer, 1.into());
    assert_eq!(
        launched.worker.stop(LIMIT).await.status,
        ExitStatus::Code(0)
    );
    drop(launched);
    pit.assert_empty().await;
}

/// Drops launches at moments spread over the time a whole one takes, from a cold and from a warm profile.
#[tokio::test]
async fn a_launch_dropped_at_any_point_leaves_nothing() {
    const POINTS: u32 = 16;
    for (mode, warm) in [
        (SpawnMode::Auto, false),
        (SpawnMode::Auto, true),
        (SpawnMode::Exec, false),
    ] {
        let pit = Pit::new();
        let prepare = async || {
            let profile = launching(&pit, "", mode);
            if warm {
                pit.launch(&profile).await;
            }
            profile
        };
        let profile = prepare().await;
        let start = Instant::now();
        pit.launch(&profile).await;
        let whole = start.elapsed();
        drop(profile);
        let mut finished = 0;
        for point in 0..POINTS {
            let profile = prepare().await;
            let mut launch = Box::pin(profile.launch(pit.context()));
            // At least polled once, else nothing has begun.
            poll_once(&mut launch).await;
            let result = tokio::time::timeout(whole * point / POINTS, launch).await;
            finished += u32::from(result.is_ok());
            drop(result);
            // Of the profile there may be its zygote, and no worker.
            eventually(
                || pit.processes().len() <= 1,
                || format!("{:?}", pit.processes()),
            )
            .await;
            drop(profile);
            pit.assert_empty().await;
        }
        assert!(finished < POINTS, "no launch was dropped");
    }
}

#[test]
fn a_runtime_dropped_at_any_point_leaves_nothing() {
    for mode in MODES {
        let pit = Pit::new();
        for millis in [0, 1, 3, 10, 30, 60, 100, 150, 200, 300, 500, 800] {
            let profile = Arc::new(launching(&pit, "setup sleeps", mode));
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            for _ in 0..3 {
                let (profile, context) = (Arc::clone(&profile), pit.context());
                runtime.spawn(async move {
                    let launched = profile.launch(context).await?;
                    std::future::pending::<()>().await;
                    drop(launched);
                    Ok::<_, LaunchError>(())
                });
            }
            std::thread::sleep(Duration::from_millis(millis));
            drop(runtime);
            pit.assert_empty_blocking();
            // The profile is as good as new in another runtime.
            if millis == 100 {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(pit.launch(&*profile));
                drop(runtime);
                pit.assert_empty_blocking();
            }
        }
    }
}

#[test]
fn a_worker_held_beyond_its_runtime_reports_its_end() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let launched = runtime.block_on(pit.launch(&profile));
    drop(runtime);
    pit.assert_empty_blocking();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(launched.worker.exited());
    assert!(
        report.cause().contains("the async runtime ended"),
        "{report:?}"
    );
    let error = runtime
        .block_on(pit.call(&*launched.worker, "echo", Args::none()))
        .unwrap_err();
    assert_eq!(error.code(), "call.worker_lost");
}
