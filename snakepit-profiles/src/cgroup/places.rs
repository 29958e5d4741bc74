//! Where this process is among the kernel's control groups; pure, must not know what they are for.

use std::path::{Path, PathBuf};

/// The folders of the groups this process is in, of the hierarchies that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The group of version 2.
    pub(super) unified: Option<PathBuf>,
    /// Whether that is as far up as can be seen, as in a container.
    pub(super) unified_is_top: bool,
    /// The group of the `memory` controller of version 1.
    pub(super) memory: Option<PathBuf>,
    /// The group of the `pids` controller of version 1.
    pub(super) pids: Option<PathBuf>,
}

/// Reads `/proc/self/cgroup` and `/proc/self/mountinfo`. What does not make sense is as good as not there.
pub(super) fn places(cgroup: &str, mountinfo: &str) -> Places {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::read).collect();
    let mut places = Places::default();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            continue;
        };
        let folder = |wanted: &str| {
            let mount = mounts.iter().find(|mount| mount.serves(wanted));
            mount.and_then(|mount| mount.folder(group))
        };
        for controller in controllers.split(',') {
            match controller {
                "" => {
                    places.unified = folder("");
                    let top = mounts.iter().find(|mount| mount.serves(""));
                    places.unified_is_top =
                        top.is_some_and(|top| Some(&top.point) == places.unified.as_ref());
                }
                "memory" => places.memory = folder(controller),
                "pids" => places.pids = folder(controller),
                _ => {}
            }
        }
    }
    places
}

/// One line of `mountinfo`.
struct Mount {
    /// The part of the file system that is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
    /// `cgroup` or `cgroup2`.
    kind: String,
    /// Its own options, among which are the controllers.
    options: String,
}

impl Mount {
    fn read(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        let kind = system.next().filter(|kind| kind.starts_with("cgroup"))?;
        Some(Self {
            root: unescape(mount.next()?).into(),
            point: unescape(mount.next()?).into(),
            kind: kind.to_owned(),
            options: system.nth(1)?.to_owned(),
        })
    }

    /// Whether it is the hierarchy of a controller of version 1, or that of version 2 if that has no name.
    fn serves(&self, controller: &str) -> bool {
        match (controller, self.kind.as_str()) {
            ("", kind) => kind == "cgroup2",
            (_, "cgroup") => self.options.split(',').any(|option| option == controller),
            _ => false,
        }
    }

    /// Where a group is to be found, if it lies in what is mounted.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(&self.root).ok()?;
        // Not `join`, which leaves a slash at the end for the top itself.
        Some(self.point.components().chain(below.components()).collect())
    }
}

/// Undoes the kernel's way of writing blanks.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_where_the_init_system_put_it() {
        let found = places(
            "0::/system.slice/app.service/main\n",
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(
            found.unified,
            Some("/sys/fs/cgroup/system.slice/app.service/main".into())
        );
        assert!(!found.unified_is_top && found.memory.is_none());
    }

    #[test]
    fn both_versions_may_be_there() {
        let found = places(
            "8:cpu,pids:/a\n4:memory:/docker/1f/b\n0::/\n",
            "1 2 0:2 / /proc rw - proc proc rw\n\
             3 2 0:3 /docker/1f /sys/fs/cgroup/memory\\040v1 rw master:1 - cgroup cgroup rw,memory\n\
             4 2 0:4 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,cpu,pids\n\
             5 2 0:5 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(found.memory, Some("/sys/fs/cgroup/memory v1/b".into()));
        assert_eq!(found.pids, Some("/sys/fs/cgroup/pids/a".into()));
        assert_eq!(found.unified, Some("/sys/fs/cgroup/unified".into()));
        assert!(found.unified_is_top);
    }

    #[test]
    fn nonsense_is_nowhere() {
        for (cgroup, mounts) in [
            ("", ""),
            ("0:", "- cgroup2"),
            ("0::/a", "1 2 3 /b /c rw - cgroup2 c rw"),
        ] {
            assert_eq!(places(cgroup, mounts), Places::default());
        }
    }
}
