//! A disk that forgets what nobody synced: files, and the names of files, of which those are
//! there for certain whose folder was synced.

use std::collections::{BTreeMap, HashMap};

use fuser::Errno;
use rand::Rng;
use rand::rngs::StdRng;

use super::file::{File, Kept};

/// The folder that everything is in.
pub(crate) const ROOT: u64 = 1;

/// Room that a `statfs` tells of; nothing bounds the disk but memory.
pub(crate) const ROOM: u64 = 64 << 30;

pub(crate) enum Node {
    File(File),
    Folder(Folder),
}

type Names = BTreeMap<String, u64>;

#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) names: Names,
    synced: Names,
    /// What was done to names since, in order: a cut keeps the first of these.
    since: Vec<Change>,
}

enum Change {
    Put(String, u64),
    Remove(String),
    Rename(String, String),
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Change::Put(name, node) => {
                names.insert(name.clone(), *node);
            }
            Change::Remove(name) => {
                names.remove(name);
            }
            Change::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

/// What is about to happen to the disk.
#[derive(Default)]
pub(crate) struct Fate {
    /// Changes until the power is gone.
    pub(crate) cut_after: Option<u64>,
    /// Syncs until one fails.
    pub(crate) fail_sync_after: Option<u64>,
    /// Nothing reaches the disk any more.
    pub(crate) off: bool,
    /// Syncs that failed.
    pub(crate) failed_syncs: usize,
}

pub(crate) struct Disk {
    pub(crate) nodes: HashMap<u64, Node>,
    next: u64,
    pub(crate) fate: Fate,
    pub(crate) dice: StdRng,
    pub(crate) syncs: u64,
}

impl Disk {
    pub(crate) fn new(dice: StdRng) -> Disk {
        let root = Node::Folder(Folder::default());
        Disk {
            nodes: HashMap::from([(ROOT, root)]),
            next: ROOT + 1,
            fate: Fate::default(),
            dice,
            syncs: 0,
        }
    }

    /// Every change passes here first, and fails when the power is gone.
    pub(crate) fn change(&mut self) -> Result<(), Errno> {
        match &mut self.fate.cut_after {
            Some(0) => self.fate.off = true,
            Some(left) => *left -= 1,
            None => {}
        }
        match self.fate.off {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }

    pub(crate) fn folder(&mut self, node: u64) -> Result<&mut Folder, Errno> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    /// A file, and the dice that decide about its writes.
    pub(crate) fn file(&mut self, node: u64) -> Result<(&mut File, &mut StdRng), Errno> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok((file, &mut self.dice)),
            Some(Node::Folder(_)) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    pub(crate) fn find(&mut self, folder: u64, name: &str) -> Result<u64, Errno> {
        let found = self.folder(folder)?.names.get(name).copied();
        found.ok_or(Errno::ENOENT)
    }

    pub(crate) fn add(&mut self, folder: u64, name: &str, node: Node) -> Result<u64, Errno> {
        self.change()?;
        let number = self.next;
        let names = self.folder(folder)?;
        if names.names.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        names.record(Change::Put(name.to_owned(), number));
        self.next += 1;
        self.nodes.insert(number, node);
        Ok(number)
    }

    pub(crate) fn remove(&mut self, folder: u64, name: &str) -> Result<(), Errno> {
        self.change()?;
        let node = self.find(folder, name)?;
        if let Some(Node::Folder(inside)) = self.nodes.get(&node)
            && !inside.names.is_empty()
        {
            return Err(Errno::ENOTEMPTY);
        }
        self.folder(folder)?.record(Change::Remove(name.to_owned()));
        Ok(())
    }

    /// Within one folder only; nothing of ours does more.
    pub(crate) fn rename(&mut self, folder: u64, from: &str, to: &str) -> Result<(), Errno> {
        self.change()?;
        self.find(folder, from)?;
        let change = Change::Rename(from.to_owned(), to.to_owned());
        self.folder(folder)?.record(change);
        Ok(())
    }

    pub(crate) fn sync(&mut self, node: u64) -> Result<(), Errno> {
        self.change()?;
        self.syncs += 1;
        let fails = match &mut self.fate.fail_sync_after {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if fails {
            self.fate.fail_sync_after = None;
            self.fate.failed_syncs += 1;
        }
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) if fails => file.fail_sync(),
            Some(Node::File(file)) => file.sync(),
            Some(Node::Folder(folder)) if !fails => folder.sync(),
            _ => {}
        }
        match fails {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }

    /// The power is gone, and back.
    pub(crate) fn cut(&mut self) {
        let (nodes, dice) = (&mut self.nodes, &mut self.dice);
        // In an order that the same seed draws again.
        let mut numbers: Vec<u64> = nodes.keys().copied().collect();
        numbers.sort_unstable();
        let whole = Kept::draw(dice);
        for number in numbers {
            // Mostly one rule for the whole disk, sometimes one for each file.
            let kept = match dice.random_bool(0.3) {
                true => Kept::draw(dice),
                false => whole,
            };
            match nodes.get_mut(&number) {
                Some(Node::File(file)) => file.cut(kept, dice),
                Some(Node::Folder(folder)) => folder.cut(kept, dice),
                None => {}
            }
        }
        self.fate = Fate::default();
        self.forget_unnamed();
    }

    fn forget_unnamed(&mut self) {
        let (mut named, mut left) = (vec![ROOT], vec![ROOT]);
        while let Some(number) = left.pop() {
            if let Some(Node::Folder(folder)) = self.nodes.get(&number) {
                named.extend(folder.names.values());
                left.extend(folder.names.values());
            }
        }
        self.nodes.retain(|number, _| named.contains(number));
    }
}

impl Folder {
    fn record(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.since.push(change);
    }

    fn sync(&mut self) {
        self.synced = self.names.clone();
        self.since.clear();
    }

    fn cut(&mut self, kept: Kept, dice: &mut StdRng) {
        let changes = std::mem::take(&mut self.since);
        let count = match kept {
            Kept::Nothing => 0,
            Kept::Everything => changes.len(),
            Kept::Prefix | Kept::Sectors(_) => dice.random_range(0..=changes.len()),
        };
        for change in &changes[..count] {
            change.apply(&mut self.synced);
        }
        self.names = self.synced.clone();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_name_is_there_for_certain_when_its_folder_was_synced() {
        for seed in 0..50 {
            let mut disk = Disk::new(StdRng::seed_from_u64(seed));
            disk.add(ROOT, "old", Node::File(File::default())).unwrap();
            disk.sync(ROOT).unwrap();
            disk.rename(ROOT, "old", "new").unwrap();
            disk.add(ROOT, "later", Node::File(File::default()))
                .unwrap();
            disk.cut();
            let names: Vec<&String> = disk.folder(ROOT).unwrap().names.keys().collect();
            assert!(
                [vec!["old"], vec!["new"], vec!["later", "new"]]
                    .contains(&names.iter().map(|name| name.as_str()).collect::<Vec<_>>()),
                "{names:?}"
            );
        }
    }

    #[test]
    fn nothing_changes_once_the_power_is_gone() {
        let mut disk = Disk::new(StdRng::seed_from_u64(1));
        disk.fate.cut_after = Some(1);
        let file = disk.add(ROOT, "file", Node::File(File::default())).unwrap();
        assert!(disk.sync(file).is_err());
        assert!(disk.fate.off);
    }
}
