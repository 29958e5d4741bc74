//! What becomes of sessions: in the scheduler, one behaviour a test, and the table of them against a model.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::super::sessions::{Kept, Noted, Sessions, Standing};
use super::*;
use crate::session::{Left, Origin};

const STRICT: Affinity = Affinity::StrictQueue;

/// A call of the session, and what came of it.
fn visit(bench: &mut Bench, name: &str, affinity: Affinity) -> (CallId, Vec<Action>) {
    bench.arrive_with(Priority::Normal, Some((name, affinity)))
}

/// A call of the session that is answered. Where it ran.
fn use_session(bench: &mut Bench, name: &str, affinity: Affinity) -> WorkerId {
    let (call, _) = visit(bench, name, affinity);
    let worker = bench.worker_of(call).expect("it runs");
    bench.on(Input::Finished(call));
    worker
}

/// What the session's call takes along.
fn taken(actions: &[Action]) -> Visit {
    let visits = actions.iter().filter_map(|action| match action {
        Action::Grant { visit, .. } => visit.clone(),
        _ => None,
    });
    visits.last().expect("a call of a session was granted")
}

fn ends(actions: &[Action]) -> Vec<(String, SessionEnd)> {
    let ends = actions.iter().filter_map(|action| match action {
        Action::SessionEnded(ended, why) => Some((ended.session.to_string(), *why)),
        _ => None,
    });
    ends.collect()
}

/// Of the session that was opened first.
fn save(bench: &mut Bench, worker: WorkerId, state: &'static [u8]) -> Kept {
    let state = Some(Bytes::from_static(state));
    save_since(bench, (worker, u64::MAX), 1, state)
}

/// As what a call leaves that began at this edition.
fn save_since(
    bench: &mut Bench,
    (worker, since): (WorkerId, u64),
    version: u64,
    state: Option<Bytes>,
) -> Kept {
    let origin = Origin { worker, since };
    bench.sched.save_session(1, origin, version, state)
}

/// The sessions whose end workers may be told of, and how many.
fn left(actions: &[Action]) -> Vec<(String, usize)> {
    let left = actions.iter().filter_map(|action| match action {
        Action::SessionLeft(ended) => Some((ended.session.to_string(), ended.workers.len())),
        _ => None,
    });
    left.collect()
}

