//! What can only be seen from outside, or in a process with nothing else in it: the death of the host, descriptors that
//! leak or run out.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use snakepit_core::event::{Event, EventKind};
use snakepit_core::{Args, Pool, WorkerProfile};
use snakepit_profiles::SpawnMode;

use crate::support::{LANE, Pit, children, eventually, kill, poll_once, resume, stop, wait_for};

/// This test program, running one ignored test of its own.
fn alone(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        test,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The sockets and pipes a process has open, unless it has them from whoever started the tests.
fn connections(pid: u32) -> BTreeSet<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let names = links.map(|link| link.display().to_string());
    names
        .filter(|name| name.starts_with("socket:") || name.starts_with("pipe:"))
        .collect()
}

/// Those of this process that every child gets, ours or not.
fn inherited() -> BTreeSet<String> {
    let numbers = (0..1024).filter(|number| {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| flags & 0o2_000_000 == 0) // O_CLOEXEC
    });
    let links = numbers.filter_map(|number| fs::read_link(format!("/proc/self/fd/{number}")).ok());
    links.map(|link| link.display().to_string()).collect()
}

#[tokio::test]
async fn no_process_holds_a_connection_of_another() {
    let pit = Pit::new();
    let (forked, executed) = (pit.profile("zoo.py"), pit.exec("zoo.py"));
    let mut workers = Vec::new();
    for profile in [&forked, &executed, &forked, &executed, &forked] {
        workers.push(pit.launch(profile).await);
    }
    // With the zygote, all of them.
    assert_eq!(pit.processes().len(), 6);
    let inherited = inherited();
    let mut owners: BTreeMap<String, u32> = BTreeMap::new();
    for pid in pit.processes() {
        for name in connections(pid).difference(&inherited) {
            if let Some(other) = owners.insert(name.clone(), pid) {
                panic!("{pid} and {other} both have {name}");
            }
        }
    }
    assert!(owners.len() >= 6 * 3);
    // The ends of a pipe go by one name, those of a pair of sockets by two.
    let ours = connections(std::process::id());
    let mut kept = ours.iter().filter(|name| name.starts_with("socket:"));
    assert!(
        kept.all(|name| !owners.contains_key(name)),
        "the host kept an end"
    );
}

