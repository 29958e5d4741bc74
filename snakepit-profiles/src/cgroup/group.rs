//! Control groups of our own, one for a worker, in a folder where we may make them; must not know workers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, io};

use rustix::fs::{Access, access};
use tokio::runtime::Handle;

use super::oom;

/// What the names of our groups begin with. The process that made them follows.
const PREFIX: &str = "snakepit.";

/// How long processes that were killed may take to leave their group.
const LEAVING: Duration = Duration::from_secs(1);

/// A group that may have groups of ours in it, with a limit of memory each.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nest(PathBuf);

impl Nest {
    /// Makes a nest of a group, if that group was handed over to us: `memory` has to be among its controllers, and it must
    /// hold no processes itself, since the kernel wants groups to have either processes or groups with limits.
    pub(super) fn settle(folder: &Path) -> Option<Self> {
        let may = |name: &str| access(folder.join(name), Access::WRITE_OK).is_ok();
        if !(may("") && may("cgroup.procs") && has_memory(folder, "cgroup.controllers")) {
            return None;
        }
        if !has_memory(folder, "cgroup.subtree_control") {
            fs::write(folder.join("cgroup.subtree_control"), "+memory").ok()?;
        }
        let nest = Self(folder.to_owned());
        nest.sweep();
        Some(nest)
    }

    /// Removes what a process left that died without doing so. Groups that have processes stay.
    fn sweep(&self) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let maker = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.split('.').next());
            if maker.is_some_and(|maker| !Path::new("/proc").join(maker).exists()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// A new group whose processes are killed, all of them, when together they want more than `limit` bytes.
    pub(super) fn group(&self, limit: u64) -> io::Result<Group> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = self
            .0
            .join(format!("{PREFIX}{}.{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group { folder, limit };
        group.write("memory.max", &limit.to_string())?;
        // Not everywhere: there may be no swap, and the files are not all of one age.
        let _ = group.write("memory.swap.max", "0");
        let _ = group.write("memory.oom.group", "1");
        Ok(group)
    }
}

fn has_memory(folder: &Path, file: &str) -> bool {
    fs::read_to_string(folder.join(file))
        .is_ok_and(|names| names.split_whitespace().any(|name| name == "memory"))
}

/// A group of our own. Whatever is in it is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    limit: u64,
}

impl Group {
    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves a process here, and what it starts from now on. Memory it has already stays where it was counted.
    ///
    /// # Errors
    /// It has ended, or the kernel does not let us.
    pub(crate) fn join(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Whether a process is in it.
    pub(crate) fn holds(&self, pid: u32) -> bool {
        let pid = pid.to_string();
        fs::read_to_string(self.folder.join("cgroup.procs"))
            .is_ok_and(|processes| processes.lines().any(|process| process == pid))
    }

    /// What speaks for its processes having been killed for want of memory.
    pub(crate) fn evidence(&self) -> Option<String> {
        let events = fs::read_to_string(self.folder.join("memory.events")).ok()?;
        let kills = oom::kills(&events).filter(|kills| *kills > 0)?;
        Some(format!(
            "it wanted more than the {} bytes of `worker_hard_memory` and was killed by the kernel (oom_kill {kills})",
            self.limit
        ))
    }

    /// Kills whatever is in it and removes it.
    ///
    /// # Cancel safety
    /// Cancel safe: the group goes when it is dropped, if not before.
    pub(crate) async fn remove(&self) {
        remove(&self.folder).await;
    }

    /// Writes to one of the files the kernel has put there.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        write(&self.folder, name, text)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        kill(&self.folder);
        if fs::remove_dir(&self.folder).is_err()
            && self.folder.exists()
            && let Ok(runtime) = Handle::try_current()
        {
            // Those that were killed have not left yet: a launch was dropped while its process was on the way.
            let folder = std::mem::take(&mut self.folder);
            runtime.spawn(async move { remove(&folder).await });
        }
    }
}

/// Kills whatever is in a group, until it is gone or that takes too long.
async fn remove(folder: &Path) {
    let mut pause = Duration::from_millis(1);
    kill(folder);
    while pause < LEAVING && fs::remove_dir(folder).is_err() && folder.exists() {
        tokio::time::sleep(pause).await;
        pause *= 2;
        // Again: a process that was on its way may have joined since.
        kill(folder);
    }
}

/// Kills the processes of a group, those too that have left the worker's session. Linux 5.14 and newer.
fn kill(folder: &Path) {
    let _ = write(folder, "cgroup.kill", "1");
}

/// Writes to one of the files the kernel has put into a group.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    use io::Write;
    let mut file = fs::OpenOptions::new().write(true).open(folder.join(name))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a group with these controllers, of which these are handed down.
    fn group(controllers: &str, down: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", down),
            ("cgroup.procs", ""),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_group_without_the_controller_is_no_nest() {
        assert_eq!(Nest::settle(group("cpu pids", "").path()), None);
        assert_eq!(Nest::settle(Path::new("/nowhere")), None);
    }

    #[test]
    fn the_controller_is_handed_down_if_it_is_not() {
        let handed = |down: &str| {
            let folder = group("cpu memory", down);
            Nest::settle(folder.path()).unwrap();
            fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap()
        };
        assert_eq!(handed("cpu"), "+memory");
        assert_eq!(handed("cpu memory"), "cpu memory");
    }

    #[test]
    fn a_group_of_the_dead_is_swept_away() {
        let folder = group("memory", "memory");
        let name = |pid: u32| folder.path().join(format!("{PREFIX}{pid}.0"));
        let (dead, own) = (name(u32::MAX), name(std::process::id()));
        for path in [&dead, &own] {
            fs::create_dir(path).unwrap();
        }
        Nest::settle(folder.path()).unwrap();
        assert!(!dead.exists() && own.exists());
    }

    #[test]
    fn what_the_kernel_did_not_put_there_is_not_made() {
        let folder = group("memory", "memory");
        let nest = Nest::settle(folder.path()).unwrap();
        // An ordinary folder has no `memory.max`, and a group without is of no use.
        assert!(nest.group(1 << 20).is_err());
        let entries = fs::read_dir(folder.path()).unwrap();
        assert_eq!(entries.count(), 3, "nothing is left of the attempt");
    }

    #[test]
    fn a_group_knows_its_processes_and_how_they_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        fs::create_dir(&path).unwrap();
        let group = Group {
            folder: path.clone(),
            limit: 4096,
        };
        assert!(!group.holds(1) && group.evidence().is_none() && group.join(71).is_err());
        fs::write(path.join("cgroup.procs"), "").unwrap();
        group.join(71).unwrap();
        fs::write(path.join("memory.events"), "max 9\noom_kill 1\n").unwrap();
        fs::write(path.join("cgroup.kill"), "").unwrap();
        assert!(group.holds(71) && !group.holds(1));
        assert!(group.evidence().unwrap().contains("4096 bytes"));
        drop(group);
        assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
    }

    #[tokio::test]
    async fn a_group_whose_processes_have_not_left_goes_when_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        fs::create_dir(&path).unwrap();
        // An ordinary folder with a file in it cannot be removed either.
        fs::write(path.join("process"), "").unwrap();
        drop(Group {
            folder: path.clone(),
            limit: 4096,
        });
        assert!(path.exists());
        fs::remove_file(path.join("process")).unwrap();
        while path.exists() {
            tokio::task::yield_now().await;
        }
    }
}
