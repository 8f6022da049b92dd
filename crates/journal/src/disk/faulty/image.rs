//! One file: what a program sees, what is safe, and every state between the two.

use std::collections::BTreeMap;

use super::dice::Dice;

/// What a disk writes at once or not at all, in bytes.
const SECTOR: usize = 512;
/// What the page cache usually writes at once, in bytes.
const PAGE: u64 = 4096;

/// One file's contents.
#[derive(Clone, Default)]
pub(super) struct Image {
    live: Vec<u8>,
    synced: Vec<u8>,
    /// The lengths that the file had since the last sync.
    lengths: Vec<usize>,
    /// Per sector, the contents that it had since the last sync: any of them may be on the disk.
    versions: BTreeMap<usize, Vec<Vec<u8>>>,
}

/// What becomes of unsynced writes in a power cut.
#[derive(Clone, Copy)]
pub(super) enum Survival {
    Nothing,
    Everything,
    /// Each sector for itself, in any state that it had.
    Sectors,
    /// Whole pages, all or nothing each.
    Pages,
}

/// What became of the sectors that a power cut found unsynced.
#[derive(Clone, Copy, Default)]
pub(super) struct Fate {
    /// So many were not as they had been written last.
    pub(super) lost: u64,
    /// So many had changed.
    pub(super) kept: u64,
}

impl Survival {
    pub(super) fn choose(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Sectors,
            _ => Self::Pages,
        }
    }
}

impl Image {
    pub(super) fn durable(contents: Vec<u8>) -> Self {
        Self {
            synced: contents.clone(),
            live: contents,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn read(&self, into: &mut [u8], offset: usize) -> usize {
        let rest = self.live.get(offset..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        length
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        self.grow(end);
        self.live[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let content = sector_of(&self.live, sector).to_vec();
            self.versions.entry(sector).or_default().push(content);
        }
    }

    pub(super) fn grow(&mut self, length: usize) {
        if length > self.live.len() {
            self.live.resize(length, 0);
            self.lengths.push(length);
        }
    }

    pub(super) fn sync(&mut self) {
        self.synced.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.versions).into_keys() {
            let content = sector_of(&self.live, sector);
            let start = sector * SECTOR;
            self.synced[start..start + content.len()].copy_from_slice(content);
        }
        self.lengths.clear();
    }

    /// A sync that fails: some sectors get there, and all count as written from now on.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        let live = self.live.clone();
        self.versions.retain(|_, _| dice.coin());
        self.settle(Survival::Everything, dice);
        self.live = live;
    }

    /// What the power cut leaves becomes what is there.
    pub(super) fn settle(&mut self, survival: Survival, dice: &mut Dice) -> Fate {
        let mut fate = Fate::default();
        self.settle_length(survival, dice);
        let versions = std::mem::take(&mut self.versions);
        let mut page = (u64::MAX, false);
        for (sector, states) in versions {
            let start = sector * SECTOR;
            let this_page = start as u64 / PAGE;
            if this_page != page.0 {
                page = (this_page, dice.coin());
            }
            let state = match survival {
                Survival::Nothing => None,
                Survival::Everything => states.last(),
                Survival::Sectors => {
                    let state = dice.below(states.len() as u64 + 1) as usize;
                    state.checked_sub(1).map(|state| &states[state])
                }
                Survival::Pages => states.last().filter(|_| page.1),
            };
            // A sector beyond the length that survived is lost with it.
            let target = self.synced.get_mut(start..).unwrap_or_default();
            if let Some(state) = state {
                let length = state.len().min(target.len());
                fate.kept += u64::from(target[..length] != state[..length]);
                target[..length].copy_from_slice(&state[..length]);
            }
            let newest = states.last().map_or(&[][..], Vec::as_slice);
            fate.lost += u64::from(!target.starts_with(newest));
        }
        self.live = self.synced.clone();
        fate
    }

    fn settle_length(&mut self, survival: Survival, dice: &mut Dice) {
        let lengths = std::mem::take(&mut self.lengths);
        let length = match survival {
            Survival::Nothing => None,
            Survival::Everything => lengths.last(),
            Survival::Sectors | Survival::Pages => {
                let state = dice.below(lengths.len() as u64 + 1) as usize;
                state.checked_sub(1).map(|state| &lengths[state])
            }
        };
        if let Some(length) = length {
            self.synced.resize(*length, 0);
        }
    }

    pub(super) fn flip(&mut self, byte: usize, bit: u8) {
        for contents in [&mut self.live, &mut self.synced] {
            if let Some(byte) = contents.get_mut(byte) {
                *byte ^= 1 << bit;
            }
        }
    }
}

fn sector_of(contents: &[u8], sector: usize) -> &[u8] {
    let start = (sector * SECTOR).min(contents.len());
    &contents[start..contents.len().min(start + SECTOR)]
}
