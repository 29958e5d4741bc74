//! Control groups: limits the kernel enforces on a worker and all it starts, and what it says of those it killed; must
//! not know workers.
//!
//! A group is made for a worker only if its memory is to be limited. Groups could also reach what a worker started in a
//! session of its own, but making and joining one takes 0.2 ms per launch, and 10 ms and more on kernels before 6.18 when a
//! process moves while others fork; and whoever leaves the session of a worker has said that it is to live on.

mod group;
mod oom;
mod places;

use std::fs;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use rustix::fs::getxattr;

use group::Nest;
use oom::History;
use places::Places;

pub(crate) use group::Group;

/// Where this process was when somebody first asked. Processes are moved as they start, not later.
static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    places::places(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
});

/// A group whose processes may use so many bytes of memory together; `None` where there can be none.
///
/// It is made beside the group this process is in, in a folder that was handed over to this process: a service of systemd
/// gets there by `Delegate=memory` and `DelegateSubgroup=`. This process is never moved.
///
/// # Blocking
/// Makes a folder and writes a few files which are no files.
pub(crate) fn limited(memory: u64) -> Option<Group> {
    static NEST: OnceLock<Option<Nest>> = OnceLock::new();
    NEST.get_or_init(|| nest(&PLACES, is_handed_over))
        .as_ref()?
        .group(memory)
        .ok()
}

/// The first folder that will do. The group beside comes first, since ours has a process in it, which is us.
fn nest(places: &Places, is_handed_over: impl Fn(&Path) -> bool) -> Option<Nest> {
    let own = places.unified.as_deref()?;
    let beside = own.parent().filter(|_| !places.unified_is_top);
    let beside = beside.filter(|folder| is_handed_over(folder));
    [beside, Some(own)]
        .into_iter()
        .flatten()
        .find_map(Nest::settle)
}

/// Whether the init system left a group to those in it. Without that mark even root should keep out of what is not its own;
/// others are kept out by the rights on its files.
fn is_handed_over(folder: &Path) -> bool {
    let marked = |name: &str| {
        let mut value = [0; 8];
        getxattr(folder, name, &mut value[..]).is_ok_and(|length| value[..length] == *b"1")
    };
    !rustix::process::geteuid().is_root() || marked("trusted.delegate") || marked("user.delegate")
}

/// What the counters of out-of-memory kills have shown so far.
static HISTORY: Mutex<Option<History>> = Mutex::new(None);

/// Takes a look at how often processes of this group were killed for want of memory, to compare with later.
///
/// # Blocking
/// Reads a small file which is no file.
pub(crate) fn note_kills() {
    recent_kills();
}

/// What speaks for a process of this group having been killed for want of memory just now, if something does.
///
/// # Blocking
/// Reads a small file which is no file.
pub(crate) fn recent_kills() -> Option<String> {
    let Places {
        unified, memory, ..
    } = &*PLACES;
    let counters = [
        unified.as_ref().map(|folder| folder.join("memory.events")),
        memory
            .as_ref()
            .map(|folder| folder.join("memory.oom_control")),
    ];
    let texts = counters
        .into_iter()
        .flatten()
        .filter_map(|path| fs::read_to_string(path).ok());
    let count = texts.into_iter().find_map(|text| oom::kills(&text))?;
    let mut history = HISTORY.lock();
    let history = history.get_or_insert_default();
    let now = Instant::now();
    history.note(count, now);
    history.evidence(now)
}

/// How many more processes and threads this process's group may have, and how many it may have at all, where that is limited.
///
/// # Blocking
/// Reads two small files which are no files.
pub(crate) fn tasks() -> Option<(u64, u64)> {
    let Places { unified, pids, .. } = &*PLACES;
    let number = |folder: &Path, name| -> Option<u64> {
        fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let folders = [unified, pids].into_iter().flatten();
    folders.into_iter().find_map(|folder| {
        let most = number(folder, "pids.max")?;
        Some((most.saturating_sub(number(folder, "pids.current")?), most))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_made_beside_ours_if_that_is_handed_over() {
        let top = tempfile::tempdir().unwrap();
        let own = top.path().join("main");
        fs::create_dir(&own).unwrap();
        for folder in [top.path(), &own] {
            for (name, text) in [
                ("cgroup.controllers", "memory"),
                ("cgroup.subtree_control", "memory"),
                ("cgroup.procs", ""),
            ] {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        let mut places = Places {
            unified: Some(own.clone()),
            ..Places::default()
        };
        assert_eq!(nest(&places, |_| true), Nest::settle(top.path()));
        assert_eq!(nest(&places, |_| false), Nest::settle(&own));
        places.unified_is_top = true;
        assert_eq!(nest(&places, |_| true), Nest::settle(&own));
        assert_eq!(nest(&Places::default(), |_| true), None);
    }
}
