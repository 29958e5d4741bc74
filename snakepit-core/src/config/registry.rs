//! Which worker profiles a configuration may name. Knows none of them: whoever links them registers
//! them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Section;
use crate::pool::PoolSettings;
use crate::recycle::RecyclePolicy;
use crate::usage::Meter;
use crate::worker::WorkerProfile;

/// Builds profiles of one kind from a pool's section of the configuration.
pub trait ProfileFactory: Send + Sync + 'static {
    /// The name used in `worker_profile` (`process`, `thread`, `acme-gpu`).
    fn kind(&self) -> &str;

    /// Reads the profile's own keys and builds it.
    ///
    /// What the pool itself needs is read already and given in `settings`. Every key the profile
    /// knows must be asked for, also when it is optional: what nobody asked for is reported as
    /// unknown. Returns `None` when it reported a problem to the section, which the methods of
    /// [`Section`] that read do by themselves.
    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>>;
}

/// Builds recycle policies from a pool's section of the configuration.
pub trait PolicyFactory: Send + Sync + 'static {
    /// Reads its own keys and builds the policies they ask for.
    ///
    /// What the pool itself needs is read already and given in `settings`. Every key it knows must be asked for. What it
    /// reported to the section keeps the pool from being made.
    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Vec<Arc<dyn RecyclePolicy>>;

    /// What measures workers for these policies.
    fn meter(&self) -> Option<Arc<dyn Meter>> {
        None
    }
}

/// The worker profiles a configuration may name, and the policies it may set.
#[derive(Clone, Default)]
pub struct Registry {
    factories: BTreeMap<String, Arc<dyn ProfileFactory>>,
    policies: Vec<Arc<dyn PolicyFactory>>,
}

impl Registry {
    /// A registry without profiles.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more profile. One of the same kind is replaced.
    pub fn with(mut self, factory: impl ProfileFactory) -> Self {
        self.factories
            .insert(factory.kind().to_owned(), Arc::new(factory));
        self
    }

    /// With more policies.
    pub fn with_policies(mut self, factory: impl PolicyFactory) -> Self {
        self.policies.push(Arc::new(factory));
        self
    }

    /// The factories of policies, in the order they were added.
    pub fn policies(&self) -> impl Iterator<Item = &dyn PolicyFactory> {
        self.policies.iter().map(AsRef::as_ref)
    }

    /// The factory of a kind.
    pub fn get(&self, kind: &str) -> Option<&dyn ProfileFactory> {
        self.factories.get(kind).map(AsRef::as_ref)
    }

    /// The kinds there are, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.factories.keys()).finish()
    }
}
