//! Restoring the engine's state from the store's entries. Nothing is written.
//!
//! Entries of tasks lie between the rows of other tables. Of a store that is larger than the memory
//! one thread alone would read one page after the other, each as long as the disk takes for it. So
//! several threads read and check pieces of the table, and one takes what they found in its order.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use capataz_engine::{EntryKey, State, TaskId};
use rusqlite::Connection;

use super::database::{self, Fault};
use super::entries::{self, LoadError, Sum};
use super::meta::Meta;

/// Threads that read, and so the pages that a disk is asked for at once.
const READERS: u64 = 8;
/// Entries of one piece on average.
const PIECE: u64 = 4_096;
/// Entries that are handed over at once, and the bytes after which fewer are: an array of which much
/// is under way has an entry of megabytes.
const PORTION: usize = 1_024;
const PORTION_BYTES: usize = 256 << 10;
/// Portions of a thread that wait for their turn: two pieces, so that all threads go on reading
/// while the pieces before theirs are taken. Some megabytes for all of them.
const WAITING: usize = 8;
/// Page cache of a thread's connection, in KiB: no page is asked for twice but inner ones.
const CACHE_KIB: i64 = 512;

/// Restores the engine's state, of which `state` must be a new one.
pub(super) fn load(path: &Path, meta: &Meta, state: &mut State) -> Result<(), LoadError> {
    let connection = database::open_reader(path).map_err(Fault::from)?;
    let mut sum = Sum::default();
    let mut restore = |key: EntryKey, value: &[u8]| Ok(state.restore_entry(key, value)?);
    entries::each_before_tasks(&connection, &mut sum, &mut restore)?;
    if let Some(pieces) = Pieces::of(&connection, meta).map_err(Fault::from)? {
        load_tasks(path, pieces, &mut sum, state)?;
    }
    let mut restore = |key: EntryKey, value: &[u8]| Ok(state.restore_entry(key, value)?);
    entries::each_after_tasks(&connection, &mut sum, &mut restore)?;
    sum.must_match(meta)?;
    state.finish_restore();
    Ok(())
}

/// The table of tasks, cut into ranges of as many ids.
#[derive(Clone, Copy)]
struct Pieces {
    first: i64,
    last: i64,
    /// Ids in a piece.
    ids: i64,
}

impl Pieces {
    /// `None` when there are no tasks.
    fn of(connection: &Connection, meta: &Meta) -> rusqlite::Result<Option<Pieces>> {
        // In two statements SQLite looks at both ends; in one it would read all.
        let end = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let first = end("SELECT min(id) FROM entry_task")?;
        let last = end("SELECT max(id) FROM entry_task")?;
        Ok(first.zip(last).map(|(first, last)| {
            // Where few of the ids are live, a piece has more of them.
            let pieces = meta.entries / PIECE + 1;
            let ids = last.abs_diff(first) / pieces + 1;
            let ids = i64::try_from(ids).unwrap_or(i64::MAX);
            Pieces { first, last, ids }
        }))
    }

    /// The first and the last id of a piece.
    fn get(self, number: u64) -> Option<(i64, i64)> {
        let offset = i64::try_from(number).ok()?.checked_mul(self.ids)?;
        let first = self.first.checked_add(offset)?;
        let last = first.saturating_add(self.ids - 1).min(self.last);
        (first <= self.last).then_some((first, last))
    }
}

/// What a reader hands over.
enum Found {
    Portion(Portion),
    /// The piece has no more.
    End,
}

/// Some entries of tasks, which were checked.
#[derive(Default)]
struct Portion {
    sum: Sum,
    /// Each with the place in `bytes` where its value ends.
    ends: Vec<(TaskId, usize)>,
    bytes: Vec<u8>,
}

impl Portion {
    fn restore(&self, state: &mut State) -> Result<(), LoadError> {
        let mut start = 0;
        for (id, end) in &self.ends {
            state.restore_entry(EntryKey::Task(*id), &self.bytes[start..*end])?;
            start = *end;
        }
        Ok(())
    }
}

fn load_tasks(
    path: &Path,
    pieces: Pieces,
    sum: &mut Sum,
    state: &mut State,
) -> Result<(), LoadError> {
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .take_while(|number| pieces.get(*number).is_some())
            .map(|number| {
                let (found, taken) = sync_channel(WAITING);
                scope.spawn(move || read_every(path, pieces, number, &found));
                taken
            })
            .collect();
        // Who goes away, for whatever reason, ends those who read.
        let mut number = 0;
        while pieces.get(number).is_some() {
            let reader = &readers[(number % READERS) as usize];
            take_piece(reader, sum, state)?;
            number += 1;
        }
        Ok(())
    })
}

fn take_piece(
    reader: &Receiver<Result<Found, LoadError>>,
    sum: &mut Sum,
    state: &mut State,
) -> Result<(), LoadError> {
    loop {
        match reader.recv().unwrap_or(Err(LoadError::Reader))? {
            Found::Portion(portion) => {
                sum.add(&portion.sum);
                portion.restore(state)?;
            }
            Found::End => return Ok(()),
        }
    }
}

/// Reads the piece `number` and each [`READERS`] further on.
fn read_every(
    path: &Path,
    pieces: Pieces,
    number: u64,
    found: &SyncSender<Result<Found, LoadError>>,
) {
    let done = open(path).map_err(LoadError::from).and_then(|connection| {
        let mut number = number;
        while let Some(range) = pieces.get(number) {
            // Nobody takes what was read: the load has failed.
            if !read_piece(&connection, range, found)? || found.send(Ok(Found::End)).is_err() {
                break;
            }
            number += READERS;
        }
        Ok(())
    });
    if let Err(error) = done {
        let _ = found.send(Err(error));
    }
}

fn open(path: &Path) -> Result<Connection, Fault> {
    let connection = database::open_reader(path)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

/// Says whether somebody takes what it reads.
fn read_piece(
    connection: &Connection,
    range: (i64, i64),
    found: &SyncSender<Result<Found, LoadError>>,
) -> Result<bool, LoadError> {
    let mut portion = Portion::default();
    let mut taken = true;
    entries::each_task_of(connection, range, &mut |id, crc, value| {
        portion.sum.count(crc);
        portion.bytes.extend_from_slice(value);
        portion.ends.push((id, portion.bytes.len()));
        if portion.ends.len() == PORTION || portion.bytes.len() > PORTION_BYTES {
            let full = Found::Portion(std::mem::take(&mut portion));
            taken = found.send(Ok(full)).is_ok();
        }
        taken
    })?;
    if taken && !portion.ends.is_empty() {
        taken = found.send(Ok(Found::Portion(portion))).is_ok();
    }
    Ok(taken)
}
