//! A model of a disk: what of the files and their names is durable, and what a power cut may leave of the rest.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::journal::Record;

/// Unit in which a disk may keep or lose what was not synced.
const PAGE: usize = 4096;
/// Unit that is written as a whole.
const SECTOR: usize = 512;

/// What a power cut leaves of changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Left {
    /// Nothing.
    Synced,
    /// Any pages, and the first of the changes of names.
    Pages,
    /// Any pages, some of them with only their first sectors, and the first of the changes of names.
    TornPages,
}

/// A change of a file's content.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
    Zeros { offset: usize, length: usize },
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(content, *offset, data),
            Self::Length(length) => content.resize(*length, 0),
            Self::Zeros { offset, length } => {
                let end = (offset + length).min(content.len());
                if let Some(part) = content.get_mut(*offset..end) {
                    part.fill(0);
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

#[derive(Debug, Clone, Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// A change of the folder: the names that it sets, each to a file or to nothing.
type NameChange = Vec<(String, Option<usize>)>;

/// Files of one folder as a disk has them.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    files: Vec<Content>,
    by_inode: HashMap<u64, usize>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
}

impl Disk {
    /// Takes over a record.
    ///
    /// # Errors
    /// A file that was not created in the recording.
    pub(super) fn apply(&mut self, record: &Record<'_>) -> Result<(), String> {
        let size = |value: u64| usize::try_from(value).map_err(|error| error.to_string());
        match *record {
            Record::Write { inode, offset, data } => {
                self.change(inode, Change::Write { offset: size(offset)?, data: data.to_vec() })?;
            }
            Record::Length { inode, length } => self.change(inode, Change::Length(size(length)?))?,
            Record::Zeros { inode, offset, length } => {
                self.change(inode, Change::Zeros { offset: size(offset)?, length: size(length)? })?;
            }
            Record::Sync { inode } => {
                let file = self.file(inode)?;
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable);
                }
            }
            // Linux marks the pages as clean, so that a later sync does not write them.
            Record::SyncFailed { inode } => self.file(inode)?.pending.clear(),
            Record::SyncFolder => {
                self.pending_names.clear();
                self.durable_names.clone_from(&self.names);
            }
            Record::Create { inode, name } => {
                self.by_inode.insert(inode, self.files.len());
                self.rename(vec![(name.to_owned(), Some(self.files.len()))]);
                self.files.push(Content::default());
            }
            Record::Unlink { name } => self.rename(vec![(name.to_owned(), None)]),
            Record::Rename { from, to } => {
                let file = self.names.get(from).copied();
                self.rename(vec![(from.to_owned(), None), (to.to_owned(), file)]);
            }
            Record::Link { from, to } => {
                let file = self.names.get(from).copied();
                self.rename(vec![(to.to_owned(), file)]);
            }
        }
        Ok(())
    }

    fn file(&mut self, inode: u64) -> Result<&mut Content, String> {
        let file = self.by_inode.get(&inode).and_then(|place| self.files.get_mut(*place));
        file.ok_or_else(|| format!("the recording has no file with the inode {inode}"))
    }

    fn change(&mut self, inode: u64, change: Change) -> Result<(), String> {
        self.file(inode)?.pending.push(change);
        Ok(())
    }

    fn rename(&mut self, change: NameChange) {
        set(&mut self.names, &change);
        self.pending_names.push(change);
    }

    /// Writes into an empty folder what a power cut leaves.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub(super) fn write(&self, folder: &Path, left: Left, rng: &mut ChaCha8Rng) -> io::Result<()> {
        let mut names = self.durable_names.clone();
        if left != Left::Synced {
            let kept = rng.random_range(0..=self.pending_names.len());
            self.pending_names[..kept].iter().for_each(|change| set(&mut names, change));
        }
        let mut written: HashMap<usize, String> = HashMap::new();
        for (name, file) in names {
            let path = folder.join(&name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            // A file with two names stays one file.
            match written.get(&file) {
                Some(first) => fs::hard_link(folder.join(first), path)?,
                None => fs::write(path, self.files[file].left(left, rng))?,
            }
            written.entry(file).or_insert(name);
        }
        Ok(())
    }
}

impl Content {
    /// Returns the bytes that a power cut leaves.
    fn left(&self, left: Left, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut content = self.durable.clone();
        if left == Left::Synced {
            return content;
        }
        let share = [0.1, 0.5, 0.9][rng.random_range(0..3_usize)];
        for change in &self.pending {
            let Change::Write { offset, data } = change else {
                if rng.random_bool(share) {
                    change.apply(&mut content);
                }
                continue;
            };
            let mut at = 0;
            while at < data.len() {
                let end = (at + PAGE - (offset + at) % PAGE).min(data.len());
                if rng.random_bool(share) {
                    let is_torn = left == Left::TornPages && rng.random_bool(0.3);
                    let sectors = if is_torn { rng.random_range(0..PAGE / SECTOR) * SECTOR } else { PAGE };
                    put(&mut content, offset + at, &data[at..end.min(at + sectors)]);
                }
                at = end;
            }
        }
        content
    }
}

fn set(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    for (name, file) in change {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn left(records: &[Record<'_>], left: Left, seed: u64) -> BTreeMap<String, Vec<u8>> {
        let mut disk = Disk::default();
        records.iter().for_each(|record| disk.apply(record).unwrap());
        let folder = tempfile::tempdir().unwrap();
        disk.write(folder.path(), left, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        fs::read_dir(folder.path()).unwrap().flatten().map(read).collect()
    }

    #[test]
    fn only_what_was_synced_is_certain() {
        let page = |byte: u8| vec![byte; PAGE];
        let (one, two) = (page(1), page(2));
        let mut records = vec![
            Record::Create { inode: 9, name: "a" },
            Record::Write { inode: 9, offset: 0, data: &one },
            Record::Sync { inode: 9 },
        ];
        assert_eq!(left(&records, Left::Synced, 1), BTreeMap::new(), "the name is not durable");
        records.push(Record::SyncFolder);
        records.push(Record::Write { inode: 9, offset: 0, data: &two });
        records.push(Record::Write { inode: 9, offset: PAGE as u64, data: &two });
        records.push(Record::Rename { from: "a", to: "b" });
        let synced = BTreeMap::from([("a".to_owned(), one.clone())]);
        assert_eq!(left(&records, Left::Synced, 1), synced);
        let (mut found, mut names) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for seed in 0..60 {
            for (name, content) in left(&records, Left::Pages, seed) {
                names.insert(name);
                assert!(content.chunks(PAGE).all(|page| page.iter().all(|byte| *byte == page[0])), "no page is torn");
                found.insert(content.chunks(PAGE).map(|page| page[0]).collect::<Vec<_>>());
            }
        }
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [vec![1], vec![1, 2], vec![2], vec![2, 2]]);
        let is_torn =
            |seed| left(&records, Left::TornPages, seed).values().any(|content| content[0] != content[PAGE - 1]);
        assert!((0..60).any(is_torn));
        records.push(Record::SyncFailed { inode: 9 });
        records.push(Record::Sync { inode: 9 });
        records.push(Record::SyncFolder);
        let lost = BTreeMap::from([("b".to_owned(), one.clone())]);
        assert_eq!(left(&records, Left::Synced, 1), lost, "a sync after a failed one does not write the pages again");
    }
}
