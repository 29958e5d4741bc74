//! Notices when code was saved. Knows not what is done about it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

/// How often to look. A folder of code is looked through in well under a millisecond.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long a folder has to be the same before it is taken for saved: editors write several files, or one twice.
const SETTLING: Duration = Duration::from_millis(20);

/// The Python files of a folder, and how they were when the code was loaded.
#[derive(Debug)]
pub(super) struct Watch {
    folder: PathBuf,
    loaded: Snapshot,
}

/// What changes when a file is saved: inode, size, time of change in seconds and nanoseconds.
type Snapshot = BTreeMap<PathBuf, (u64, u64, i64, i64)>;

impl Watch {
    /// Watches the folder of an adapter from now on; of a module, the folder one is in.
    pub(super) fn new(adapter: &str) -> Self {
        let folder = folder(adapter);
        let loaded = snapshot(&folder);
        Self { folder, loaded }
    }

    /// Whether something was saved since the code was loaded. Waits until saving is over.
    ///
    /// # Cancel safety
    /// Cancel safe: what is not told now is told next time.
    pub(super) async fn has_changed(&mut self) -> bool {
        let mut now = snapshot(&self.folder);
        if now == self.loaded {
            return false;
        }
        loop {
            sleep(SETTLING).await;
            let later = snapshot(&self.folder);
            if later == now {
                break;
            }
            now = later;
        }
        let changed = now != self.loaded;
        self.loaded = now;
        changed
    }

    /// Waits until something was saved.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn changed(&mut self) {
        while !self.has_changed().await {
            sleep(INTERVAL).await;
        }
    }
}

fn folder(adapter: &str) -> PathBuf {
    let file = match adapter.rsplit_once(':') {
        Some((file, _class)) => file,
        None => adapter,
    };
    let is_file =
        Path::new(file).extension().is_some_and(|kind| kind == "py") || file.contains('/');
    let parent = Path::new(file).parent().filter(|_| is_file);
    match parent {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// How the Python files of a folder are. A folder that cannot be read has none.
fn snapshot(folder: &Path) -> Snapshot {
    let Ok(entries) = fs::read_dir(folder) else {
        return Snapshot::new();
    };
    let files = entries.flatten().map(|entry| entry.path());
    let python = files.filter(|path| path.extension().is_some_and(|kind| kind == "py"));
    python
        .filter_map(|path| {
            let is = fs::metadata(&path).ok()?;
            Some((path, (is.ino(), is.size(), is.mtime(), is.mtime_nsec())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_an_adapter_is_watched() {
        for (adapter, watched) in [
            ("hello.py", "."),
            ("hello.py:Class", "."),
            ("a/b/hello.py:Class", "a/b"),
            ("package.module", "."),
            ("package.module:Class", "."),
        ] {
            assert_eq!(folder(adapter), Path::new(watched), "{adapter}");
        }
    }

    #[tokio::test]
    async fn a_saved_file_is_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.py");
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::new(&file.display().to_string());
        assert!(!watch.has_changed().await);
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert!(!watch.has_changed().await, "that is no code");
        fs::write(&file, "22").unwrap();
        watch.changed().await;
        assert!(!watch.has_changed().await);
        fs::write(folder.path().join("b.py"), "").unwrap();
        assert!(watch.has_changed().await);
        fs::remove_file(&file).unwrap();
        assert!(watch.has_changed().await);
    }
}
