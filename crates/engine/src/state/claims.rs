//! Dedup keys of live tasks, beside the tasks: a page of the task table has them in one list, which
//! it only has when one of its tasks has a key.

use serde::{Deserialize, Serialize};

use super::snug::{make_room, return_room};
use super::task_table::PAGE;

/// Places that a list grows by.
const STEP: usize = 32;
const WORD: usize = u64::BITS as usize;

/// The key that stands for a live task. Packed, since a number of 128 bits would fill it up to a
/// multiple of 16 bytes, and each of millions of tasks may have one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[repr(Rust, packed(8))]
pub(crate) struct Claim {
    pub(crate) key: u128,
    /// What was submitted under it; see [`super::short`].
    pub(crate) content: u64,
}

/// The keys of one page.
#[derive(Default)]
pub(super) struct Claims {
    /// A bit for each task of the page that has a key.
    held: [u64; PAGE / WORD],
    /// The keys in the order of their tasks.
    list: Vec<Claim>,
}

impl Claims {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn get(&self, slot: usize) -> Option<Claim> {
        self.holds(slot).then(|| self.list[self.rank(slot)])
    }

    pub(super) fn set(&mut self, slot: usize, claim: Claim) {
        let rank = self.rank(slot);
        if self.holds(slot) {
            self.list[rank] = claim;
            return;
        }
        make_room(&mut self.list, STEP);
        self.list.insert(rank, claim);
        self.held[slot / WORD] |= 1 << (slot % WORD);
    }

    pub(super) fn take(&mut self, slot: usize) -> Option<Claim> {
        if !self.holds(slot) {
            return None;
        }
        let claim = self.list.remove(self.rank(slot));
        self.held[slot / WORD] &= !(1 << (slot % WORD));
        return_room(&mut self.list, STEP);
        Some(claim)
    }

    fn holds(&self, slot: usize) -> bool {
        self.held[slot / WORD] & (1 << (slot % WORD)) != 0
    }

    /// How many tasks before this one have keys.
    fn rank(&self, slot: usize) -> usize {
        let (full, rest) = (slot / WORD, slot % WORD);
        let before = self.held[..full].iter().map(|word| word.count_ones());
        let below = self.held[full] & ((1 << rest) - 1);
        (before.sum::<u32>() + below.count_ones()) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_claim_is_small() {
        assert_eq!(size_of::<Claim>(), 24);
    }

    #[test]
    fn each_task_has_its_own() {
        let (mut claims, mut model) = (Claims::default(), BTreeMap::new());
        for turn in 0..2_000_usize {
            let slot = turn * 101 % PAGE;
            if turn % 3 == 0 {
                assert_eq!(claims.take(slot), model.remove(&slot));
            } else {
                let (key, content) = (turn as u128, !turn as u64);
                claims.set(slot, Claim { key, content });
                model.insert(slot, Claim { key, content });
            }
            assert_eq!(claims.get(slot), model.get(&slot).copied());
            assert_eq!(claims.list.len(), model.len());
            assert!(claims.list.capacity() <= model.len() + 2 * STEP);
        }
        assert!(model.len() > PAGE / 2);
        for slot in 0..PAGE {
            assert_eq!(claims.get(slot), model.get(&slot).copied());
            assert_eq!(claims.take(slot), model.remove(&slot));
        }
        assert!(claims.is_empty() && claims.list.capacity() == 0);
    }
}
