//! The engine's entries: stored under checksums, loaded in the order in which the engine wants
//! them back.

use capataz_engine::{EntryKey, RestoreError, RunId, TaskId, WorkflowId};
use rusqlite::{Connection, OptionalExtension};

use super::batch::Batch;
use super::checkpoint::VERIFIED_ENTRIES as STEP;
use super::database::Fault;
use super::meta::Meta;

/// Places of the kinds of [`EntryKey`], in its order. Tasks have a table of their own.
const META: u8 = 0;
const GROUP: u8 = 1;
const POD: u8 = 2;
const WORKER: u8 = 3;
const TASK: u8 = 4;
const LEASE: u8 = 5;
const DEDUP: u8 = 6;
const REQUEST: u8 = 7;
const TOKEN: u8 = 8;
const WORKFLOW: u8 = 9;
const VERSION: u8 = 10;
const RUN: u8 = 11;
const RUN_STEPS: u8 = 12;
const FAN_ITEMS: u8 = 13;
const STEP_OUTPUT: u8 = 14;
const ARCHIVE: u8 = 15;

/// Why the engine's state could not be loaded. The store changes nothing then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// One entry is not what was written.
    #[error("the entry {key} of the store is damaged: its checksum differs")]
    Entry {
        /// Which, in hexadecimal.
        key: String,
    },
    /// All entries are whole, but they are not the ones that belong to the store's position: some
    /// are missing, or a part of the file is older than the rest.
    #[error(
        "the store's entries do not belong together: expected {expected} with seal {seal:x}, \
        found {found} with seal {found_seal:x}"
    )]
    Seal {
        /// How many there should be.
        expected: u64,
        /// The sum of their checksums.
        seal: u64,
        /// How many there are.
        found: u64,
        /// What their checksums add up to.
        found_seal: u64,
    },
    /// The engine cannot make a state of them.
    #[error("the engine refuses the store's entries: {0}")]
    Restore(#[from] RestoreError),
    /// SQLite failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A thread that reads entries has ended without a word.
    #[error("a thread that reads the store's entries has ended")]
    Reader,
}

impl LoadError {
    /// Whether the file is not what was written to it.
    pub fn is_damage(&self) -> bool {
        match self {
            LoadError::Entry { .. } | LoadError::Seal { .. } | LoadError::Restore(_) => true,
            LoadError::Fault(fault) => matches!(fault, Fault::Damaged(_)),
            LoadError::Reader => false,
        }
    }
}

/// The bytes that an entry is found and sorted by: the order is that of [`EntryKey`].
pub fn encode_key(key: &EntryKey) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(21);
    match key {
        EntryKey::Meta => bytes.push(META),
        EntryKey::Group(id) => with_number(&mut bytes, GROUP, id.0),
        EntryKey::Pod(id) => with_number(&mut bytes, POD, id.0),
        EntryKey::Worker(id) => with_number(&mut bytes, WORKER, id.0),
        EntryKey::Task(id) => {
            bytes.push(TASK);
            bytes.extend(id.0.to_be_bytes());
        }
        EntryKey::Lease(key, attempt) => {
            bytes.push(LEASE);
            bytes.extend(key.to_raw().to_be_bytes());
            bytes.extend(attempt.to_be_bytes());
        }
        EntryKey::Dedup(group, hash) => {
            with_number(&mut bytes, DEDUP, group.0);
            bytes.extend(hash.to_be_bytes());
        }
        EntryKey::Request(id) => {
            bytes.push(REQUEST);
            bytes.extend(id.to_be_bytes());
        }
        EntryKey::Token(id) => {
            bytes.push(TOKEN);
            bytes.extend(id.0.to_be_bytes());
        }
        EntryKey::Workflow(id) => with_number(&mut bytes, WORKFLOW, id.0),
        EntryKey::Version(id, number) => {
            with_number(&mut bytes, VERSION, id.0);
            bytes.extend(number.to_be_bytes());
        }
        EntryKey::Run(id) => with_run(&mut bytes, RUN, *id),
        EntryKey::RunSteps(id, chunk) => {
            with_run(&mut bytes, RUN_STEPS, *id);
            bytes.extend(chunk.to_be_bytes());
        }
        EntryKey::FanItems(id, step) => {
            with_run(&mut bytes, FAN_ITEMS, *id);
            bytes.extend(step.to_be_bytes());
        }
        EntryKey::StepOutput(id, step, element) => {
            with_run(&mut bytes, STEP_OUTPUT, *id);
            bytes.extend(step.to_be_bytes());
            bytes.extend(element.to_be_bytes());
        }
        EntryKey::Archive(id) => with_run(&mut bytes, ARCHIVE, *id),
    }
    bytes
}

