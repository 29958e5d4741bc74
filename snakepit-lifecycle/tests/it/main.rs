//! The policies as a configuration asks for them, and the sampler on real processes.

mod config;
mod sampler;
