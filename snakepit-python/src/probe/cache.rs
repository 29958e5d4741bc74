//! Remembers what interpreters said, until it may be something else. A cache that fails is no cache.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Probe;
use crate::environment::Environment;

/// Entries of another form are as good as none.
const FORM: u32 = 2;
/// One that hung may have been waiting for something that is there now.
const HUNG_FOR: Duration = Duration::from_secs(60);
/// Of interpreters nobody has asked for in that time entries are removed, those of virtual environments long gone as well.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Variables that change what an interpreter finds or does.
const VARIABLES: [&str; 7] = [
    "HOME",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONNOUSERSITE",
    "PYTHON_GIL",
    "VIRTUAL_ENV",
];

/// A folder with an entry for each interpreter and the variables it runs with.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// What is asked for, all of which must be the same for an answer to hold.
#[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Question {
    form: u32,
    path: PathBuf,
    /// What it is asked.
    asked: u64,
    variables: BTreeMap<String, String>,
}

/// What is remembered of an interpreter.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    /// It said this.
    Said(Box<Probe>),
    /// It took longer than this.
    Hung(Duration),
}

#[derive(Serialize, Deserialize)]
struct Entry {
    question: Question,
    /// The interpreter, its settings, and each folder it imports from, or would if it were there.
    stamps: BTreeMap<PathBuf, Option<Stamp>>,
    answer: Answer,
}

/// Changes when a file is replaced, or a file is added to or removed from a folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    modified: (i64, i64),
    device: u64,
    inode: u64,
    size: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = path.metadata().ok()?;
        Some(Self {
            modified: (found.mtime(), found.mtime_nsec()),
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
        })
    }
}

impl Cache {
    /// The cache of the user, if there is a place for one.
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        let folder = environment.xdg("XDG_CACHE_HOME", ".cache")?;
        let folder = folder.join("snakepit/probes");
        Some(Self { folder })
    }

    /// What the interpreter did the last time, if it would do so again.
    pub(super) fn get(&self, question: &Question) -> Option<Answer> {
        let file = self.file(question);
        let text = fs::read(&file).ok()?;
        let entry: Entry = serde_json::from_slice(&text).ok()?;
        if matches!(entry.answer, Answer::Hung(_)) && age(&file)? > HUNG_FOR {
            return None;
        }
        let current = |(path, stamp): (&PathBuf, &Option<Stamp>)| Stamp::of(path) == *stamp;
        let holds = entry.question == *question && entry.stamps.iter().all(current);
        holds.then_some(entry.answer)
    }

    /// Remembers what it did. Not being able to is no failure: it will be asked again.
    pub(super) fn put(&self, question: Question, path: &Path, answer: Answer) {
        let file = self.file(&question);
        let settings = path
            .parent()
            .and_then(Path::parent)
            .map(|root| root.join("pyvenv.cfg"));
        let said = match &answer {
            Answer::Said(probe) => Some(probe),
            Answer::Hung(_) => None,
        };
        let said = said.into_iter().flat_map(|probe| {
            let folders = probe.import_folders.iter().chain(&probe.absent_folders);
            std::iter::once(&probe.executable).chain(folders)
        });
        let stamps = std::iter::once(path.to_owned())
            .chain(settings)
            .chain(said.cloned())
            .map(|path| {
                let stamp = Stamp::of(&path);
                (path, stamp)
            })
            .collect();
        let entry = Entry {
            question,
            stamps,
            answer,
        };
        let _ = self.write(&file, &entry);
        self.prune();
    }

    fn file(&self, question: &Question) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        question.hash(&mut hasher);
        self.folder.join(format!("{:016x}.json", hasher.finish()))
    }

    /// Removes what was written long ago. That of an interpreter in use is written again at its next start.
    fn prune(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        for old in paths.filter(|path| age(path).is_some_and(|age| age > KEPT_FOR)) {
            let _ = fs::remove_file(old);
        }
    }

    /// Nobody sees half an entry, and nobody else reads or writes one.
    fn write(&self, file: &Path, entry: &Entry) -> std::io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let mut new = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut new, entry)?;
        new.flush()?;
        new.persist(file).map_err(|error| error.error)?;
        Ok(())
    }
}

/// For how long a file is as it is; `None` if its time lies ahead of the clock.
fn age(file: &Path) -> Option<Duration> {
    file.metadata().ok()?.modified().ok()?.elapsed().ok()
}

pub(super) fn question(path: &Path, environment: &Environment, asked: &str) -> Question {
    let mut hasher = DefaultHasher::new();
    asked.hash(&mut hasher);
    let path = environment.folder().join(path);
    let variables = VARIABLES.iter().filter_map(|name| {
        let value = environment.get(name)?;
        Some(((*name).to_owned(), value.to_string_lossy().into_owned()))
    });
    Question {
        form: FORM,
        path: std::path::absolute(&path).unwrap_or(path),
        asked: hasher.finish(),
        variables: variables.collect(),
    }
}
