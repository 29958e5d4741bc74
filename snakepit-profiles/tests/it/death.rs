//! Workers that die, or misbehave so that they have to: every case ends in a typed error, and no process is left.

use std::time::{Duration, Instant};

use snakepit_core::error::{CallError, ExitReport, ExitStatus};
use snakepit_core::{Args, Delivery, Value};

use crate::support::{LANE, LIMIT, Pit, eventually, kill};

/// Calls a command that should end its worker; gives the error, once nothing is left.
async fn fatal(command: &str, args: Args) -> (CallError, ExitReport) {
    fatal_in(&Pit::new(), command, args).await
}

async fn fatal_in(pit: &Pit, command: &str, args: Args) -> (CallError, ExitReport) {
    let profile = pit.profile("zoo.py");
    let worker = pit.launch(&profile).await.worker;
    let error = pit.call(&*worker, command, args).await.unwrap_err();
    let report = tokio::time::timeout(LIMIT, worker.exited())
        .await
        .expect("it is gone");
    // The next one is as good as new.
    let next = pit.launch(&profile).await.worker;
    assert_eq!(
        pit.call(&*next, "echo", Args::positional([1]))
            .await
            .unwrap(),
        1.into()
    );
    drop((worker, next, profile));
    pit.assert_empty().await;
    (error, report)
}

