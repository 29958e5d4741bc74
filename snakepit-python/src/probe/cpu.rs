//! How much CPU time this process may use. Knows no interpreter.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What this process, and the interpreters it starts, may use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cpu {
    /// How many CPUs the scheduler may choose from.
    pub affinity: usize,
    /// How many CPUs' worth of time the control group allows (`cpu.max`), if it limits it: 1.5 is one and a half.
    pub quota: Option<f64>,
}

impl Cpu {
    /// What holds for this process now.
    ///
    /// # Blocking
    /// Reads a few small files.
    pub fn of_this_process() -> Self {
        let affinity = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let affinity = affinity_mask().unwrap_or(affinity);
        Self {
            affinity,
            quota: quota(Path::new("/")),
        }
    }

    /// How many threads can really run at once: at least 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number of CPUs of a machine"
    )]
    pub fn usable(&self) -> usize {
        let quota = self.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
        self.affinity.min(quota).max(1)
    }
}

/// The CPUs of the affinity mask; `available_parallelism` would mix in the quota.
fn affinity_mask() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let bits = mask.chars().filter_map(|digit| digit.to_digit(16));
    let count: u32 = bits.map(u32::count_ones).sum();
    usize::try_from(count).ok().filter(|count| *count > 0)
}

/// The tightest limit between this process's control group and the root.
fn quota(root: &Path) -> Option<f64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().flat_map(|line| limits_of(line, root));
    limits.min_by(f64::total_cmp)
}

/// The limits along one line of `/proc/self/cgroup`: `0::/a/b`, or `4:cpu,cpuacct:/a/b` of version 1.
fn limits_of(line: &str, root: &Path) -> Vec<f64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let version_2 = controllers.is_empty();
    if !version_2 && !controllers.split(',').any(|name| name == "cpu") {
        return Vec::new();
    }
    let mounted = root.join("sys/fs/cgroup").join(controllers);
    let group = PathBuf::from(path.trim_start_matches('/'));
    group
        .ancestors()
        .filter_map(|group| {
            let folder = mounted.join(group);
            if version_2 {
                return share(&fs::read_to_string(folder.join("cpu.max")).ok()?);
            }
            let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
            let (quota, period) = (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?);
            share(&format!("{} {}", quota.trim(), period.trim()))
        })
        .collect()
}

/// `150000 100000` is 1.5; `max 100000` and `-1 100000` are no limit.
fn share(text: &str) -> Option<f64> {
    let mut numbers = text.split_whitespace();
    let quota: f64 = numbers.next()?.parse().ok()?;
    let period: f64 = numbers.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_limit_of_nested_groups_holds() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/a/b/cpu.max", "300000 100000\n"),
        ]);
        assert_eq!(quota(root.path()), Some(1.5));
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_too() {
        let root = machine(&[
            ("proc/self/cgroup", "9:memory:/a\n4:cpu,cpuacct:/a\n"),
            ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!(quota(root.path()), Some(0.5));
    }

    #[test]
    fn without_control_groups_there_is_no_limit() {
        assert_eq!(quota(machine(&[]).path()), None);
    }

    #[test]
    fn part_of_a_cpu_still_runs_one_thread() {
        let usable = |affinity, quota| Cpu { affinity, quota }.usable();
        assert_eq!(usable(8, None), 8);
        assert_eq!(usable(8, Some(0.25)), 1);
        assert_eq!(usable(8, Some(2.5)), 3);
        assert_eq!(usable(2, Some(4.0)), 2);
        assert!(Cpu::of_this_process().usable() >= 1);
    }
}
