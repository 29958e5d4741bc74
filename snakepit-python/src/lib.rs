//! Finds Python interpreters, asks them what they are, and knows which libraries run how on them.
//!
//! * [`Request`] says which interpreter is wanted, [`Finder`] finds it, [`Prober`] asks it what it is.
//! * [`Matrix`] knows what libraries do to the GIL, to a fork and in a sub-interpreter; [`import_probe`] tries it out.
//! * [`recommend`] says which worker profile suits an interpreter and an adapter, and why; [`Finder::choose`] does all
//!   of it.
//!
//! Everything here blocks and says so; nothing is asynchronous. This crate knows no pool, no worker and no configuration
//! file, and needs none of Snakepit's other crates. Linux only.

mod adapter;
mod choose;
mod environment;
mod finder;
mod imports;
pub mod libraries;
mod matrix;
mod probe;
mod process;
mod profile;
mod recommend;
mod request;
mod scan;

pub use pep440_rs::Version;

pub use adapter::AdapterSpec;
pub use choose::Choice;
pub use environment::Environment;
pub use finder::{Finder, Found, NotFound, Provenance, Reason, Skipped};
pub use imports::{IMPORT_TIME, ImportOutcome, ImportReport, SubCheck, import_probe};
pub use matrix::{
    Build, Fact, Fork, ForkAfterImport, ForkAfterUse, FreeThreading, Gil, Installed, Judgement,
    Library, Matrix, ReleasesGil, Sharing, SharingFact, SubInterpreters, Verdict,
};
pub use probe::{Cpu, Libc, Probe, ProbeError, ProbeErrorKind, Prober};
pub use process::Stop;
pub use profile::{InvalidProfile, Profile};
pub use recommend::{Alternative, Facts, Recommendation, recommend};
pub use request::{InvalidRequest, Request, VersionRequest};
pub use scan::{AdapterFacts, ScanError, names_a_file, scan};