/// Kills a host of busy workers after something else went wrong, and sees nothing left.
fn the_death_of_a_host(mode: &str, trouble: impl FnOnce(&Pit, u32)) {
    let pit = Pit::new();
    let mut host = Doomed(
        alone("host::a_host_with_busy_workers")
            .env("HOST_MODE", mode)
            .env("HOST_MARK", pit.mark().1)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(host.0.stdout.take().unwrap()).lines();
    assert!(
        lines.map(Result::unwrap).any(|line| line == "busy"),
        "the host ended by itself"
    );
    assert!(pit.processes().len() >= 3, "{:?}", pit.processes());
    trouble(&pit, host.0.id());
    drop(host);
    pit.assert_empty_blocking();
}

/// Killed when dropped, by a test that fails as well: its workers would keep the processors from all tests that follow.
struct Doomed(Child);

impl Drop for Doomed {
    fn drop(&mut self) {
        kill(self.0.id());
        let _ = self.0.wait();
    }
}

/// The processes that watch over the workers of a host: its children that are neither workers nor zygotes.
fn guardians(pit: &Pit, host: u32) -> Vec<u32> {
    let known = pit.processes();
    let mut children = children(host);
    children.retain(|pid| !known.contains(pid));
    children
}

#[test]
fn the_death_of_the_host_is_the_end_of_its_workers() {
    for mode in ["zygote", "exec"] {
        the_death_of_a_host(mode, |_, _| {});
    }
}

#[test]
fn the_normal_end_of_a_host_that_does_not_wait_is_the_end_of_its_workers() {
    for mode in ["zygote", "exec"] {
        let pit = Pit::new();
        succeeds(
            alone("host::a_host_with_busy_workers")
                .env("HOST_MODE", mode)
                .env("HOST_RETURNS", "yes")
                .env("HOST_MARK", pit.mark().1),
        );
        pit.assert_empty_blocking();
    }
}

#[tokio::test]
async fn what_a_worker_started_does_not_outlive_it_beside_a_stopped_zygote() {
    let pit = Pit::new();
    let profile = pit.profile("zoo.py");
    let launched = pit.launch(&profile).await;
    let zygote = pit.children()[0];
    let call = pit.request("start_children_and_hang", Args::none());
    let worker = launched.worker;
    let call = tokio::spawn(async move { worker.call(LANE, call).await });
    pit.running(1).await;
    stop(zygote);
    kill(launched.hello.process.unwrap());
    eventually(
        || pit.processes().into_iter().eq([zygote]),
        || format!("left over: {:?}, zygote {zygote}", pit.processes()),
    )
    .await;
    resume(zygote);
    call.await.unwrap().unwrap_err();
    drop(profile);
    pit.assert_empty().await;
}

#[test]
fn a_stopped_zygote_does_not_outlive_its_host() {
    the_death_of_a_host("zygote", |pit, host| {
        let mut zygotes = children(host);
        zygotes.retain(|pid| pit.processes().contains(pid));
        assert_eq!(zygotes.len(), 1);
        stop(zygotes[0]);
    });
}

#[test]
fn a_guardian_that_is_killed_is_replaced() {
    for mode in ["zygote", "exec"] {
        the_death_of_a_host(mode, |pit, host| {
            let seen = || format!("guardians: {:?}", guardians(pit, host));
            wait_for(|| guardians(pit, host).len() == 1, seen);
            let first = guardians(pit, host)[0];
            kill(first);
            wait_for(
                || matches!(guardians(pit, host)[..], [pid] if pid != first),
                seen,
            );
        });
    }
}

#[test]
#[ignore = "a process of its own, for the test above"]
fn a_host_with_busy_workers() {
    let pit = Pit::with_mark(&std::env::var("HOST_MARK").unwrap());
    let exec = std::env::var("HOST_MODE").unwrap() == "exec";
    let profile = if exec {
        pit.exec("zoo.py")
    } else {
        pit.profile("zoo.py")
    };
    runtime().block_on(async {
        let mut calls = Vec::new();
        for (command, args) in [
            ("hold_the_gil", Args::positional([1000])),
            ("hang", Args::none()),
            ("start_children_and_hang", Args::none()),
        ] {
            let worker = pit.launch(&profile).await.worker;
            let call = pit.request(command, args);
            calls.push(tokio::spawn(async move { worker.call(LANE, call).await }));
        }
        pit.running(3).await;
        writeln!(std::io::stdout(), "\nbusy").unwrap();
        if std::env::var_os("HOST_RETURNS").is_none() {
            for call in calls {
                let _ = call.await;
            }
        }
    });
}

#[test]
fn nothing_leaks() {
    succeeds(&mut alone("host::a_host_that_launches_and_drops"));
}

#[test]
#[ignore = "a process of its own, for the test above"]
fn a_host_that_launches_and_drops() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let round = |mode: SpawnMode, count: usize| {
        runtime().block_on(async {
            let pit = Pit::new();
            let profile = pit.builder("basic.py").spawn(mode).build();
            for _ in 0..count {
                let worker = pit.launch(&profile).await.worker;
                pit.call(&*worker, "echo", Args::none()).await.unwrap();
            }
            let failing = pit
                .builder("launches.py")
                .env("HOW", "raise")
                .spawn(mode)
                .build();
            pit.try_launch(&failing).await.unwrap_err();
            drop((profile, failing));
            pit.assert_empty().await;
        });
    };
    for mode in [SpawnMode::Auto, SpawnMode::Exec] {
        round(mode, 2);
        let before = (open(), threads());
        round(mode, 4);
        wait_for(
            || (open(), threads()) == before,
            || format!("{before:?} became {:?}", (open(), threads())),
        );
    }
}

#[test]
fn running_out_of_descriptors_is_an_error_and_nothing_more() {
    succeeds(&mut alone("host::a_host_with_few_descriptors"));
}

#[test]
#[ignore = "a process of its own, for the test above"]
fn a_host_with_few_descriptors() {
    runtime().block_on(async {
        let pit = Pit::new();
        let profile = pit.profile("basic.py");
        let first = pit.launch(&profile).await;
        let open = || fs::read_dir("/proc/self/fd").map_or(usize::MAX, Iterator::count);
        let before = open();
        // Numbers are given out from the lowest on, and there are none above the limit but inherited ones.
        let few = u64::try_from(before + 12).unwrap();
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(few),
                maximum,
            },
        )
        .unwrap();
        // By one each time, so that each step of a launch meets the limit once.
        let mut errors = BTreeSet::new();
        for spare in 0..12 {
            let hoard: Vec<_> = (0..spare)
                .map(|_| fs::File::open("/dev/null").unwrap())
                .collect();
            let mut workers = Vec::new();
            let error = loop {
                match pit.try_launch(&profile).await {
                    Ok(launched) => workers.push(launched),
                    Err(error) => break error,
                }
                assert!(workers.len() < 12);
            };
            assert!(
                error.hint().is_some_and(|hint| hint.contains("ulimit")),
                "{error:?}"
            );
            errors.insert(error.code());
            drop((workers, hoard));
            eventually(
                || open() == before,
                || format!("{before} became {}", open()),
            )
            .await;
            let answer = pit
                .call(&*first.worker, "echo", Args::positional([spare]))
                .await;
            assert_eq!(answer.unwrap(), spare.into(), "the others go on");
        }
        assert_eq!(errors.into_iter().collect::<Vec<_>>(), ["launch.spawn"]);
        // More than a socket holds takes a descriptor for a while.
        let hoard: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
        let large = "x".repeat(1 << 20);
        let args = Args::positional([large.as_str()]);
        let mut call = Box::pin(pit.call(&*first.worker, "echo", args));
        assert!(!poll_once(&mut call).await);
        drop(hoard);
        assert_eq!(call.await.unwrap(), large.into(), "it waits for one");
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )
        .unwrap();
        pit.launch(&profile).await;
        drop((first, profile));
        pit.assert_empty().await;
    });
}

