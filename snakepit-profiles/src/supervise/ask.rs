//! What a worker can be asked: whether it answers, where a call is, to give memory back; must not know why.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use snakepit_core::error::ExitReport;
use tokio::sync::{MutexGuard, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::Handle;
use super::words::Words;
use crate::frame::{Header, Kind};

/// How long a question about a call may go unanswered before native code is taken to hold the GIL.
const SILENCE: Duration = Duration::from_millis(100);

/// How long stacks may take that the worker's signal handler writes: a moment, but for the processor it has to wait for.
const DUMP: Duration = Duration::from_secs(1);

/// How long to wait before a ping is sent again for which there was no room.
const AGAIN: Duration = Duration::from_millis(50);

/// Stacks are written in one go. Nothing for this long is their end, if that does not show.
const PAUSE: Duration = Duration::from_millis(2);

/// How long giving back memory may take. Beyond it native code holds the GIL.
const TRIM: Duration = Duration::from_secs(10);

/// Questions of one kind that wait for their answers; `None` once nobody will answer any more.
///
/// Those to one id are answered in order. A question whose asker has left stays until its answer comes, so that the answer
/// is not taken for another's, nor for a lie.
#[derive(Debug)]
pub(super) struct Questions<T>(Mutex<Option<Waiting<T>>>);

type Waiting<T> = HashMap<u64, VecDeque<oneshot::Sender<T>>>;

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }
}

impl<T> Questions<T> {
    /// Asks by `send`, which says whether the question is on its way. `None` if it is not, or nobody is left to answer.
    fn ask(&self, id: u64, send: impl FnOnce() -> bool) -> Option<oneshot::Receiver<T>> {
        let mut waiting = self.0.lock();
        let waiting = waiting.as_mut()?;
        // Locked, so that questions are sent in the order in which they wait, and before an answer is looked for.
        if !send() {
            return None;
        }
        let (sender, answer) = oneshot::channel();
        waiting.entry(id).or_default().push_back(sender);
        Some(answer)
    }

    /// Passes an answer on; false if nobody had asked.
    pub(super) fn answer(&self, id: u64, answer: T) -> bool {
        let mut locked = self.0.lock();
        let Some(waiting) = locked.as_mut() else {
            return false;
        };
        let Some(senders) = waiting.get_mut(&id) else {
            return false;
        };
        let sender = senders.pop_front();
        if senders.is_empty() {
            waiting.remove(&id);
        }
        drop(locked);
        sender.is_some_and(|sender| {
            let _ = sender.send(answer);
            true
        })
    }

    /// The worker is gone: nobody will answer.
    pub(super) fn close(&self) {
        let waiting = self.0.lock().take();
        drop(waiting);
    }
}

