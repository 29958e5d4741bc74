//! The pool engine over scripted workers: recycling, cancellation, drains, health, events and reports.

mod cancelling;
mod defaults;
mod draining;
mod events;
mod farewells;
mod faults;
mod health;
mod interleavings;
mod measuring;
mod nesting;
mod odd;
mod owner;
mod policies;
mod refs;
mod reports;
mod retries;
mod session_tools;
mod streams;
mod support;
