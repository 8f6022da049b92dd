//! A file as a kernel and a disk see it: what programs read, and what is there after the power
//! was gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

/// What a kernel caches.
pub(crate) const PAGE: usize = 4096;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// One write in so many goes to the disk by itself, before anybody syncs it.
const WRITTEN_BACK: f64 = 0.05;

type Page = [u8; PAGE];
type Pages = HashMap<u64, Arc<Page>>;

/// How much of what nobody synced is there after a cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    Nothing,
    Everything,
    /// The first writes, in order; the last of them torn.
    Prefix,
    /// Any sectors.
    Sectors(f64),
}

impl Kept {
    pub(crate) fn draw(dice: &mut StdRng) -> Kept {
        match dice.random_range(0..6) {
            0 => Kept::Nothing,
            1 => Kept::Everything,
            2 | 3 => Kept::Prefix,
            _ => Kept::Sectors(dice.random()),
        }
    }
}

#[derive(Default)]
pub(crate) struct File {
    /// What programs read.
    seen: Pages,
    size: u64,
    /// What the disk has.
    synced: Pages,
    synced_size: u64,
    /// Pages that a sync has to write, in the order in which they became so.
    dirty: BTreeMap<u64, u64>,
    /// Pages that a failed sync has called clean without having written them.
    dropped: Vec<u64>,
    /// The shortest that the file was since the last sync.
    shortest: Option<u64>,
    writes: u64,
}

impl File {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.seen.len() * PAGE) as u64
    }

    pub(crate) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let end = self.size.min(offset + length as u64);
        let mut data = Vec::with_capacity(length);
        let mut at = offset;
        while at < end {
            let (page, inside) = place(at);
            let count = (PAGE - inside).min((end - at) as usize);
            match self.seen.get(&page) {
                Some(bytes) => data.extend_from_slice(&bytes[inside..inside + count]),
                None => data.resize(data.len() + count, 0),
            }
            at += count as u64;
        }
        data
    }

    pub(crate) fn write(&mut self, offset: u64, mut data: &[u8], dice: &mut StdRng) {
        let mut at = offset;
        while !data.is_empty() {
            let (page, inside) = place(at);
            let count = (PAGE - inside).min(data.len());
            let bytes = self.seen.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(bytes)[inside..inside + count].copy_from_slice(&data[..count]);
            self.writes += 1;
            self.dirty.entry(page).or_insert(self.writes);
            self.dropped.retain(|known| *known != page);
            (at, data) = (at + count as u64, &data[count..]);
            if dice.random_bool(WRITTEN_BACK) {
                self.write_back(page, 0.5, dice);
            }
        }
        self.size = self.size.max(at);
    }

    pub(crate) fn resize(&mut self, size: u64) {
        if size < self.size {
            let (last, inside) = place(size);
            self.seen
                .retain(|page, _| *page < last || (*page == last && inside > 0));
            self.dirty.retain(|page, _| self.seen.contains_key(page));
            if let Some(bytes) = self.seen.get_mut(&last) {
                Arc::make_mut(bytes)[inside..].fill(0);
                self.dirty.entry(last).or_insert(self.writes);
            }
            self.shortest = Some(self.shortest.unwrap_or(size).min(size));
        }
        self.size = size;
    }

    pub(crate) fn sync(&mut self) {
        self.cut_short();
        for page in std::mem::take(&mut self.dirty).into_keys() {
            if let Some(bytes) = self.seen.get(&page) {
                self.synced.insert(page, bytes.clone());
            }
        }
        self.synced_size = self.size;
    }

    /// What Linux does when a write to the disk fails: the error is told once, and the pages count
    /// as clean.
    pub(crate) fn fail_sync(&mut self) {
        self.dropped
            .extend(std::mem::take(&mut self.dirty).into_keys());
    }

    /// The power is gone, and back: programs read what the disk has.
    pub(crate) fn cut(&mut self, kept: Kept, dice: &mut StdRng) {
        let mut pages: Vec<(u64, u64)> = std::mem::take(&mut self.dirty).into_iter().collect();
        pages.sort_unstable_by_key(|(_, order)| *order);
        let mut pages: Vec<u64> = pages.into_iter().map(|(page, _)| page).collect();
        pages.splice(..0, std::mem::take(&mut self.dropped));
        let (shrunk, grown) = match kept {
            Kept::Nothing => (false, false),
            Kept::Everything => (true, true),
            Kept::Prefix | Kept::Sectors(_) => (dice.random(), dice.random()),
        };
        if shrunk {
            self.cut_short();
        }
        self.shortest = None;
        if grown || (shrunk && self.size < self.synced_size) {
            self.synced_size = self.size;
        }
        match kept {
            Kept::Nothing => {}
            Kept::Everything => pages
                .iter()
                .for_each(|page| self.write_back(*page, 1.0, dice)),
            Kept::Prefix => {
                let count = dice.random_range(0..=pages.len());
                for (at, page) in pages.iter().take(count).enumerate() {
                    let share = if at + 1 == count { 0.5 } else { 1.0 };
                    self.write_back(*page, share, dice);
                }
            }
            Kept::Sectors(share) => {
                pages
                    .iter()
                    .for_each(|page| self.write_back(*page, share, dice));
            }
        }
        self.seen = self.synced.clone();
        self.size = self.synced_size;
        self.forget_beyond_end();
    }

    /// Some sectors of a page reach the disk.
    fn write_back(&mut self, page: u64, share: f64, dice: &mut StdRng) {
        let Some(from) = self.seen.get(&page).cloned() else {
            return;
        };
        let to = self
            .synced
            .entry(page)
            .or_insert_with(|| Arc::new([0; PAGE]));
        let to = Arc::make_mut(to);
        for start in (0..PAGE).step_by(SECTOR) {
            if dice.random_bool(share) {
                to[start..start + SECTOR].copy_from_slice(&from[start..start + SECTOR]);
            }
        }
    }

    /// The disk learns that the file was shorter for a while.
    fn cut_short(&mut self) {
        let Some(size) = self.shortest.take() else {
            return;
        };
        let (last, inside) = place(size);
        self.synced
            .retain(|page, _| *page < last || (*page == last && inside > 0));
        if let Some(bytes) = self.synced.get_mut(&last) {
            Arc::make_mut(bytes)[inside..].fill(0);
        }
    }

    /// What lies beyond the end of a file reads as zeros when it grows again.
    fn forget_beyond_end(&mut self) {
        let (last, inside) = place(self.size);
        for pages in [&mut self.seen, &mut self.synced] {
            pages.retain(|page, _| *page < last || (*page == last && inside > 0));
            if let Some(bytes) = pages.get_mut(&last) {
                Arc::make_mut(bytes)[inside..].fill(0);
            }
        }
    }
}