impl Handle {
    /// Waits until the worker answers a ping or is gone.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn ping(&self) -> Result<(), ExitReport> {
        let mut pongs = self.0.pongs.subscribe();
        let number = loop {
            if let Some(number) = self.send_ping() {
                break number;
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                report = self.exited() => return Err(ExitReport::clone(&report)),
            }
        };
        // Answers come in order, so the n-th answer is to the n-th ping, whoever sent it.
        tokio::select! {
            _ = pongs.wait_for(|&count| count >= number) => Ok(()),
            report = self.exited() => Err(ExitReport::clone(&report)),
        }
    }

    /// Sends a ping and returns its number; `None` if there is no room for it. Only pings that are sent are counted.
    fn send_ping(&self) -> Option<u64> {
        let mut pings = self.0.pings.lock();
        if !self.send(&Header::bare(Kind::Ping, 0)) {
            return None;
        }
        *pings += 1;
        Some(*pings)
    }

    /// Has the worker give back memory, and waits until it has tried.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn trim(&self) {
        let id = self.0.trims.fetch_add(1, Ordering::Relaxed) + 1;
        let ask = || self.send(&Header::bare(Kind::Trim, id));
        let Some(answer) = self.0.trimmed.ask(id, ask) else {
            return;
        };
        tokio::select! {
            _ = timeout(TRIM, answer) => {}
            _ = self.exited() => {}
        }
    }

    /// Where the code of a call is that runs on the thread with this number, innermost frame last; empty if nobody knows.
    ///
    /// The worker is asked first. If native code keeps it from answering, a signal has its stacks written.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn stack(&self, call: u64, thread: Option<u64>) -> Vec<String> {
        let ask = || self.send(&Header::bare(Kind::Where, call));
        let silent = match self.0.stacks.ask(call, ask) {
            Some(answer) => tokio::select! {
                answer = timeout(SILENCE, answer) => match answer {
                    Ok(frames) => return frames.unwrap_or_default(),
                    Err(_) => thread,
                },
                _ = self.exited() => None,
            },
            // It does not read what it is sent, which is silence too.
            None => thread,
        };
        let Some(thread) = silent else {
            return Vec::new();
        };
        let asked = self.dump(DUMP).await;
        let stack = self.0.words.lock().stack_of(thread);
        drop(asked);
        stack
    }

    /// Has a busy main thread step aside for the thread that reads the control connection, which with a GIL would have to
    /// wait for its turn. It changes nothing else, and does nothing to a worker that does not expect it.
    pub(crate) fn nudge(&self) {
        if catches(self.pid(), Signal::INT) {
            self.0.leash.signal(Signal::INT);
        }
    }

    /// Has the worker's signal handler write the stacks of all threads, which are kept for its exit report unless a later
    /// last look shows more. Returns once that seems done, or `patience` is over.
    ///
    /// # Cancel safety
    /// Cancel safe. What was asked for is not kept then, but what others asked for may be.
    pub(crate) async fn last_look(&self, patience: Duration) {
        let asked = if self.0.dumping.try_lock().is_ok() {
            self.dump(patience).await
        } else {
            // Somebody else is just having all of them written.
            self.0.words.lock().keep();
            let _ = timeout(patience, self.0.dumping.lock()).await;
            None
        };
        self.0.words.lock().keep();
        drop(asked);
    }

    /// Has the worker's signal handler write the stacks of all threads. Returns once that seems done, or `patience` is over,
    /// for others that ask included. Nobody else can ask until what is returned is dropped, nor are the stacks forgotten.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn dump(&self, patience: Duration) -> Option<Asked<'_>> {
        if !catches(self.pid(), Signal::QUIT) {
            return None; // it would die of it
        }
        let deadline = Instant::now() + patience;
        let turn = timeout_at(deadline, self.0.dumping.lock()).await.ok()?;
        let mut news = self.0.stacked.subscribe();
        let asked = Asked::new(&self.0.words, turn);
        self.0.leash.signal(Signal::QUIT);
        loop {
            let until = {
                let words = asked.words.lock();
                if words.is_answered() {
                    return Some(asked);
                }
                let pause = words.has_answer().then(|| Instant::now() + PAUSE);
                pause.map_or(deadline, |pause| pause.min(deadline))
            };
            tokio::select! {
                _ = news.changed() => {}
                () = sleep_until(until) => return Some(asked),
                _ = self.exited() => return Some(asked),
            }
        }
    }
}

/// Stacks are an answer while this lives.
struct Asked<'a> {
    words: &'a Mutex<Words>,
    _turn: MutexGuard<'a, ()>,
}

impl<'a> Asked<'a> {
    fn new(words: &'a Mutex<Words>, turn: MutexGuard<'a, ()>) -> Self {
        words.lock().ask();
        Self { words, _turn: turn }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.words.lock().heard();
    }
}

/// Whether a process has a handler for a signal.
fn catches(pid: u32, signal: Signal) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| is_caught(&status, signal.as_raw()))
}

fn is_caught(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_seen_from_outside() {
        assert!(is_caught("Name:\tx\nSigCgt:\t0000000000000004\n", 3));
        assert!(!is_caught(
            "SigIgn:\t0000000000000004\nSigCgt:\t0000000000000002\n",
            3
        ));
        assert!(!is_caught("", 3));
    }

    #[test]
    fn an_answer_goes_to_whoever_asked_first() {
        let questions = Questions::default();
        let ask = || questions.ask(1, || true).unwrap();
        let (first, mut second) = (ask(), ask());
        drop(first);
        assert!(questions.answer(1, "first") && questions.answer(1, "second"));
        assert_eq!(second.try_recv(), Ok("second"));
        assert!(!questions.answer(1, "third") && !questions.answer(2, "first"));
    }

    #[test]
    fn a_question_that_was_not_sent_waits_for_no_answer() {
        let questions = Questions::default();
        assert!(questions.ask(1, || false).is_none());
        let mut second = questions.ask(1, || true).unwrap();
        assert!(questions.answer(1, "second"));
        assert_eq!(second.try_recv(), Ok("second"));
        questions.close();
        assert!(questions.ask(1, || panic!("nobody is left")).is_none());
        assert!(!questions.answer(1, "late"));
    }
}