#[test]
fn a_pool_recovers_from_a_lack_of_descriptors() {
    succeeds(&mut alone(
        "host::a_host_whose_pool_runs_out_of_descriptors",
    ));
}

/// Sets a limit of this process and gives the one before.
fn limit(resource: Resource, current: Option<u64>) -> Option<u64> {
    let old = getrlimit(resource);
    let maximum = old.maximum;
    setrlimit(resource, Rlimit { current, maximum }).unwrap();
    old.current
}

#[test]
#[ignore = "a process of its own, for the test above"]
fn a_host_whose_pool_runs_out_of_descriptors() {
    runtime().block_on(async {
        for mode in [SpawnMode::Zygote, SpawnMode::Exec] {
            let pit = Pit::new();
            let profile = Arc::new(pit.builder("basic.py").spawn(mode).build());
            let failures = Arc::new(parking_lot::Mutex::new(Vec::new()));
            let seen = Arc::clone(&failures);
            let pool = Pool::builder("poor", profile).size(2).event_sink(Arc::new(
                move |event: &Event| {
                    if let EventKind::LaunchFailed {
                        error, retry_in, ..
                    } = &event.kind
                    {
                        seen.lock().push((error.code(), retry_in.is_some()));
                    }
                },
            ));
            let pool = pool.start().await.unwrap();
            let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
            let old = limit(Resource::Nofile, Some(open));
            let (room, killed) = (Cell::new(open), Cell::new(None));
            // What was open for a moment only, as they were counted, may be enough to launch with: then there is less.
            let too_little = || {
                let snapshot = pool.snapshot();
                let youngest = snapshot.workers.last().and_then(|worker| worker.process);
                let is_new = snapshot.ready == 2 && youngest != killed.get();
                if let Some(process) = youngest.filter(|_| is_new) {
                    room.set(room.get() - 1);
                    limit(Resource::Nofile, Some(room.get()));
                    killed.set(youngest);
                    kill(process);
                }
                failures.lock().len() >= 2
            };
            eventually(too_little, || format!("{:?}", pool.snapshot())).await;
            // The other one serves, and so does the replacement as soon as there can be one.
            pool.call::<u8>("echo", 1).await.unwrap();
            limit(Resource::Nofile, old);
            eventually(
                || pool.snapshot().ready == 2,
                || format!("{:?}", pool.snapshot()),
            )
            .await;
            for failure in &*failures.lock() {
                assert_eq!(*failure, ("launch.spawn", true));
            }
            pool.shutdown().await;
            drop(pool);
            pit.assert_empty().await;
        }
    });
}

#[test]
fn a_host_that_adopts_orphans_buries_them() {
    succeeds(&mut alone("host::a_host_that_adopts_orphans"));
}

/// As the first process of a container does.
#[test]
#[ignore = "a process of its own, for the test above"]
fn a_host_that_adopts_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    runtime().block_on(async {
        let pit = Pit::new();
        let profile = pit.profile("zoo.py");
        let launched = pit.launch(&profile).await;
        pit.call(&*launched.worker, "start_a_child", Args::none())
            .await
            .unwrap();
        kill(pit.children()[0]);
        let report = launched.worker.exited().await;
        assert_eq!(report.cause(), "its zygote was killed (SIGKILL)");
        drop((launched, profile));
        // The worker's child is a child of ours now that nobody waits for. It is dead, and that is all we owe it.
        eventually(
            || pit.processes().is_empty(),
            || format!("{:?}", pit.processes()),
        )
        .await;
    });
}

/// The signal for a parent's death comes when the *thread* ends that started the child; threads of a runtime do.
#[test]
fn a_worker_outlives_the_thread_that_launched_it() {
    let pit = Arc::new(Pit::new());
    for mode in [SpawnMode::Zygote, SpawnMode::Exec] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_keep_alive(Duration::from_millis(1))
            .enable_all()
            .build()
            .unwrap();
        let profile = pit.builder("basic.py").spawn(mode).build();
        let (handle, context) = (runtime.handle().clone(), pit.context());
        let (thread, launched) = runtime
            .block_on(runtime.spawn_blocking(move || {
                let launched = handle.block_on(profile.launch(context)).unwrap();
                (rustix::thread::gettid(), launched)
            }))
            .unwrap();
        let task = format!("/proc/self/task/{}", thread.as_raw_nonzero());
        wait_for(
            || !fs::exists(&task).unwrap(),
            || "the thread lives on".into(),
        );
        runtime.block_on(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let answer = pit
                .call(&*launched.worker, "echo", Args::positional([1]))
                .await;
            assert_eq!(answer.unwrap(), 1.into());
        });
    }
}
