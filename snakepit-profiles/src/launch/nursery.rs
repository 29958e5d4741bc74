//! Which zygote a launch forks from, if any; must not know what is done with it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use snakepit_core::error::LaunchErrorKind;
use snakepit_core::event::{LogLine, LogStream};
use snakepit_core::{LaunchContext, LaunchError};
use tokio::time::Instant;

use super::limit;
use crate::boot::Recipe;
use crate::settings::SpawnMode;
use crate::zygote::Zygote;

/// How long a zygote has to have been ready for its end to be an accident. One that ends sooner would do so again.
const ACCIDENT: Duration = Duration::from_secs(1);

/// Keeps the zygote of a profile: starts it with the first launch that needs one, and again as soon as it has died.
#[derive(Debug)]
pub(super) struct Nursery {
    recipe: Arc<Recipe>,
    mode: SpawnMode,
    current: Mutex<Option<Arc<Zygote>>>,
    /// Why it may not fork. What an import has started does not go away.
    refused: Mutex<Option<String>>,
}

impl Nursery {
    pub(super) fn new(recipe: Arc<Recipe>, mode: SpawnMode) -> Arc<Self> {
        Arc::new(Self {
            recipe,
            mode,
            current: Mutex::new(None),
            refused: Mutex::new(None),
        })
    }

    /// The zygote to fork from, once it is ready; `None` if none is to be used.
    ///
    /// # Cancel safety
    /// Cancel safe: the zygote goes on booting, for the next launch.
    pub(super) async fn zygote(
        self: &Arc<Self>,
        cx: &LaunchContext,
    ) -> Result<Option<Arc<Zygote>>, LaunchError> {
        if self.executes() {
            return Ok(None);
        }
        let zygote = self.current_or_new(cx);
        zygote.ready().await?;
        // To the first launch that gets here, which most likely is the one that started it.
        for line in zygote.take_output() {
            (cx.output)(LogLine::new(LogStream::Raw, line));
        }
        Ok(Some(zygote))
    }

    fn current_or_new(self: &Arc<Self>, cx: &LaunchContext) -> Arc<Zygote> {
        let mut current = self.current.lock();
        let zygote = match current.take() {
            Some(zygote) if !zygote.has_ended() => zygote,
            _ => self.start(limit(cx)),
        };
        Arc::clone(current.insert(zygote))
    }

    fn start(self: &Arc<Self>, patience: Duration) -> Arc<Zygote> {
        let (zygote, loss) = Zygote::start(Arc::clone(&self.recipe), patience);
        let (nursery, lost) = (Arc::downgrade(self), Arc::downgrade(&zygote));
        tokio::spawn(async move {
            if loss.await.is_ok_and(|served| served > ACCIDENT)
                && let Some(nursery) = nursery.upgrade()
            {
                nursery.replace(&lost, patience);
            }
        });
        zygote
    }

    /// Starts another zygote in the place of one that died: the launches that are sure to follow find it booting already.
    fn replace(self: &Arc<Self>, lost: &Weak<Zygote>, patience: Duration) {
        let mut current = self.current.lock();
        let is_current = |zygote: &Arc<Zygote>| Weak::ptr_eq(&Arc::downgrade(zygote), lost);
        if current.as_ref().is_some_and(is_current) {
            *current = Some(self.start(patience));
        }
    }

    /// Has the next launch start from nothing. The zygote there is ends with its workers.
    pub(super) fn renew(&self) {
        *self.refused.lock() = None;
        // Dropped without the lock.
        let old = self.current.lock().take();
        drop(old);
    }

    /// Has the next launch start another zygote. This one ends with its workers.
    pub(super) fn forget(&self, zygote: &Arc<Zygote>) {
        let mut current = self.current.lock();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, zygote))
        {
            *current = None;
        }
    }

    /// Has this launch and the next ones do without a zygote, if they may.
    pub(super) fn refuse(
        &self,
        cx: &LaunchContext,
        zygote: &Arc<Zygote>,
        reason: &str,
    ) -> Result<(), LaunchError> {
        if self.mode == SpawnMode::Zygote {
            let message = format!("the zygote cannot fork safely: {reason}");
            let kind = LaunchErrorKind::Other {
                message,
                permanent: true,
            };
            return Err(LaunchError::new(kind)
                .with_hint("start threads in `setup` instead of at import, or use `spawn: auto`"));
        }
        // All it has loaded is memory held for nothing.
        self.forget(zygote);
        let first = self.refused.lock().replace(reason.to_owned()).is_none();
        if first {
            let text = format!("workers are started by exec, not forked: {reason}");
            let mut line = LogLine::new(LogStream::Log, text);
            line.level = "WARNING".into();
            line.logger = "snakepit".into();
            (cx.output)(line);
        }
        Ok(())
    }

    /// Whether workers are started by exec, as far as is known.
    pub(super) fn executes(&self) -> bool {
        self.mode == SpawnMode::Exec || self.refused.lock().is_some()
    }

    /// Why workers are not forked although they might be.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refused.lock().clone()
    }

    /// Held while a launch waits for a fork: has the zygote replaced if that takes longer than `patience`.
    pub(super) fn impatience<'a>(
        &'a self,
        zygote: &'a Arc<Zygote>,
        patience: Duration,
    ) -> Impatience<'a> {
        Impatience {
            nursery: self,
            zygote,
            since: Instant::now(),
            patience,
        }
    }
}

/// Has a zygote replaced that left a launch waiting for too long. It may be stuck in a library that runs code around
/// forks; the workers it has are well, and it stays for them.
pub(super) struct Impatience<'a> {
    nursery: &'a Nursery,
    zygote: &'a Arc<Zygote>,
    since: Instant,
    patience: Duration,
}

impl Drop for Impatience<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() > self.patience {
            self.nursery.forget(self.zygote);
        }
    }
}
