//! The index against a map, and what it takes of memory while it grows and shrinks.

use std::collections::BTreeMap;

use super::*;

/// The index beside what it should hold.
#[derive(Default)]
struct Pair {
    index: KeyIndex,
    model: BTreeMap<u64, u64>,
}

impl Pair {
    fn insert(&mut self, id: u64, hash: u64) {
        self.model.insert(id, hash);
        let model = &self.model;
        let hash_of = |id: TaskId| model.get(&id.0).copied();
        self.index.insert(hash, TaskId(id), hash_of);
    }

    fn remove(&mut self, id: u64) {
        if let Some(hash) = self.model.remove(&id) {
            self.index.remove(hash, TaskId(id));
        }
    }

    fn check(&self) {
        assert_eq!(self.index.len(), self.model.len() as u64);
        for (id, hash) in &self.model {
            let found = self.index.candidates(*hash).filter(|found| found.0 == *id);
            assert_eq!(found.count(), 1, "task {id} with hash {hash:x}");
        }
    }

    /// Bytes of the lists, and those of them that the longest bucket takes.
    fn bytes(&self) -> (usize, usize) {
        let buckets = || self.index.pieces.iter().flatten();
        let slots = |bucket: &Vec<Slot>| bucket.capacity() * size_of::<Slot>();
        let headers = |piece: &Vec<Vec<Slot>>| piece.capacity() * size_of::<Vec<Slot>>();
        let headers: usize = self.index.pieces.iter().map(headers).sum();
        let longest = buckets().map(slots).max().unwrap_or(0);
        (headers + buckets().map(slots).sum::<usize>(), longest)
    }
}

/// SplitMix64: numbers as uniform as hashes, the same in each run.
fn hash(number: u64) -> u64 {
    let mut hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[test]
fn it_holds_what_a_map_holds() {
    let mut pair = Pair::default();
    for turn in 0..60_000_u64 {
        let chance = hash(turn);
        // It grows for a while, then shrinks, again and again; some tasks have the same hash.
        let grows = turn % 20_000 < 12_000;
        if chance % 10 < if grows { 8 } else { 1 } {
            pair.insert(turn, hash(turn | 1));
        } else if let Some(id) = pair.model.range(chance % (turn + 1)..).next() {
            let id = *id.0;
            pair.remove(id);
        }
        if turn % 5_000 == 0 {
            pair.check();
        }
    }
    pair.check();
}

#[test]
fn an_index_made_at_once_goes_on_like_any_other() {
    for len in [0, 1, 128, 129, 50_000] {
        let model: BTreeMap<u64, u64> = (0..len).map(|id| (id, hash(id))).collect();
        let tasks = model.iter().map(|(id, hash)| (*hash, TaskId(*id)));
        let index = KeyIndex::of(len, tasks);
        let mut pair = Pair { index, model };
        pair.check();
        let (bytes, _) = pair.bytes();
        assert!(bytes as u64 <= len * 7 + 10_000, "{bytes} bytes for {len}");
        (len..len + 20_000).for_each(|id| pair.insert(id, hash(id)));
        pair.check();
        (0..len + 20_000).for_each(|id| pair.remove(id));
        assert_eq!(pair.index.len(), 0);
    }
}

#[test]
fn a_task_takes_seven_bytes_at_any_size_and_they_are_returned() {
    let mut pair = Pair::default();
    let many = 100_000;
    for id in 0..many {
        pair.insert(id, hash(id));
        if id > 10_000 && id % 10_007 == 0 {
            let (bytes, longest) = pair.bytes();
            assert!(bytes as u64 <= id * 7, "{bytes} bytes for {id}");
            assert!(longest < 2_000, "{longest} bytes in one bucket");
        }
    }
    pair.check();
    for id in 0..many {
        pair.remove(hash(id) % many);
    }
    for id in 0..many {
        pair.remove(id);
        if id % 2_003 == 0 {
            let (left, (bytes, _)) = (pair.model.len(), pair.bytes());
            assert!(bytes <= left * 12 + 10_000, "{bytes} bytes for {left}");
        }
    }
    assert_eq!((pair.bytes(), pair.index.pieces.capacity()), ((0, 0), 0));
}

#[test]
fn keys_that_are_no_hashes_cost_time_and_nothing_else() {
    let mut pair = Pair::default();
    for id in 0..2_000 {
        pair.insert(id, id % 3);
    }
    pair.check();
    (0..2_000).rev().for_each(|id| pair.remove(id));
    assert_eq!(pair.index.len(), 0);
}

#[test]
fn the_greatest_id_is_found() {
    let mut pair = Pair::default();
    pair.insert(TASK_IDS - 1, u64::MAX);
    pair.check();
    pair.remove(TASK_IDS - 1);
    assert_eq!(pair.index.candidates(u64::MAX).count(), 0);
}
