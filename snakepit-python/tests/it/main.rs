//! Runs real interpreters, and programs that only look like some: what is found out, and that nothing is left.

mod caching;
mod finding;
mod importing;
mod probing;
mod scanning;
mod support;
