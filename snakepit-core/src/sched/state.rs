//! The states of a worker's life and every move there is between them; knows no worker. `docs/lifecycle.md` draws the
//! same machine, and a test compares the two.

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WorkerState {
    /// Being started.
    Launching,
    /// Takes calls.
    Ready,
    /// Takes calls until its replacement is ready.
    Due,
    /// Has a lane that will not become free: finishes its other calls, takes no more, then is killed.
    Quarantined,
    /// Finishes its calls, takes no more.
    Draining,
    /// Was told to end, or is being killed.
    Stopping,
}

impl WorkerState {
    /// Whether a worker in this state takes calls.
    pub(crate) fn is_serving(self) -> bool {
        matches!(self, Self::Ready | Self::Due)
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Launching => "launching",
            Self::Ready => "ready",
            Self::Due => "due",
            Self::Quarantined => "quarantined",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

/// One move: from (`None`: not there yet), to (`None`: gone), and the event that tells of it.
type Transition = (Option<WorkerState>, Option<WorkerState>, &'static str);

/// Every move there is.
pub(super) const TRANSITIONS: &[Transition] = {
    use WorkerState::{Draining, Due, Launching, Quarantined, Ready, Stopping};
    &[
        (None, Some(Launching), "WorkerLaunching"),
        (Some(Launching), Some(Ready), "WorkerReady"),
        (Some(Launching), None, "LaunchFailed"),
        (Some(Launching), None, "WorkerStopping"),
        (Some(Ready), Some(Due), "WorkerDue"),
        (Some(Ready), Some(Draining), "WorkerDraining"),
        (Some(Due), Some(Draining), "WorkerDraining"),
        (Some(Ready), Some(Quarantined), "WorkerQuarantined"),
        (Some(Due), Some(Quarantined), "WorkerQuarantined"),
        (Some(Draining), Some(Quarantined), "WorkerQuarantined"),
        (Some(Draining), Some(Stopping), "WorkerStopping"),
        (Some(Quarantined), Some(Stopping), "WorkerStopping"),
        (Some(Ready), None, "WorkerExited"),
        (Some(Due), None, "WorkerExited"),
        (Some(Quarantined), None, "WorkerExited"),
        (Some(Draining), None, "WorkerExited"),
        (Some(Stopping), None, "WorkerExited"),
    ]
};

/// Whether there is such a move.
pub(super) fn is_allowed(from: Option<WorkerState>, to: Option<WorkerState>) -> bool {
    TRANSITIONS
        .iter()
        .any(|(before, after, _)| *before == from && *after == to)
}
