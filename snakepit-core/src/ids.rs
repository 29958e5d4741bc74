//! Names and numbers that identify things; knows nothing of what they identify.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a number. Zero is never used by a pool.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number itself.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.as_str().fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }
    };
}

number! {
    /// One incarnation of a worker within its pool. A replacement gets a new id, so an answer, an exit or a verdict
    /// about a dead worker can never be taken for one about its successor.
    WorkerId
}

number! {
    /// One attempt of one call within its pool. A retry gets a new id.
    CallId
}

/// The name of a pool, unique within one [`Snakepit`](crate::Snakepit).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(Arc<str>);

name!(PoolName);

impl PoolName {
    /// Wraps a name.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller's name for a session: calls that should meet the same worker, and that Python sees as one.
///
/// It knows its own hash: whoever keeps one, and clones it for each call, has the name looked up without reading it.
#[derive(Clone)]
pub struct SessionId {
    name: Arc<str>,
    hash: u64,
}

name!(SessionId);

/// Keys nobody can guess, so that nobody can choose names that collide.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl SessionId {
    /// Wraps a name.
    pub fn new(name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        Self {
            hash: KEYS.hash_one(name),
            name: name.into(),
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionId").field(&self.name).finish()
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        // Clones of one need not be read: a look at a name among many is a miss of the cache.
        self.hash == other.hash && (Arc::ptr_eq(&self.name, &other.name) || self.name == other.name)
    }
}

impl Eq for SessionId {}

impl PartialOrd for SessionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SessionId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A table by numbers that nobody can choose so that they collide: those a pool gave out itself, one after the other, and
/// hashes by secret keys. They need no hash that costs more than the rest of the look-up. Each call is looked up several
/// times.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads one number over all bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The odd number nearest to 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// The number of a lane within its worker, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u16);

impl LaneId {
    /// Wraps an index.
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// The index, for arrays of lanes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
