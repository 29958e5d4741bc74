//! Sessions in a pool of real workers: what they keep, what moves with them, what is lost, what closing does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use snakepit_core::error::Rejection;
use snakepit_core::event::{Event, EventKind, SessionEnd};
use snakepit_core::{
    Affinity, CallError, EventSink, Pool, PoolSettings, Retry, Session, WorkerId, WorkerProfile,
};

use crate::support::{LIMIT, Pit, eventually, kill, python_version};

/// A process, and what the session has in it.
type Items = (u32, Vec<i64>);

/// What happened to sessions, and what was logged, in words.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn sink(&self) -> Arc<dyn EventSink> {
        let told = Arc::clone(&self.0);
        Arc::new(move |event: &Event| {
            let words = match &event.kind {
                EventKind::SessionOpened { session, .. } => format!("opened {session}"),
                EventKind::SessionMoved {
                    session,
                    with_state,
                    ..
                } => format!("moved {session} {with_state}"),
                EventKind::SessionClosed { session, reason } => {
                    format!("closed {session} {reason:?}")
                }
                EventKind::Log { line, .. } => format!("log {}", line.text),
                _ => return,
            };
            told.lock().push(words);
        })
    }

    fn of(&self, start: &str) -> Vec<String> {
        let told = self.0.lock();
        told.iter()
            .filter(|words| words.starts_with(start))
            .cloned()
            .collect()
    }
}

fn settings(size: usize) -> PoolSettings {
    PoolSettings {
        size,
        session_affinity: Affinity::StrictQueue,
        queue_timeout: LIMIT,
        ..PoolSettings::default()
    }
}