fn lost(error: &CallError) -> &ExitReport {
    match error {
        CallError::WorkerLost(report) => report,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exit_in_a_call_is_reported_with_its_last_words() {
    let (error, report) = fatal("last_words", Args::positional([7])).await;
    assert_eq!(lost(&error), &report);
    assert_eq!(report.status, ExitStatus::Code(7));
    assert_eq!(report.output.last().unwrap(), "these are my last words");
    assert_eq!(error.delivery(), Delivery::MaybeExecuted);
}

#[tokio::test]
async fn a_crash_is_reported_with_its_stack() {
    let (error, _) = fatal("crash", Args::none()).await;
    let report = lost(&error);
    assert_eq!(report.status, ExitStatus::Signal(11));
    let named = |lines: &[String]| lines.iter().any(|line| line.ends_with(" in crash"));
    assert!(named(&report.stacks), "{:?}", report.stacks);
    assert!(!named(&report.output), "{:?}", report.output);
    assert!(report.stacks[0].starts_with("Fatal Python error: "));
}

#[tokio::test]
async fn a_signal_is_reported() {
    for number in [6, 9, 15] {
        let (error, _) = fatal("kill", Args::positional([number])).await;
        assert_eq!(lost(&error).status, ExitStatus::Signal(number));
    }
}

#[tokio::test]
async fn sys_exit_is_an_exception_like_others() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let worker = pit.launch(&profile).await.worker;
    let error = pit
        .call(&*worker, "exit_python", Args::positional([3]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "call.exception", "{error}");
    assert_eq!(
        pit.call(&*worker, "echo", Args::positional([1]))
            .await
            .unwrap(),
        1.into()
    );
}

#[tokio::test]
async fn junk_on_its_connections_is_a_protocol_error() {
    let (error, _) = fatal("junk_everywhere", Args::none()).await;
    assert_eq!(error.code(), "call.protocol", "{error}");
}

#[tokio::test]
async fn lying_frames_are_protocol_errors() {
    // Call 1 is the one that lies. Kind, id, and the rest of the header.
    let forged: &[(&str, &[(&str, Value)])] = &[
        (
            "an answer to another call",
            &[("kind", 2.into()), ("ident", 99.into())],
        ),
        (
            "a chunk nobody asked for",
            &[("kind", 4.into()), ("ident", 1.into())],
        ),
        (
            "a frame of the host's",
            &[("kind", 1.into()), ("ident", 1.into())],
        ),
        (
            "a frame of the boot link's",
            &[("kind", 33.into()), ("ident", 0.into())],
        ),
        (
            "an unknown kind",
            &[("kind", 200.into()), ("ident", 1.into())],
        ),
        (
            "unknown flags",
            &[
                ("kind", 2.into()),
                ("ident", 1.into()),
                ("flags", 128.into()),
            ],
        ),
        (
            "an unknown codec",
            &[("kind", 2.into()), ("ident", 1.into()), ("codec", 9.into())],
        ),
        (
            "another magic",
            &[("kind", 2.into()), ("ident", 1.into()), ("magic", 0.into())],
        ),
        (
            "too much",
            &[
                ("kind", 2.into()),
                ("ident", 1.into()),
                ("length", 0xffff_ffff_u32.into()),
            ],
        ),
        (
            "no JSON",
            &[
                ("kind", 2.into()),
                ("ident", 1.into()),
                ("body", "[,".into()),
            ],
        ),
        (
            "no table",
            &[("kind", 2.into()), ("ident", 1.into()), ("flags", 1.into())],
        ),
        (
            "no error object",
            &[("kind", 3.into()), ("ident", 1.into())],
        ),
    ];
    for (what, fields) in forged {
        let mut args = Args::none();
        for (name, value) in *fields {
            args = args.with(*name, value.clone());
        }
        let (error, _) = fatal("forge", args).await;
        assert_eq!(error.code(), "call.protocol", "{what}: {error}");
    }
}

#[tokio::test]
async fn closing_connections_is_death() {
    for command in ["close_everything", "shut_down"] {
        let (error, report) = fatal(command, Args::none()).await;
        assert!(
            lost(&error).reason.is_some() || report.status != ExitStatus::Unknown,
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_fork_in_user_code_does_not_answer_twice() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let worker = pit.launch(&profile).await.worker;
    for number in 0..3 {
        let answer = pit
            .call(&*worker, "fork_and_return", Args::none())
            .await
            .unwrap();
        assert_eq!(answer, "parent".into());
        assert_eq!(
            pit.call(&*worker, "echo", Args::positional([number]))
                .await
                .unwrap(),
            number.into()
        );
    }
    drop((worker, profile));
    pit.assert_empty().await;
}

/// The worker's death does not show on its connections: a process of another session holds them.
#[tokio::test]
async fn death_is_seen_when_a_copy_holds_the_connections() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let launched = pit.launch(&profile).await;
    let start = Instant::now();
    let error = pit
        .call(
            &*launched.worker,
            "leave_a_fork_behind",
            Args::positional([5]),
        )
        .await;
    assert_eq!(lost(&error.unwrap_err()).status, ExitStatus::Code(5));
    assert!(start.elapsed() < LIMIT / 4);
    drop((launched, profile));
    // It left its session to live, and that is its right.
    eventually(
        || pit.processes().len() == 1,
        || format!("{:?}", pit.processes()),
    )
    .await;
    for pid in pit.processes() {
        kill(pid);
    }
    pit.assert_empty().await;
}

#[tokio::test]
async fn children_of_a_worker_go_with_it() {
    for exec in [false, true] {
        let pit = Pit::new();
        let profile = if exec {
            pit.exec("zoo.py")
        } else {
            pit.profile("zoo.py")
        };
        let worker = pit.launch(&profile).await.worker;
        pit.call(&*worker, "start_children", Args::none())
            .await
            .unwrap();
        eventually(
            || pit.processes().len() >= 3,
            || format!("{:?}", pit.processes()),
        )
        .await;
        drop((worker, profile));
        pit.assert_empty().await;
    }
}

/// Short lines take the host longer to tell apart than the worker to write: there is always more to read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_without_end_does_not_keep_the_runtime_from_anything_else() {
    let pit = Pit::new();
    let profile = std::sync::Arc::new(pit.profile("zoo.py"));
    let pool = snakepit_core::Pool::builder("flood", profile)
        .size(1)
        .start();
    let pool = pool.await.unwrap();
    let start = Instant::now();
    let flood = pool.request("flood_for_ever", ());
    let limit = Duration::from_millis(300);
    let error = flood.timeout(limit).call::<()>().await.unwrap_err();
    assert_eq!(error.code(), "call.timeout", "{error}");
    assert!(start.elapsed() < LIMIT, "timers have to wait for the flood");
    pool.shutdown().await;
    drop(pool);
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_flood_of_output_is_carried_and_bounded() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let worker = pit.launch(&profile).await.worker;
    pit.call(&*worker, "flood", Args::positional([20_000]))
        .await
        .unwrap();
    let flood = || {
        pit.lines()
            .iter()
            .filter(|line| line.text.starts_with("xxx"))
            .count()
    };
    eventually(|| flood() == 20_000, || format!("{} lines", flood())).await;
    worker.abort("enough");
    assert!(worker.exited().await.output.len() <= 40);
}

#[tokio::test]
async fn threads_do_not_keep_a_worker_from_stopping() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let worker = pit.launch(&profile).await.worker;
    pit.call(&*worker, "many_threads", Args::none())
        .await
        .unwrap();
    pit.call(&*worker, "ignore_signals", Args::none())
        .await
        .unwrap();
    assert_eq!(worker.stop(LIMIT).await.status, ExitStatus::Code(0));
    drop((worker, profile));
    pit.assert_empty().await;
}

#[tokio::test]
async fn stop_kills_what_does_not_stop() {
    for (command, args) in [
        ("hang", Args::none()),
        ("hold_the_gil", Args::positional([1000])),
    ] {
        let pit = Pit::new();
        let profile = pit.profile("zoo.py");
        let worker = pit.launch(&profile).await.worker;
        let busy = std::sync::Arc::clone(&worker);
        let call = pit.request(command, args);
        let call = tokio::spawn(async move { busy.call(LANE, call).await });
        pit.running(1).await;
        let report = worker.stop(Duration::from_millis(100)).await;
        assert_eq!(report.status, ExitStatus::Signal(9));
        assert!(
            report
                .reason
                .as_deref()
                .unwrap()
                .contains("did not stop within"),
            "{report:?}"
        );
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(lost(&error).status, ExitStatus::Signal(9));
        drop((worker, profile));
        pit.assert_empty().await;
    }
}

#[tokio::test]
async fn kill_9_fails_every_call_at_once() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    for (command, round) in [("hang", 1), ("hold_the_gil", 2)] {
        let args = if command == "hang" {
            Args::none()
        } else {
            Args::positional([1000])
        };
        let launched = pit.launch(&profile).await;
        let (worker, pid) = (launched.worker, launched.hello.process.unwrap());
        let busy = std::sync::Arc::clone(&worker);
        let call = pit.request(command, args);
        let call = tokio::spawn(async move { (busy.call(LANE, call).await, Instant::now()) });
        pit.running(round).await;
        let killed = Instant::now();
        kill(pid);
        let (result, seen) = call.await.unwrap();
        assert_eq!(lost(&result.unwrap_err()).cause(), "SIGKILL");
        // Generous: it takes about a millisecond, which a benchmark measures.
        assert!(
            seen - killed < Duration::from_secs(1),
            "{:?}",
            seen - killed
        );
    }
    drop(profile);
    pit.assert_empty().await;
}