fn place(offset: u64) -> (u64, usize) {
    (offset / PAGE as u64, (offset % PAGE as u64) as usize)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn written(size: usize) -> (File, StdRng) {
        // No write goes to the disk by itself with this seed's first numbers or any other: only
        // what was synced is asserted.
        let (mut file, mut dice) = (File::default(), StdRng::seed_from_u64(7));
        file.write(0, &vec![1; size], &mut dice);
        (file, dice)
    }

    #[test]
    fn what_was_synced_is_there_whatever_is_cut() {
        for kept in [
            Kept::Nothing,
            Kept::Everything,
            Kept::Prefix,
            Kept::Sectors(0.5),
        ] {
            let (mut file, mut dice) = written(10_000);
            file.sync();
            file.write(10_000, &[2; 10_000], &mut dice);
            file.cut(kept, &mut dice);
            assert_eq!(file.read(0, 10_000), [1; 10_000], "{kept:?}");
            assert!(file.size() == 10_000 || file.size() == 20_000);
        }
    }

    #[test]
    fn what_was_not_synced_is_gone_or_torn_by_sectors() {
        let (mut file, mut dice) = written(PAGE);
        file.sync();
        file.write(0, &[2; PAGE], &mut dice);
        file.cut(Kept::Sectors(0.5), &mut dice);
        let bytes = file.read(0, PAGE);
        for sector in bytes.chunks(SECTOR) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
        assert!(bytes.contains(&1) && bytes.contains(&2));
    }

    #[test]
    fn a_sync_that_failed_is_not_made_good_by_the_next() {
        let (mut file, mut dice) = written(PAGE);
        file.fail_sync();
        file.sync();
        assert_eq!(file.read(0, 3), [1; 3]);
        file.cut(Kept::Nothing, &mut dice);
        assert_ne!(file.read(0, PAGE), [1; PAGE]);
    }

    #[test]
    fn a_file_that_was_cut_short_and_grew_has_zeros_between() {
        let (mut file, mut dice) = written(PAGE);
        file.sync();
        file.resize(100);
        file.resize(200);
        assert_eq!(file.read(0, 300), [vec![1; 100], vec![0; 100]].concat());
        file.sync();
        file.cut(Kept::Everything, &mut dice);
        assert_eq!(file.read(0, 300), [vec![1; 100], vec![0; 100]].concat());
    }
}