async fn pool(profile: impl WorkerProfile, settings: PoolSettings, told: &Told) -> Pool {
    let builder = Pool::builder("sessions", Arc::new(profile)).settings(settings);
    builder
        .event_sink(told.sink())
        .start()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The zygote ends with the last handle of the pool, of which each session has one.
async fn end<const N: usize>(pool: Pool, sessions: [Session; N], pit: &Pit) {
    pool.shutdown().await;
    drop((pool, sessions));
    pit.assert_empty().await;
}

async fn add(session: &Session, item: i64) -> Items {
    session.call("add", item).await.unwrap()
}

async fn refused(session: &Session) -> (CallError, Rejection) {
    let error = session.call::<Items>("add", 0).await.unwrap_err();
    let CallError::Rejected { reason, .. } = error.clone() else {
        panic!("{error}");
    };
    (error, reason)
}

fn worker_of(pool: &Pool, session: &str) -> WorkerId {
    let sessions = pool.sessions();
    let found = sessions
        .iter()
        .find(|found| found.session.as_str() == session);
    found.expect("it is open").worker
}

/// Has the session's worker replaced, and waits until it is gone.
async fn recycle(pool: &Pool, session: &str) {
    let worker = worker_of(pool, session);
    pool.recycle(worker).unwrap();
    let gone = || {
        let snapshot = pool.snapshot();
        snapshot.ready == snapshot.target && snapshot.workers.iter().all(|one| one.worker != worker)
    };
    eventually(gone, || format!("{:?}", pool.snapshot())).await;
}

/// Kills the session's worker, and waits until the pool knows.
async fn lose(pool: &Pool, session: &str, process: u32) {
    let worker = worker_of(pool, session);
    kill(process);
    let gone = || {
        pool.snapshot()
            .workers
            .iter()
            .all(|one| one.worker != worker)
    };
    eventually(gone, || format!("{:?}", pool.snapshot())).await;
}

#[tokio::test]
async fn a_session_meets_one_worker_and_what_it_keeps_there() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions.py"), settings(3), &told).await;
    let (a, b) = (pool.session("a"), pool.session("b"));
    let (process, items) = add(&a, 1).await;
    assert_eq!(items, [1]);
    assert_eq!(add(&b, 5).await.1, [5]);
    assert_eq!(add(&a, 2).await, (process, vec![1, 2]));
    let by_request = pool.request("add", 3).session("a").call::<Items>().await;
    assert_eq!(by_request.unwrap(), (process, vec![1, 2, 3]));
    let stream = a.stream::<Items>("stream", 2).await.unwrap();
    let last = stream.map(Result::unwrap).collect::<Vec<_>>().await.pop();
    assert_eq!(last, Some((process, vec![1, 2, 3, 0, 1])));
    let mut sessions = pool.sessions();
    sessions.sort_by(|one, other| one.session.cmp(&other.session));
    let calls: Vec<_> = sessions.iter().map(|one| one.calls).collect();
    assert_eq!(calls, [4, 1]);
    assert_eq!(sessions[1].saved, br#"{"items": [5]}"#.len());
    let snapshot = pool.snapshot();
    let bytes: usize = sessions.iter().map(|one| one.saved).sum();
    assert_eq!(
        (snapshot.sessions, snapshot.session_bytes),
        (2, bytes as u64)
    );
    assert_eq!(told.of("opened"), ["opened a", "opened b"]);
    end(pool, [a, b], &pit).await;
}

#[tokio::test]
async fn recycling_keeps_a_session_that_is_saved() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions.py"), settings(1), &told).await;
    let session = pool.session("a");
    let (before, _) = add(&session, 1).await;
    recycle(&pool, "a").await;
    let (after, items) = add(&session, 2).await;
    assert_ne!(before, after);
    assert_eq!(items, [1, 2]);
    assert_eq!(told.of("moved"), ["moved a true"]);
    recycle(&pool, "a").await;
    assert_eq!(add(&session, 3).await.1, [1, 2, 3]);
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn a_killed_worker_costs_a_saved_session_nothing_that_was_answered() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions.py"), settings(1), &told).await;
    let session = pool.session("a");
    let (process, _) = add(&session, 1).await;
    let nap = tokio::spawn({
        let session = session.clone();
        async move { session.call::<()>("nap", (600, 2)).await }
    });
    let running = || pool.snapshot().running == 1;
    eventually(running, || format!("{:?}", pool.snapshot())).await;
    lose(&pool, "a", process).await;
    assert_eq!(nap.await.unwrap().unwrap_err().code(), "call.worker_lost");
    assert_eq!(add(&session, 3).await.1, [1, 3]);
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn a_cancelled_call_does_not_come_between_a_session_and_its_state() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions.py"), settings(1), &told).await;
    let session = pool.session("a");
    let (process, _) = add(&session, 1).await;
    let late = session.request("nap", (600, 2));
    let late = late.timeout(Duration::from_millis(50)).call::<()>().await;
    assert_eq!(late.unwrap_err().code(), "call.timeout");
    assert_eq!(add(&session, 3).await, (process, vec![1, 2, 3]));
    lose(&pool, "a", process).await;
    assert_eq!(add(&session, 4).await.1, [1, 2, 3, 4]);
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn a_strict_session_nobody_saves_is_lost_with_its_worker_and_one_call_is_told() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions_unsaved.py"), settings(1), &told).await;
    let session = pool.session("a");
    let (process, _) = add(&session, 1).await;
    let worker = worker_of(&pool, "a");
    lose(&pool, "a", process).await;
    let (error, reason) = refused(&session).await;
    assert_eq!(
        (error.code(), error.retry()),
        ("pool.session_lost", Retry::Later)
    );
    assert!(error.hint().unwrap().contains("load_session"));
    let Rejection::SessionLost {
        worker: by, why, ..
    } = reason
    else {
        panic!("{reason}");
    };
    assert_eq!(by, worker);
    assert!(why.contains("SIGKILL"), "{why}");
    assert_eq!(add(&session, 2).await.1, [2]);
    let end_of_it = format!("closed a {:?}", SessionEnd::Lost);
    assert_eq!(told.of("closed"), [end_of_it]);
    recycle(&pool, "a").await;
    let (_, reason) = refused(&session).await;
    let text = reason.to_string();
    assert!(text.ends_with("its replacement was asked for"), "{text}");
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn a_hinted_session_nobody_saves_begins_empty_elsewhere() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions_unsaved.py"), settings(1), &told).await;
    let session = pool.session("a").affinity(Affinity::Hint);
    let (process, _) = add(&session, 1).await;
    lose(&pool, "a", process).await;
    assert_eq!(add(&session, 2).await.1, [2]);
    assert_eq!(told.of("moved"), ["moved a false"]);
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn closing_reaches_the_adapter_once_and_a_name_can_be_used_again() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions.py"), settings(1), &told).await;
    let session = pool.session("a");
    add(&session, 1).await;
    session.close().await.unwrap();
    assert_eq!(add(&session, 2).await.1, [2], "another session");
    let unknown = pool.close_session("never").await.unwrap_err();
    assert!(unknown.to_string().contains("`never`"), "{unknown}");
    session.close().await.unwrap();
    assert!(session.close().await.is_err());
    let closed = Mutex::new(Vec::new());
    let start = std::time::Instant::now();
    while closed.lock().len() < 2 {
        assert!(start.elapsed() < LIMIT);
        *closed.lock() = pool
            .call::<(u32, Vec<(String, Vec<i64>)>)>("closed", ())
            .await
            .unwrap()
            .1;
    }
    let expected = [("a".to_owned(), vec![1]), ("a".to_owned(), vec![2])];
    assert_eq!(*closed.lock(), expected);
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn closing_waits_for_no_worker() {
    let (pit, told) = (Pit::new(), Told::default());
    let pool = pool(pit.profile("sessions.py"), settings(1), &told).await;
    let session = pool.session("a");
    add(&session, 1).await;
    let nap = pool.request("nap", 600);
    let stop = nap.cancel_handle();
    let nap = tokio::spawn(nap.call::<()>());
    let running = || pool.snapshot().running == 1;
    eventually(running, || format!("{:?}", pool.snapshot())).await;
    session.close().await.unwrap();
    assert_eq!(pool.snapshot().sessions, 0);
    assert!(stop.cancel(), "it goes on");
    nap.await.unwrap().unwrap_err();
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn an_unused_session_expires_and_its_adapter_is_told() {
    let (pit, told) = (Pit::new(), Told::default());
    let settings = PoolSettings {
        session_ttl: Duration::from_millis(50),
        ..settings(1)
    };
    let pool = pool(pit.profile("sessions.py"), settings, &told).await;
    add(&pool.session("a"), 1).await;
    eventually(|| pool.snapshot().sessions == 0, || "it lives".into()).await;
    assert_eq!(told.of("closed"), ["closed a Expired"]);
    assert!(pool.close_session("a").await.is_err());
    let heard = || async {
        pool.call::<(u32, Vec<(String, Vec<i64>)>)>("closed", ())
            .await
    };
    let start = std::time::Instant::now();
    while heard().await.unwrap().1.is_empty() {
        assert!(start.elapsed() < LIMIT);
    }
    end(pool, [], &pit).await;
}

#[tokio::test]
async fn sessions_over_the_limit_are_rejected_with_both_numbers() {
    let (pit, told) = (Pit::new(), Told::default());
    let settings = PoolSettings {
        max_sessions: 2,
        ..settings(1)
    };
    let pool = pool(pit.profile("sessions.py"), settings, &told).await;
    let (a, c) = (pool.session("a"), pool.session("c"));
    add(&a, 1).await;
    add(&pool.session("b"), 1).await;
    let (error, reason) = refused(&c).await;
    assert_eq!(
        (error.code(), error.retry()),
        ("pool.too_many_sessions", Retry::Later)
    );
    assert_eq!(reason.to_string(), "has 2 sessions, the limit is 2");
    add(&a, 2).await;
    a.close().await.unwrap();
    add(&c, 1).await;
    end(pool, [a, c], &pit).await;
}

#[tokio::test]
async fn what_is_over_the_limit_of_bytes_is_said_once_and_not_handed_over() {
    let (pit, told) = (Pit::new(), Told::default());
    let settings = PoolSettings {
        session_state_limit: 1000,
        ..settings(1)
    };
    let pool = pool(pit.profile("sessions.py"), settings, &told).await;
    let session = pool.session("a");
    for size in [2000, 3000] {
        session.call::<()>("grow", size).await.unwrap();
    }
    let (logged, expected) = (
        told.of("log session"),
        "over `session_state_limit` (1000 bytes)",
    );
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains(expected), "{logged:?}");
    assert_eq!(pool.snapshot().session_bytes, 0);
    recycle(&pool, "a").await;
    refused(&session).await;
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn interpreters_that_share_nothing_refuse_sessions_and_say_what_to_do() {
    if python_version() < (3, 14) {
        return;
    }
    let (pit, told) = (Pit::new(), Told::default());
    let saved = pit
        .interpreters("sessions.py")
        .threads_per_worker(2)
        .build();
    let refused = Pool::builder("sessions", Arc::new(saved)).size(1).start();
    let error = refused.await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_permanent()),
        ("launch.adapter", true)
    );
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("`threads_per_worker: 1`"), "{error}");
    let unsaved = pit.interpreters("sessions_unsaved.py");
    let pool = pool(unsaved.threads_per_worker(2).build(), settings(1), &told).await;
    let session = pool.session("a");
    let error = session.call::<Items>("add", 0).await.unwrap_err();
    assert!(error.is("snakepit_bridge.SessionStateError"), "{error}");
    end(pool, [session], &pit).await;
    let single = pit.interpreters("sessions.py").threads_per_worker(1);
    let pool = self::pool(single.build(), settings(1), &told).await;
    let session = pool.session("a");
    let (process, _) = add(&session, 1).await;
    lose(&pool, "a", process).await;
    assert_eq!(add(&session, 2).await.1, [1, 2]);
    end(pool, [session], &pit).await;
}

#[tokio::test]
async fn the_lanes_of_a_thread_worker_share_a_session() {
    let (pit, told) = (Pit::new(), Told::default());
    let profile = pit.threads("sessions.py").threads_per_worker(4).build();
    let pool = pool(profile, settings(2), &told).await;
    let session = pool.session("a");
    let calls = (0..40).map(|item| add(&session, item));
    let answers = futures_util::future::join_all(calls).await;
    let processes: std::collections::BTreeSet<_> = answers.iter().map(|(one, _)| *one).collect();
    assert_eq!(processes.len(), 1);
    let (process, mut items) = add(&session, 40).await;
    items.sort_unstable();
    assert_eq!(items, (0..41).collect::<Vec<_>>());
    lose(&pool, "a", process).await;
    assert_eq!(add(&session, 41).await.1.len(), 42);
    end(pool, [session], &pit).await;
}
