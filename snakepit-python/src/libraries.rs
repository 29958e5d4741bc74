//! Environment variables that hold libraries to so many threads. Knows no library's version and no worker.

/// How many threads a library may start for itself.
const THREADS: &[&str] = &[
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
];

/// The background threads of jemalloc (pyarrow, polars), which do not survive a fork.
const NO_BACKGROUND_THREADS: &[(&str, &str)] = &[
    ("JE_ARROW_MALLOC_CONF", "background_thread:false"),
    ("_RJEM_MALLOC_CONF", "background_thread:false"),
];

/// The variables that hold numerical libraries to so many threads each, and allocators to none of their own.
///
/// They have to be set before the first import.
pub fn threads(count: &str) -> Vec<(&'static str, &str)> {
    let threads = THREADS.iter().map(|name| (*name, count));
    threads
        .chain(NO_BACKGROUND_THREADS.iter().copied())
        .collect()
}
