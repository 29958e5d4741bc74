//! One call sent behind the one in progress, so that the worker finds it without going to sleep; must not know pools.
//!
//! A call sent ahead belongs to nobody's lease until its turn: the [`Slot`] remembers it. When the lease comes back,
//! whoever waits for that turn (the caller, or [`cancel`](Lane::reclaim) on its behalf) takes it. The worker runs calls
//! in order, so a call whose turn never came was never run.

use std::ops::Deref;
use std::sync::atomic::Ordering;

use super::{Lane, Lease, Outgoing, Phase, Slot, State};

/// Longer calls are not worth sending ahead, and might fill the socket.
const SMALL: usize = 4096;

/// What became of a call that its caller has let go of.
#[derive(Debug)]
pub(crate) enum Owed<L: Deref<Target = Lane>> {
    /// Its answer is due next.
    Now(Lease<L>),
    /// Another call is in progress before it.
    Later,
    /// It was never sent, or is answered.
    No,
    /// The lane can never be used again.
    Broken,
}

impl Lane {
    /// Sends a plain call behind the one in progress; false if that is not possible now, and nothing was sent.
    pub(crate) fn send_ahead(&self, id: u64, out: &mut Outgoing) -> bool {
        let mut slot = self.slot.lock();
        if !slot.followable || slot.ahead.is_some() || out.len() > SMALL {
            return false;
        }
        match out.write(self.socket.descriptor()) {
            Ok(true) => {
                slot.ahead = Some(id);
                true
            }
            Ok(false) | Err(_) => {
                if out.has_begun() {
                    // The kernel takes a message this small whole or not at all; if one day it does not, the worker
                    // must not see the half of it followed by something else.
                    self.shut_down();
                }
                false
            }
        }
    }

    /// Waits until the lease came back, from the moment this is called.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.turn.notified()
    }

    /// Takes the lane for a call: a new one if it is free, one that was `sent` ahead if its turn has come. A lane that
    /// is broken is taken in any case.
    pub(crate) fn turn<L>(lane: L, id: u64, sent: bool) -> Option<Lease<L>>
    where
        L: Deref<Target = Self>,
    {
        let state = {
            let mut slot = lane.slot.lock();
            match slot.state.as_ref()?.phase {
                Phase::Busy { .. } => return None,
                Phase::Idle if sent => lane.advance(&mut slot, id)?,
                Phase::Idle if slot.ahead.is_some() => return None,
                Phase::Idle | Phase::Broken => slot.state.take()?,
            }
        };
        Some(Lease {
            lane,
            state: Some(state),
        })
    }

    /// Takes the lane to wait for the end of a call nobody waits for any more.
    pub(crate) fn reclaim<L>(lane: L, id: u64) -> Owed<L>
    where
        L: Deref<Target = Self>,
    {
        let state = {
            let mut slot = lane.slot.lock();
            let is_ahead = slot.ahead == Some(id);
            match slot.state.as_ref().map(|state| state.phase) {
                Some(Phase::Broken) => return Owed::Broken,
                Some(Phase::Busy { id: current, .. }) if current == id => slot.state.take(),
                Some(Phase::Idle) if is_ahead => lane.advance(&mut slot, id),
                _ if is_ahead => return Owed::Later,
                _ => return Owed::No,
            }
        };
        Owed::Now(Lease { lane, state })
    }

    /// Makes the call that was sent ahead the one in progress.
    fn advance(&self, slot: &mut Slot, id: u64) -> Option<Box<State>> {
        if slot.ahead != Some(id) {
            return None;
        }
        let mut state = slot.state.take()?;
        slot.ahead = None;
        slot.followable = true;
        state.phase = Phase::Busy { id, stream: false };
        self.current.store(id, Ordering::Relaxed);
        Some(state)
    }
}
