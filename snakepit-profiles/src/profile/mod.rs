//! The profiles of this crate, how they are described and configured; must not know how workers are started.

#[cfg(all(feature = "process", feature = "thread"))]
mod auto;
mod builder;
#[cfg(feature = "interpreter")]
mod interpreter;
mod lanes;
#[cfg(feature = "process")]
mod process;
mod section;
#[cfg(feature = "thread")]
mod thread;

#[cfg(all(feature = "process", feature = "thread"))]
pub use auto::{AutoFactory, AutoProfile};
pub use builder::Builder;
#[cfg(feature = "interpreter")]
pub use interpreter::{InterpreterFactory, InterpreterProfile};
#[cfg(feature = "process")]
pub use process::{ProcessFactory, ProcessProfile};
#[cfg(feature = "thread")]
pub use thread::{ThreadFactory, ThreadProfile};

/// The profiles of this crate, by their names in a configuration.
pub fn registry() -> snakepit_core::Registry {
    let registry = snakepit_core::Registry::new();
    #[cfg(feature = "process")]
    let registry = registry.with(ProcessFactory);
    #[cfg(feature = "thread")]
    let registry = registry.with(ThreadFactory);
    #[cfg(feature = "interpreter")]
    let registry = registry.with(InterpreterFactory);
    #[cfg(all(feature = "process", feature = "thread"))]
    let registry = registry.with(AutoFactory);
    registry
}