fn with_run(bytes: &mut Vec<u8>, kind: u8, run: RunId) {
    bytes.push(kind);
    bytes.extend(run.0.to_be_bytes());
}

fn with_number(bytes: &mut Vec<u8>, kind: u8, number: u32) {
    bytes.push(kind);
    bytes.extend(number.to_be_bytes());
}

/// The inverse of [`encode_key`], but for tasks, which have a table of their own; `None` for bytes
/// that are no other entry's.
pub fn decode_key(bytes: &[u8]) -> Option<EntryKey> {
    use capataz_engine::{GroupId, Key, PodId, TokenId, WorkerId};
    let (kind, rest) = bytes.split_first()?;
    let number = || Some(u32::from_be_bytes(rest.try_into().ok()?));
    Some(match *kind {
        META if rest.is_empty() => EntryKey::Meta,
        GROUP => EntryKey::Group(GroupId(number()?)),
        POD => EntryKey::Pod(PodId(number()?)),
        WORKER => EntryKey::Worker(WorkerId(number()?)),
        LEASE => {
            let (key, attempt) = rest.split_first_chunk::<8>()?;
            let attempt = u32::from_be_bytes(attempt.try_into().ok()?);
            EntryKey::Lease(Key::from_raw(u64::from_be_bytes(*key)), attempt)
        }
        DEDUP => {
            let (group, hash) = rest.split_first_chunk::<4>()?;
            let hash = u128::from_be_bytes(hash.try_into().ok()?);
            EntryKey::Dedup(GroupId(u32::from_be_bytes(*group)), hash)
        }
        REQUEST => EntryKey::Request(u128::from_be_bytes(rest.try_into().ok()?)),
        TOKEN => EntryKey::Token(TokenId(u64::from_be_bytes(rest.try_into().ok()?))),
        WORKFLOW => EntryKey::Workflow(WorkflowId(number()?)),
        VERSION => {
            let (id, version) = rest.split_first_chunk::<4>()?;
            let version = u32::from_be_bytes(version.try_into().ok()?);
            EntryKey::Version(WorkflowId(u32::from_be_bytes(*id)), version)
        }
        RUN | RUN_STEPS | FAN_ITEMS | STEP_OUTPUT => {
            let (run, rest) = rest.split_first_chunk::<8>()?;
            run_key(*kind, RunId(u64::from_be_bytes(*run)), rest)?
        }
        _ => return None,
    })
}

fn run_key(kind: u8, run: RunId, rest: &[u8]) -> Option<EntryKey> {
    let mut numbers = rest
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| u32::from_be_bytes(*bytes));
    let key = match kind {
        RUN => EntryKey::Run(run),
        RUN_STEPS => EntryKey::RunSteps(run, numbers.next()?),
        FAN_ITEMS => EntryKey::FanItems(run, numbers.next()?),
        _ => EntryKey::StepOutput(run, numbers.next()?, numbers.next()?),
    };
    (encode_key(&key).len() == rest.len() + 9).then_some(key)
}

pub(super) fn checksum(key: &[u8], value: &[u8]) -> i64 {
    i64::from(crc32c::crc32c_append(crc32c::crc32c(key), value))
}

