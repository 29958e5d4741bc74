//! The pool engine over scripted workers: recycling, cancellation, drains, health, events and reports.

mod cancelling;
mod draining;
mod events;
mod health;
mod interleavings;
mod owner;
mod policies;
mod reports;
mod support;