#[test]
fn a_strict_session_that_nobody_saves_is_lost_with_its_worker_and_then_begins_anew() {
    let mut bench = Bench::ready(2, 1);
    let home = use_session(&mut bench, "s", STRICT);
    bench.on(Input::Exited(home));
    let (_, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(refused(&actions), [Refusal::SessionLost(home)]);
    assert_eq!(ends(&actions), [("s".to_owned(), SessionEnd::Lost)]);
    let (_, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(taken(&actions).number, 2, "another session of that name");
}

#[test]
fn a_call_that_waits_for_a_worker_that_is_lost_is_told() {
    let mut bench = Bench::ready(2, 1);
    let home = use_session(&mut bench, "s", STRICT);
    visit(&mut bench, "s", STRICT);
    visit(&mut bench, "s", STRICT);
    let actions = bench.on(Input::Exited(home));
    assert_eq!(refused(&actions), [Refusal::SessionLost(home)]);
}

#[test]
fn a_strict_session_without_an_answer_has_nothing_to_lose() {
    let mut bench = Bench::ready(2, 1);
    let (first, _) = visit(&mut bench, "s", STRICT);
    let home = bench.worker_of(first).unwrap();
    bench.on(Input::Exited(home));
    let (_, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(refused(&actions), []);
}

#[test]
fn a_hinted_session_moves_without_a_word() {
    let mut bench = Bench::ready(2, 1);
    let home = use_session(&mut bench, "s", Affinity::Hint);
    bench.on(Input::Exited(home));
    let (call, actions) = visit(&mut bench, "s", Affinity::Hint);
    let to = bench.worker_of(call).unwrap();
    let moved = Action::SessionMoved {
        session: "s".into(),
        from: home,
        to,
        with_state: false,
    };
    assert!(actions.contains(&moved), "{actions:?}");
}

#[test]
fn a_saved_session_goes_on_elsewhere_with_what_it_left() {
    let mut bench = Bench::ready(2, 1);
    let home = use_session(&mut bench, "s", STRICT);
    assert_eq!(save(&mut bench, home, b"left"), Kept::Well);
    bench.on(Input::Exited(home));
    let (call, actions) = visit(&mut bench, "s", STRICT);
    let left = Some(Left {
        edition: 1,
        state: Bytes::from_static(b"left"),
    });
    assert_eq!(taken(&actions).left, left);
    let next = bench.worker_of(call).unwrap();
    bench.on(Input::Finished(call));
    let (again, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(taken(&actions).left, left, "nobody said it was loaded");
    bench.on(Input::Finished(again));
    save(&mut bench, next, b"left");
    let (_, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(taken(&actions).left, None);
}

#[test]
fn a_saved_session_does_not_hold_a_worker_that_is_replaced() {
    let mut bench = Bench::ready(1, 1);
    let old = use_session(&mut bench, "s", STRICT);
    save(&mut bench, old, b"left");
    bench.pass(PoolSettings::default().session_drain);
    use_session(&mut bench, "s", STRICT);
    bench.on(Input::Retire(old, RetireReason::Recycle));
    bench.finish_launches(1);
    assert_eq!(bench.state(old), Some(WorkerState::Stopping));
    assert_ne!(use_session(&mut bench, "s", STRICT), old);
}

#[test]
fn a_strict_session_goes_on_elsewhere_only_when_its_call_is_over() {
    let mut bench = Bench::ready(1, 1);
    let old = use_session(&mut bench, "s", STRICT);
    save(&mut bench, old, b"left");
    bench.pass(PoolSettings::default().session_drain);
    let (running, _) = visit(&mut bench, "s", STRICT);
    let (waiting, _) = visit(&mut bench, "s", STRICT);
    bench.on(Input::Retire(old, RetireReason::Recycle));
    let actions = bench.finish_launches(1);
    assert_eq!(bench.state(old), Some(WorkerState::Draining));
    assert_eq!(granted(&actions), []);
    let (later, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(granted(&actions), []);
    let (_, actions) = visit(&mut bench, "s", Affinity::StrictFailFast);
    assert_eq!(refused(&actions), [Refusal::SessionBusy]);
    let state = Some(Bytes::from_static(b"newer"));
    save_since(&mut bench, (old, 1), 2, state.clone());
    let actions = bench.on(Input::Finished(running));
    assert_eq!(granted(&actions), [waiting], "in order");
    assert_eq!(taken(&actions).left.map(|left| left.state), state);
    assert_eq!(granted(&bench.on(Input::Finished(waiting))), [later]);
}

#[test]
fn what_a_former_home_says_too_late_is_not_heard() {
    let mut bench = Bench::ready(2, 1);
    let (first, actions) = visit(&mut bench, "s", STRICT);
    let home = bench.worker_of(first).unwrap();
    let early = taken(&actions).since;
    save(&mut bench, home, b"one");
    bench.on(Input::Exited(home));
    let (second, actions) = visit(&mut bench, "s", STRICT);
    let next = bench.worker_of(second).unwrap();
    let left = |text: &'static [u8]| Some(Bytes::from_static(text));
    save_since(&mut bench, (next, taken(&actions).since), 1, left(b"two"));
    save_since(&mut bench, (home, early), 2, left(b"late"));
    bench.on(Input::Exited(next));
    bench.finish_launches(2);
    let (_, actions) = visit(&mut bench, "s", STRICT);
    let taken = taken(&actions).left.map(|left| left.state);
    assert_eq!(taken, left(b"two"));
}

#[test]
fn what_is_handed_out_has_another_edition_than_what_is_left_after_that() {
    let mut bench = Bench::ready(2, 1);
    let home = use_session(&mut bench, "s", Affinity::Hint);
    save(&mut bench, home, b"one");
    let (kept, _) = visit(&mut bench, "s", Affinity::Hint);
    let edition = |actions: &[Action]| taken(actions).left.map(|left| left.edition);
    let (elsewhere, actions) = visit(&mut bench, "s", Affinity::Hint);
    let before = edition(&actions);
    // It was cancelled there, and left nothing.
    bench.on(Input::Finished(elsewhere));
    let state = Some(Bytes::from_static(b"two"));
    save_since(&mut bench, (home, 1), 2, state);
    let (_, actions) = visit(&mut bench, "s", Affinity::Hint);
    assert!(edition(&actions) > before, "{actions:?}");
    bench.on(Input::Finished(kept));
}

#[test]
fn a_strict_session_that_cannot_be_handed_over_any_more_is_lost_with_its_worker() {
    let mut bench = Bench::ready(2, 1);
    let home = use_session(&mut bench, "s", STRICT);
    save(&mut bench, home, b"left");
    save_since(&mut bench, (home, 1), 2, None);
    bench.on(Input::Exited(home));
    let (_, actions) = visit(&mut bench, "s", STRICT);
    assert_eq!(refused(&actions), [Refusal::SessionLost(home)]);
}

#[test]
fn workers_are_told_of_a_session_when_its_last_call_is_over() {
    let mut bench = Bench::ready(1, 2);
    let (one, _) = visit(&mut bench, "s", STRICT);
    let (two, _) = visit(&mut bench, "s", STRICT);
    let actions = bench.on(Input::CloseSession("s".into()));
    assert_eq!(ends(&actions), [("s".to_owned(), SessionEnd::Closed)]);
    assert_eq!(left(&bench.on(Input::Finished(one))), []);
    let actions = bench.on(Input::Finished(two));
    assert_eq!(left(&actions), [("s".to_owned(), 1)]);
}

#[test]
fn every_worker_there_is_that_saw_a_session_is_told() {
    let mut bench = Bench::ready(20, 1);
    use_session(&mut bench, "s", Affinity::Hint);
    let calls: Vec<_> = (0..20)
        .map(|_| visit(&mut bench, "s", Affinity::Hint).0)
        .collect();
    for call in calls {
        bench.on(Input::Finished(call));
    }
    let actions = bench.on(Input::CloseSession("s".into()));
    let told = actions.iter().find_map(|action| match action {
        Action::SessionEnded(ended, _) => Some(ended.workers.len()),
        _ => None,
    });
    assert_eq!(told, Some(20));
}

#[test]
fn a_pool_with_as_many_sessions_as_it_may_have_takes_another_when_one_has_expired() {
    let mut bench = Bench::with(PoolSettings {
        size: 1,
        max_sessions: 2,
        session_ttl: Duration::from_secs(60),
        ..PoolSettings::default()
    });
    bench.finish_launches(1);
    use_session(&mut bench, "a", Affinity::Hint);
    bench.now += Duration::from_secs(10);
    use_session(&mut bench, "b", Affinity::Hint);
    let (_, actions) = visit(&mut bench, "c", Affinity::Hint);
    assert_eq!(refused(&actions), [Refusal::TooManySessions(2)]);
    use_session(&mut bench, "b", Affinity::Hint);
    bench.now += Duration::from_secs(50);
    let (_, actions) = visit(&mut bench, "c", Affinity::Hint);
    assert_eq!(refused(&actions), []);
    assert_eq!(ends(&actions), [("a".to_owned(), SessionEnd::Expired)]);
}

#[test]
fn a_session_expires_by_itself_but_not_while_a_call_runs() {
    let mut bench = Bench::ready(1, 1);
    let ttl = Duration::from_secs(60);
    let (call, _) = visit(&mut bench, "s", STRICT);
    assert_eq!(ends(&bench.pass(ttl * 3)), []);
    bench.on(Input::Finished(call));
    assert_eq!(
        ends(&bench.pass(ttl * 2 + Duration::from_secs(2))),
        [("s".to_owned(), SessionEnd::Expired)]
    );
    assert_eq!(bench.sched.session_count(), (0, 0));
    assert_eq!(bench.sched.wake_at(), None);
}

#[test]
fn a_closed_session_is_another_one_when_its_name_is_used_again() {
    let mut bench = Bench::ready(1, 2);
    let (running, _) = visit(&mut bench, "s", STRICT);
    let home = bench.worker_of(running).unwrap();
    save(&mut bench, home, b"left");
    let actions = bench.on(Input::CloseSession("s".into()));
    assert_eq!(ends(&actions), [("s".to_owned(), SessionEnd::Closed)]);
    assert_eq!(bench.on(Input::CloseSession("s".into())), []);
    let (_, actions) = visit(&mut bench, "s", STRICT);
    let expected = Visit {
        number: 2,
        left: None,
        since: 0,
    };
    assert_eq!(taken(&actions), expected);
    assert_eq!(save(&mut bench, home, b"late"), Kept::Well);
    assert_eq!(bench.sched.session_count(), (1, 0), "of the one before");
}

#[test]
fn a_call_for_one_worker_waits_for_it_past_the_limit_of_the_queue_and_ends_with_it() {
    let mut bench = Bench::new(2, 0);
    bench.finish_launches(1);
    let (running, _) = bench.arrive();
    let worker = bench.worker_of(running).unwrap();
    let ask = |bench: &mut Bench, number| {
        bench.on(Input::Arrived(Arrival {
            call: CallId::new(number),
            priority: Priority::Normal,
            session: None,
            only_on: Some(worker),
            give_up_at: bench.now + Duration::from_secs(1),
            deadline: bench.now + Duration::from_secs(1),
        }))
    };
    assert_eq!(ask(&mut bench, 100), [], "though another worker is free");
    let actions = bench.on(Input::Finished(running));
    assert_eq!(granted(&actions), [CallId::new(100)]);
    assert_eq!(ask(&mut bench, 101), []);
    let actions = bench.on(Input::Exited(worker));
    assert_eq!(refused(&actions), [Refusal::WorkerGone]);
    assert_eq!(refused(&ask(&mut bench, 102)), [Refusal::WorkerGone]);
}

/// A call that needs what this worker keeps for the session.
fn need(bench: &mut Bench, number: u64, name: &str, worker: WorkerId) -> (CallId, Vec<Action>) {
    let call = CallId::new(number);
    let actions = bench.on(Input::Arrived(Arrival {
        call,
        priority: Priority::Normal,
        session: Some((name.into(), STRICT)),
        only_on: Some(worker),
        give_up_at: bench.now + Duration::from_secs(1),
        deadline: bench.now + Duration::from_secs(1),
    }));
    (call, actions)
}

#[test]
fn a_call_that_needs_what_a_worker_keeps_runs_there_while_there_is_its_session() {
    let mut bench = Bench::ready(2, 1);
    let (first, _) = visit(&mut bench, "s", Affinity::Hint);
    let (second, _) = visit(&mut bench, "s", Affinity::Hint);
    let (home, other) = (
        bench.worker_of(first).unwrap(),
        bench.worker_of(second).unwrap(),
    );
    assert_ne!(home, other);
    bench.on(Input::Finished(first));
    bench.on(Input::Finished(second));
    for (number, worker) in [(100, other), (101, home), (102, other)] {
        let (call, _) = need(&mut bench, number, "s", worker);
        assert_eq!(bench.worker_of(call), Some(worker));
        bench.on(Input::Finished(call));
    }
    bench.on(Input::CloseSession("s".into()));
    let (_, actions) = need(&mut bench, 103, "s", home);
    assert_eq!(refused(&actions), [Refusal::WorkerGone]);
    assert!(
        !bench.sched.has_session(&"s".into(), bench.now),
        "none was opened"
    );
}

#[test]
fn what_a_session_keeps_is_waited_for_in_the_queue_as_everything_else() {
    let mut bench = Bench::with(PoolSettings {
        size: 1,
        queue_size: 1,
        ..PoolSettings::default()
    });
    bench.finish_launches(1);
    let (running, _) = visit(&mut bench, "s", STRICT);
    let worker = bench.worker_of(running).unwrap();
    assert_eq!(need(&mut bench, 100, "s", worker).1, []);
    let (_, actions) = need(&mut bench, 101, "s", worker);
    assert_eq!(refused(&actions), [Refusal::QueueFull]);
}

/// Something that happens to the table.
#[derive(Clone, Debug)]
enum Op {
    Enter(u8, u8, bool),
    Leave(usize, bool),
    Save(u8, u8, u8, u16, u64),
    End(u8),
    Wait(u8),
    Expire,
}

fn op() -> impl Strategy<Value = Op> {
    let (name, worker) = (0..4u8, 0..3u8);
    prop_oneof![
        4 => (name.clone(), worker.clone(), any::<bool>()).prop_map(|(n, w, s)| Op::Enter(n, w, s)),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(call, answered)| Op::Leave(call, answered)),
        3 => (name.clone(), worker, 0..4u8, 0..12u16, 0..3u64)
            .prop_map(|(n, w, v, s, behind)| Op::Save(n, w, v, s, behind)),
        1 => name.prop_map(Op::End),
        3 => (0..15u8).prop_map(Op::Wait),
        2 => Just(Op::Expire),
    ]
}

/// A session as the model has it.
struct Known {
    number: u64,
    home: WorkerId,
    seen_by: BTreeSet<WorkerId>,
    used: Instant,
    running: u32,
    answered: bool,
    saved: Option<(WorkerId, u64, Option<usize>)>,
    edition: u64,
}

impl Known {
    fn is_saved(&self) -> bool {
        matches!(self.saved, Some((_, _, Some(_))))
    }

    fn told(&self) -> WorkerId {
        self.saved.map_or(self.home, |(by, _, _)| by)
    }
}

const LIMIT: usize = 8;
const TTL: Duration = Duration::from_secs(10);

fn is_over(known: &Known, now: Instant) -> bool {
    known.running == 0 && now >= known.used + TTL
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_table_agrees_with_a_model(ops in prop::collection::vec(op(), 0..120)) {
        let mut table = Sessions::new(&PoolSettings {
            session_ttl: TTL,
            session_state_limit: LIMIT as u64,
            ..PoolSettings::default()
        });
        let mut model: BTreeMap<SessionId, Known> = BTreeMap::new();
        let mut calls: Vec<(SessionId, u64)> = Vec::new();
        let (mut now, mut last) = (Instant::now(), 0);
        let name = |number: u8| SessionId::new(format!("s{number}"));
        let worker = |number: u8| WorkerId::new(u64::from(number) + 1);
        for op in ops {
            match op {
                Op::Enter(session, at, stays) => {
                    let (session, at) = (name(session), worker(at));
                    // As the scheduler does: what is over is ended when its name is used.
                    if table.look(&session, now) == Standing::Expired {
                        let known = model.remove(&session).expect("the model knows it");
                        prop_assert!(is_over(&known, now));
                        table.end(&session);
                    }
                    let Noted { visit, opened, moved_from } = table.enter(&session, at, now, |_| stays, |_| true);
                    calls.push((session.clone(), visit.number));
                    prop_assert_eq!(opened, !model.contains_key(&session));
                    let known = model.entry(session.clone()).or_insert_with(|| Known {
                        number: visit.number,
                        home: at,
                        seen_by: BTreeSet::new(),
                        used: now,
                        running: 0,
                        answered: false,
                        saved: None,
                        edition: 0,
                    });
                    if opened {
                        prop_assert!(visit.number > last, "numbers are not used again");
                        last = visit.number;
                    }
                    prop_assert_eq!(visit.number, known.number);
                    let moved = (known.home != at && !stays).then_some(known.home);
                    prop_assert_eq!(moved_from, moved);
                    known.home = if moved.is_some() { at } else { known.home };
                    known.seen_by.insert(at);
                    known.running += 1;
                    known.used = now;
                    prop_assert_eq!(table.is_unsaved(&session, known.number), !known.is_saved());
                    prop_assert_eq!(visit.since, known.edition);
                    let left = known.saved.filter(|(by, ..)| *by != at).and_then(|(_, _, size)| size);
                    let left = left.filter(|size| *size > 0);
                    prop_assert_eq!(visit.left.map(|left| left.state.len()), left);
                }
                Op::Leave(index, answered) if !calls.is_empty() => {
                    let (session, number) = calls.swap_remove(index % calls.len());
                    let over = table.leave(&session, number, answered, now);
                    let last = !calls.iter().any(|(_, other)| *other == number);
                    let gone = model.get(&session).is_none_or(|known| known.number != number);
                    prop_assert_eq!(over.map(|ended| ended.number), (gone && last).then_some(number));
                    if let Some(known) = model.get_mut(&session).filter(|known| known.number == number) {
                        known.running -= 1;
                        known.used = now;
                        known.answered |= answered;
                    }
                }
                Op::Leave(..) => {}
                Op::Save(session, at, version, size, behind) => {
                    let (session, at, version, size) = (name(session), worker(at), u64::from(version), usize::from(size));
                    let Some(known) = model.get_mut(&session) else { continue };
                    let since = known.edition.saturating_sub(behind);
                    table.save(known.number, Origin { worker: at, since }, version, Some(vec![0; size].into()));
                    let late = known.saved.is_some_and(|(by, kept, _)| {
                        if by == at { kept > version } else { at != known.home && known.edition > since }
                    });
                    if !late {
                        known.edition += 1;
                        known.saved = Some((at, version, (size <= LIMIT).then_some(size)));
                        known.seen_by.insert(at);
                    }
                }
                Op::End(session) => {
                    let session = name(session);
                    let (ended, known) = (table.end(&session), model.remove(&session));
                    prop_assert_eq!(ended.is_some(), known.is_some());
                    if let (Some(ended), Some(known)) = (ended, known) {
                        prop_assert_eq!(ended.workers.first().copied(), (known.running == 0).then_some(known.told()));
                        let told: BTreeSet<_> = ended.workers.iter().copied().collect();
                        prop_assert_eq!(told.len(), ended.workers.len(), "nobody is told twice");
                        prop_assert!(told.is_subset(&known.seen_by));
                    }
                }
                Op::Wait(seconds) => now += Duration::from_secs(seconds.into()),
                Op::Expire => {
                    for ended in table.expire(now) {
                        let known = model.remove(&ended.session).expect("the model knows it");
                        prop_assert!(is_over(&known, now));
                    }
                    prop_assert!(!model.values().any(|known| is_over(known, now)), "one was forgotten");
                    prop_assert!(table.next_end().is_none_or(|at| at > now));
                }
            }
            prop_assert_eq!(table.len(), model.len());
            let bytes: usize = model.values().filter_map(|known| known.saved).filter_map(|(_, _, size)| size).sum();
            prop_assert_eq!(table.saved_bytes(), bytes as u64);
            for (session, known) in &model {
                let expected = if is_over(known, now) {
                    Standing::Expired
                } else {
                    Standing::Open { home: known.home, movable: known.is_saved() || !known.answered, saving: known.is_saved() && known.running > 0 }
                };
                prop_assert_eq!(table.look(session, now), expected);
            }
        }
    }
}
