//! Finds live tasks by the hashes of their dedup keys (linear hashing).
//!
//! Millions of tasks may have keys, so the index holds nothing but six bytes for each: its id and
//! some bits of the hash. The key itself is beside the task, where whoever asks compares it. A
//! bucket is one short sorted list; when there are too many tasks for so many buckets, the next
//! bucket in turn is split, so that no growth moves more than one of them.
//!
//! No decision depends on the order of what is in here: it is never listed.

use super::snug::{make_room, return_room};
use crate::id::TaskId;
use crate::limits::TASK_IDS;

/// Tasks of a bucket on average; the longest has twice as many. Few enough to split one within some
/// ten microseconds, and enough that the list itself is little beside what is in it.
const BUCKET: u64 = 128;
/// Below so many tasks of a bucket on average, buckets are joined again: far enough from
/// [`BUCKET`], so that none is split and joined by turns.
const BUCKET_MIN: u64 = BUCKET / 4;
/// Places that a bucket grows by.
const STEP: usize = 8;
/// Buckets of one piece of the directory: all of them in one list would be megabytes that move when
/// it grows.
const PIECE: usize = 256;

const ID_BITS: u32 = TASK_IDS.trailing_zeros();
/// A task's id, below as many bits of the hash as there is room for: of the tasks of a bucket
/// that are not asked for, one in two thousand is looked at in vain.
type Slot = [u8; 6];
const TAG_BITS: u32 = 8 * size_of::<Slot>() as u32 - ID_BITS;

/// Task ids by hash.
#[derive(Default)]
pub(super) struct KeyIndex {
    pieces: Vec<Vec<Vec<Slot>>>,
    buckets: usize,
    len: u64,
}

fn slot(hash: u64, id: TaskId) -> Slot {
    // The highest bits: the lowest are those that tasks of a bucket have in common.
    let tag = hash >> (u64::BITS - TAG_BITS);
    let [_, _, slot @ ..] = (tag << ID_BITS | id.0 & (TASK_IDS - 1)).to_be_bytes();
    slot
}

fn id_of([a, b, c, d, e, f]: Slot) -> TaskId {
    TaskId(u64::from_be_bytes([0, 0, a, b, c, d, e, f]) & (TASK_IDS - 1))
}

/// The bucket that this one was split from.
fn parent(bucket: usize) -> usize {
    bucket & !(1 << bucket.ilog2())
}

impl KeyIndex {
    /// An index of so many tasks, which are all there are: in a fraction of the time that adding one
    /// after the other takes, since no bucket is split.
    pub(super) fn of(len: u64, tasks: impl Iterator<Item = (u64, TaskId)>) -> KeyIndex {
        let mut index = KeyIndex::default();
        for _ in 0..len.div_ceil(BUCKET) {
            index.push(Vec::new());
        }
        for (hash, id) in tasks {
            let number = index.number(hash);
            let bucket = index.bucket_mut(number);
            make_room(bucket, STEP);
            bucket.push(slot(hash, id));
            index.len += 1;
        }
        for bucket in index.pieces.iter_mut().flatten() {
            bucket.sort_unstable();
        }
        index
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// All tasks whose keys have the hash, and now and then another one.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = TaskId> + '_ {
        let bucket = match self.buckets {
            0 => &[][..],
            _ => self.bucket(self.number(hash)),
        };
        let first = slot(hash, TaskId(0));
        let last = slot(hash, TaskId(TASK_IDS - 1));
        let from = bucket.partition_point(|slot| *slot < first);
        let found = bucket[from..].iter().take_while(move |slot| **slot <= last);
        found.map(|slot| id_of(*slot))
    }

    /// Adds a task, which is not in it. `hash_of` says the hash of any task in it, that one too.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        id: TaskId,
        hash_of: impl Fn(TaskId) -> Option<u64>,
    ) {
        if self.buckets == 0 {
            self.push(Vec::new());
        }
        let number = self.number(hash);
        let bucket = self.bucket_mut(number);
        let slot = slot(hash, id);
        let at = bucket.partition_point(|other| *other < slot);
        make_room(bucket, STEP);
        bucket.insert(at, slot);
        self.len += 1;
        if self.len > self.buckets as u64 * BUCKET {
            self.split(hash_of);
        }
    }

    pub(super) fn remove(&mut self, hash: u64, id: TaskId) {
        if self.buckets == 0 {
            return;
        }
        let number = self.number(hash);
        let bucket = self.bucket_mut(number);
        let Ok(at) = bucket.binary_search(&slot(hash, id)) else {
            return;
        };
        bucket.remove(at);
        return_room(bucket, STEP);
        self.len -= 1;
        match self.len {
            0 => *self = KeyIndex::default(),
            len if len < (self.buckets as u64 - 1) * BUCKET_MIN => self.join(),
            _ => {}
        }
    }

    /// Which bucket a hash belongs to: that of as many of its lowest bits as name one.
    fn number(&self, hash: u64) -> usize {
        let mask = self.buckets.next_power_of_two() - 1;
        let number = hash as usize & mask;
        match number < self.buckets {
            true => number,
            false => parent(number),
        }
    }

    /// Moves what belongs to the bucket that comes next out of its parent.
    fn split(&mut self, hash_of: impl Fn(TaskId) -> Option<u64>) {
        let next = self.buckets;
        self.push(Vec::new());
        let before = std::mem::take(self.bucket_mut(parent(next)));
        let moves = |slot: &Slot| {
            let hash = hash_of(id_of(*slot));
            hash.is_some_and(|hash| self.number(hash) == next)
        };
        let (mut moved, mut rest): (Vec<Slot>, Vec<Slot>) = before.into_iter().partition(moves);
        moved.shrink_to_fit();
        rest.shrink_to_fit();
        *self.bucket_mut(next) = moved;
        *self.bucket_mut(parent(next)) = rest;
    }

    /// Moves all of the last bucket back into its parent.
    fn join(&mut self) {
        let last = self.buckets - 1;
        let moved = self.pop();
        let bucket = self.bucket_mut(parent(last));
        bucket.reserve_exact(moved.len());
        bucket.extend(moved);
        bucket.sort_unstable();
    }

    fn bucket(&self, number: usize) -> &[Slot] {
        &self.pieces[number / PIECE][number % PIECE]
    }

    fn bucket_mut(&mut self, number: usize) -> &mut Vec<Slot> {
        &mut self.pieces[number / PIECE][number % PIECE]
    }

    fn push(&mut self, bucket: Vec<Slot>) {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(bucket),
            _ => self.pieces.push(vec![bucket]),
        }
        self.buckets += 1;
    }

    fn pop(&mut self) -> Vec<Slot> {
        let Some(piece) = self.pieces.last_mut() else {
            return Vec::new();
        };
        let bucket = piece.pop().unwrap_or_default();
        if piece.is_empty() {
            self.pieces.pop();
        }
        self.buckets -= 1;
        bucket
    }
}

#[cfg(test)]
#[path = "key_index_tests.rs"]
mod tests;
