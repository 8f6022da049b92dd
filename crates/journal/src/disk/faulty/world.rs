//! The state of a faulty disk: its files, its names, and the faults that are planned for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::dice::Dice;
use super::image::{Image, Survival};
use super::{Met, Operation};

#[derive(Clone)]
pub(super) struct World {
    dice: Dice,
    /// Counts crashes and kills: handles of an earlier boot are dead.
    boot: u64,
    off: bool,
    files: BTreeMap<u64, Image>,
    next_file: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since the folder was synced, oldest first.
    pending: Vec<Change>,
    /// Folders are durable at once: the journal makes none whose loss could matter.
    folders: BTreeSet<String>,
    locks: BTreeSet<String>,
    capacity: Option<u64>,
    changes: u64,
    cut_at: Option<u64>,
    plans: Vec<Plan>,
    pub(super) met: Met,
}

/// A change of names; each survives a power cut or does not, as a whole.
#[derive(Clone)]
enum Change {
    Set(String, u64),
    Unset(String),
    Move(String, String, u64),
}

/// A planned failure.
#[derive(Clone)]
struct Plan {
    operation: Operation,
    left: u64,
    error: io::ErrorKind,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            boot: 0,
            off: false,
            files: BTreeMap::new(),
            next_file: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            folders: BTreeSet::new(),
            locks: BTreeSet::new(),
            capacity: None,
            changes: 0,
            cut_at: None,
            plans: Vec::new(),
            met: Met::default(),
        }
    }

    pub(super) fn kill(&mut self) {
        self.boot += 1;
        self.locks.clear();
    }

    pub(super) fn crash(&mut self, seed: u64) {
        self.kill();
        self.off = false;
        self.cut_at = None;
        let mut dice = Dice::new(seed);
        let survival = Survival::choose(&mut dice);
        for change in std::mem::take(&mut self.pending) {
            let survives = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Sectors | Survival::Pages => dice.coin(),
            };
            if survives {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        let named: BTreeSet<_> = self.names.values().copied().collect();
        self.files.retain(|id, _| named.contains(id));
        let (mut lost, mut kept) = (0, 0);
        for image in self.files.values_mut() {
            let fate = image.settle(survival, &mut dice);
            (lost, kept) = (lost + fate.lost, kept + fate.kept);
        }
        self.met.losses += u64::from(lost > 0);
        self.met.tears += u64::from(lost > 0 && kept > 0);
    }

    pub(super) fn forget_plans(&mut self) {
        self.off = false;
        self.cut_at = None;
        self.plans.clear();
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn cut_after(&mut self, count: u64) {
        self.cut_at = Some(self.changes + count);
    }

    pub(super) fn fail(&mut self, operation: Operation, nth: u64, error: io::ErrorKind) {
        self.plans.push(Plan {
            operation,
            left: nth,
            error,
        });
    }

    pub(super) fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes;
    }

    pub(super) fn flip(&mut self, name: &str, byte: u64, bit: u8) -> io::Result<()> {
        let id = self.find(name)?;
        self.image(id)?.flip(byte as usize, bit);
        Ok(())
    }

    pub(super) fn contents(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let id = self.find(name)?;
        Ok(self.image(id)?.live().to_vec())
    }

    pub(super) fn put(&mut self, name: &str, contents: Vec<u8>) {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, Image::durable(contents));
        self.names.insert(name.to_owned(), id);
        self.durable_names.insert(name.to_owned(), id);
    }

    pub(super) fn take_away(&mut self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.names.remove(name);
        self.durable_names.remove(name);
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        let id = self.names.get(name).copied();
        id.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn image(&mut self, id: u64) -> io::Result<&mut Image> {
        let image = self.files.get_mut(&id);
        image.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Lets an operation happen or not: the power, the handle's age, and planned failures.
    fn begin(&mut self, boot: u64, operation: Option<Operation>, changes: bool) -> io::Result<()> {
        if self.off || boot != self.boot {
            return Err(io::Error::other("the machine is off"));
        }
        if changes {
            if self.cut_at.is_some_and(|at| self.changes >= at) {
                self.off = true;
                return Err(io::Error::other("the power failed"));
            }
            self.changes += 1;
        }
        let mut failure = None;
        for plan in &mut self.plans {
            if Some(plan.operation) == operation {
                plan.left -= 1;
                if plan.left == 0 {
                    failure = Some(plan.error);
                }
            }
        }
        self.plans.retain(|plan| plan.left > 0);
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// How long the file may get.
    fn end_of_room(&mut self, id: u64) -> io::Result<u64> {
        let length = self.image(id)?.len() as u64;
        Ok(length.saturating_add(self.room()))
    }

    /// How many bytes may be added yet.
    pub(super) fn room(&self) -> u64 {
        let used: u64 = self
            .names
            .values()
            .filter_map(|id| self.files.get(id))
            .map(|image| image.len() as u64)
            .sum();
        self.capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(used))
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<(u64, u64)> {
        self.begin(self.boot, Some(Operation::Create), true)?;
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, Image::default());
        self.change(Change::Set(name.to_owned(), id));
        Ok((self.boot, id))
    }

    pub(super) fn open(&mut self, name: &str) -> io::Result<(u64, u64)> {
        self.begin(self.boot, None, false)?;
        Ok((self.boot, self.find(name)?))
    }

    pub(super) fn list(&mut self) -> io::Result<Vec<String>> {
        self.begin(self.boot, None, false)?;
        let here = |name: &&String| !name.contains('/');
        Ok(self.names.keys().filter(here).cloned().collect())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.begin(self.boot, Some(Operation::Rename), true)?;
        let id = self.find(from)?;
        self.change(Change::Move(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.begin(self.boot, Some(Operation::Remove), true)?;
        self.find(name)?;
        self.change(Change::Unset(name.to_owned()));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    pub(super) fn create_folder(&mut self, name: &str) -> io::Result<()> {
        self.begin(self.boot, None, true)?;
        if self.folders.insert(name.to_owned()) {
            Ok(())
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }

    pub(super) fn sync_folder(&mut self, folder: &str) -> io::Result<()> {
        self.begin(self.boot, Some(Operation::SyncFolder), true)?;
        let (synced, rest) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.is_in(folder));
        self.pending = rest;
        let synced: Vec<Change> = synced;
        for change in synced {
            change.apply(&mut self.durable_names);
        }
        Ok(())
    }

    pub(super) fn lock(&mut self, name: &str) -> io::Result<u64> {
        self.begin(self.boot, None, false)?;
        if self.locks.insert(name.to_owned()) {
            Ok(self.boot)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    pub(super) fn unlock(&mut self, boot: u64, name: &str) {
        if boot == self.boot {
            self.locks.remove(name);
        }
    }

    pub(super) fn read(
        &mut self,
        boot: u64,
        id: u64,
        into: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        self.begin(boot, Some(Operation::Read), false)?;
        Ok(self.image(id)?.read(into, offset as usize))
    }

    pub(super) fn write(
        &mut self,
        boot: u64,
        id: u64,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        let begun = self.begin(boot, Some(Operation::Write), true);
        let fits = self.end_of_room(id)?.saturating_sub(offset);
        let length = bytes.len().min(usize::try_from(fits).unwrap_or(usize::MAX));
        if let Err(error) = begun {
            if !self.off && boot == self.boot {
                self.met.failed_writes += 1;
                let part = self.dice.below(length as u64 + 1) as usize;
                self.met.tears += u64::from(part > 0 && part < bytes.len());
                self.image(id)?.write(&bytes[..part], offset as usize);
            }
            return Err(error);
        }
        self.image(id)?.write(&bytes[..length], offset as usize);
        if length < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, boot: u64, id: u64) -> io::Result<()> {
        if let Err(error) = self.begin(boot, Some(Operation::Sync), true) {
            if !self.off && boot == self.boot {
                self.met.failed_syncs += 1;
                let mut dice = self.dice.clone();
                self.image(id)?.fail_sync(&mut dice);
                self.dice = dice;
            }
            return Err(error);
        }
        self.image(id)?.sync();
        Ok(())
    }

    pub(super) fn size(&mut self, boot: u64, id: u64) -> io::Result<u64> {
        self.begin(boot, None, false)?;
        Ok(self.image(id)?.len() as u64)
    }

    pub(super) fn reserve(&mut self, boot: u64, id: u64, bytes: u64) -> io::Result<()> {
        self.begin(boot, Some(Operation::Reserve), true)?;
        if bytes > self.end_of_room(id)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.image(id)?.grow(bytes as usize);
        Ok(())
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Unset(name) => {
                names.remove(name);
            }
            Self::Move(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
        }
    }

    fn is_in(&self, folder: &str) -> bool {
        let (Self::Set(name, _) | Self::Unset(name) | Self::Move(_, name, _)) = self;
        name.rsplit_once('/').map_or("", |(parent, _)| parent) == folder
    }
}