/// Writes the entries of all `batches`, each as of the last that has it, and keeps the seal.
/// Tasks from `fresh` on are known not to be stored yet.
pub(super) fn write(
    connection: &Connection,
    meta: &mut Meta,
    fresh: u64,
    batches: &[Batch],
) -> rusqlite::Result<()> {
    let mut changed: Vec<&(EntryKey, Option<Vec<u8>>)> = batches
        .iter()
        .filter_map(|batch| batch.entries.as_ref())
        .flatten()
        .collect();
    // Stable: of several with one key the newest comes last.
    changed.sort_by_key(|(key, _)| *key);
    let mut tasks = Table::tasks(connection)?;
    let mut others = Table::others(connection)?;
    for (at, (key, value)) in changed.iter().enumerate() {
        if changed.get(at + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        let encoded = encode_key(key);
        let sum = value
            .as_ref()
            .map(|value| (checksum(&encoded, value), &value[..]));
        match key {
            EntryKey::Task(id) => tasks.put(meta, &(id.0 as i64), id.0 >= fresh, sum)?,
            EntryKey::Archive(id) => keep_archive(connection, *id, sum)?,
            _ => others.put(meta, &encoded, false, sum)?,
        }
    }
    Ok(())
}

/// Keeps what is left of a run that has ended. It is no entry: no state is made of it.
fn keep_archive(
    connection: &Connection,
    run: RunId,
    archive: Option<(i64, &[u8])>,
) -> rusqlite::Result<()> {
    // Gone means that it was handed over before, or that the run lives again.
    let Some((crc, archive)) = archive else {
        return Ok(());
    };
    let sql = "INSERT OR REPLACE INTO run_archive (run, crc, v) VALUES (?, ?, ?)";
    let values = rusqlite::params![run.0 as i64, crc, archive];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The statements of one of the two tables.
struct Table<'c> {
    find: rusqlite::CachedStatement<'c>,
    insert: rusqlite::CachedStatement<'c>,
    update: rusqlite::CachedStatement<'c>,
    delete: rusqlite::CachedStatement<'c>,
}

impl<'c> Table<'c> {
    fn tasks(connection: &'c Connection) -> rusqlite::Result<Table<'c>> {
        Ok(Table {
            find: connection.prepare_cached("SELECT crc FROM entry_task WHERE id = ?")?,
            insert: connection
                .prepare_cached("INSERT INTO entry_task (id, crc, v) VALUES (?, ?, ?)")?,
            update: connection
                .prepare_cached("UPDATE entry_task SET crc = ?2, v = ?3 WHERE id = ?1")?,
            delete: connection.prepare_cached("DELETE FROM entry_task WHERE id = ?")?,
        })
    }

    fn others(connection: &'c Connection) -> rusqlite::Result<Table<'c>> {
        Ok(Table {
            find: connection.prepare_cached("SELECT crc FROM entry WHERE k = ?")?,
            insert: connection.prepare_cached("INSERT INTO entry (k, crc, v) VALUES (?, ?, ?)")?,
            update: connection.prepare_cached("UPDATE entry SET crc = ?2, v = ?3 WHERE k = ?1")?,
            delete: connection.prepare_cached("DELETE FROM entry WHERE k = ?")?,
        })
    }

    fn put(
        &mut self,
        meta: &mut Meta,
        key: &dyn rusqlite::ToSql,
        fresh: bool,
        value: Option<(i64, &[u8])>,
    ) -> rusqlite::Result<()> {
        let old: Option<i64> = match fresh {
            true => None,
            false => self.find.query_row([key], |row| row.get(0)).optional()?,
        };
        meta.seal = meta.seal.wrapping_sub(old.unwrap_or(0) as u64);
        match (old, value) {
            (None, None) => return Ok(()),
            (Some(_), None) => {
                meta.entries = meta.entries.wrapping_sub(1);
                self.delete.execute([key])?;
            }
            (Some(_), Some((crc, value))) => {
                self.update.execute(rusqlite::params![key, crc, value])?;
            }
            (None, Some((crc, value))) => {
                meta.entries += 1;
                self.insert.execute(rusqlite::params![key, crc, value])?;
            }
        }
        meta.seal = meta
            .seal
            .wrapping_add(value.map_or(0, |(crc, _)| crc) as u64);
        Ok(())
    }
}

/// What a reading of entries does with each.
pub(super) type Each<'f> = dyn FnMut(EntryKey, &[u8]) -> Result<(), LoadError> + 'f;

/// Entries that come before those of tasks, in their order.
pub(super) fn each_before_tasks(
    connection: &Connection,
    sum: &mut Sum,
    each: &mut Each<'_>,
) -> Result<(), LoadError> {
    let sql = "SELECT k, crc, v FROM entry WHERE k < ? ORDER BY k";
    each_other(connection, sql, &[TASK], sum, each)
}

/// Entries that come behind those of tasks, in their order.
pub(super) fn each_after_tasks(
    connection: &Connection,
    sum: &mut Sum,
    each: &mut Each<'_>,
) -> Result<(), LoadError> {
    let sql = "SELECT k, crc, v FROM entry WHERE k >= ? ORDER BY k";
    each_other(connection, sql, &[TASK], sum, each)
}

/// Entries of the tasks from the first to the last of these ids, in their order, each with its
/// checksum, for as long as `each` says so.
pub(super) fn each_task_of(
    connection: &Connection,
    (first, last): (i64, i64),
    each: &mut dyn FnMut(TaskId, i64, &[u8]) -> bool,
) -> Result<(), LoadError> {
    let sql = "SELECT id, crc, v FROM entry_task WHERE id BETWEEN ? AND ? ORDER BY id";
    each_task(connection, sql, [first, last], each)
}

/// Reads all entries without making a state of them.
pub(super) fn check_seal(connection: &Connection, meta: &Meta) -> Result<(), LoadError> {
    let mut sum = Sum::default();
    let others = "SELECT k, crc, v FROM entry WHERE k >= ?";
    each_other(connection, others, &[META], &mut sum, &mut |_, _| Ok(()))?;
    let tasks = "SELECT id, crc, v FROM entry_task";
    each_task(connection, tasks, [], &mut |_, crc, _| {
        sum.count(crc);
        true
    })?;
    sum.must_match(meta)
}

/// Checks some entries that are not tasks, from `from` on, and moves it behind them; back to the
/// beginning at the end.
pub(super) fn check_others(connection: &Connection, from: &mut Vec<u8>) -> Result<(), LoadError> {
    let sql = format!("SELECT k, crc, v FROM entry WHERE k > ? ORDER BY k LIMIT {STEP}");
    let (mut sum, start) = (Sum::default(), std::mem::take(from));
    each_other(connection, &sql, &start, &mut sum, &mut |key, _| {
        *from = encode_key(&key);
        Ok(())
    })?;
    if sum.entries < STEP as u64 {
        from.clear();
    }
    Ok(())
}

/// The same for tasks; returns which.
pub(super) fn check_tasks(connection: &Connection, from: &mut i64) -> Result<Vec<i64>, LoadError> {
    let sql = format!("SELECT id, crc, v FROM entry_task WHERE id > ? ORDER BY id LIMIT {STEP}");
    let mut checked = Vec::new();
    each_task(connection, &sql, [*from], &mut |id, _, _| {
        checked.push(id.0 as i64);
        true
    })?;
    *from = checked
        .last()
        .copied()
        .filter(|_| checked.len() >= STEP)
        .unwrap_or(0);
    Ok(checked)
}

/// How many entries were read, and the sum of their checksums.
#[derive(Default)]
pub(super) struct Sum {
    entries: u64,
    seal: u64,
}

impl Sum {
    /// One entry more, which was checked.
    pub(super) fn count(&mut self, crc: i64) {
        self.entries += 1;
        self.seal = self.seal.wrapping_add(crc as u64);
    }

    pub(super) fn add(&mut self, other: &Sum) {
        self.entries += other.entries;
        self.seal = self.seal.wrapping_add(other.seal);
    }

    pub(super) fn must_match(&self, meta: &Meta) -> Result<(), LoadError> {
        if (self.entries, self.seal) == (meta.entries, meta.seal) {
            return Ok(());
        }
        Err(LoadError::Seal {
            expected: meta.entries,
            seal: meta.seal,
            found: self.entries,
            found_seal: self.seal,
        })
    }
}

fn check(key: &[u8], crc: i64, value: &[u8]) -> Result<(), LoadError> {
    match checksum(key, value) == crc {
        true => Ok(()),
        false => Err(damaged(key)),
    }
}

fn damaged(key: &[u8]) -> LoadError {
    let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
    LoadError::Entry { key }
}

fn each_other(
    connection: &Connection,
    sql: &str,
    from: &[u8],
    sum: &mut Sum,
    each: &mut Each<'_>,
) -> Result<(), LoadError> {
    let mut statement = connection.prepare_cached(sql).map_err(Fault::from)?;
    let mut rows = statement.query([from]).map_err(Fault::from)?;
    while let Some(row) = rows.next().map_err(Fault::from)? {
        let read = || -> rusqlite::Result<(&[u8], i64, &[u8])> {
            Ok((
                row.get_ref(0)?.as_blob()?,
                row.get(1)?,
                row.get_ref(2)?.as_blob()?,
            ))
        };
        let (key, crc, value) = read().map_err(Fault::from)?;
        check(key, crc, value)?;
        sum.count(crc);
        each(decode_key(key).ok_or_else(|| damaged(key))?, value)?;
    }
    Ok(())
}

fn each_task(
    connection: &Connection,
    sql: &str,
    ids: impl rusqlite::Params,
    each: &mut dyn FnMut(TaskId, i64, &[u8]) -> bool,
) -> Result<(), LoadError> {
    let mut statement = connection.prepare_cached(sql).map_err(Fault::from)?;
    let mut rows = statement.query(ids).map_err(Fault::from)?;
    while let Some(row) = rows.next().map_err(Fault::from)? {
        let read = || -> rusqlite::Result<(i64, i64, &[u8])> {
            Ok((row.get(0)?, row.get(1)?, row.get_ref(2)?.as_blob()?))
        };
        let (id, crc, value) = read().map_err(Fault::from)?;
        let id = TaskId(id as u64);
        check(&encode_key(&EntryKey::Task(id)), crc, value)?;
        if !each(id, crc, value) {
            break;
        }
    }
    Ok(())
}
