//! A journal's folder with edits in it: it is opened or refused for a reason, never anything else,
//! and what opens can be read, written, and opened again as it was.
//!
//! Edits alone would hardly get past a checksum, so they can be sealed: checksums, and the chain,
//! are made anew by what `docs/reference/journal-format.md` says.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use capataz_journal::disk::Disk;
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::file::{inspect_on, repair_cut_at_on};
use capataz_journal::{
    Append, Entry, FileJournal, FileOptions, Journal, JournalId, OpenError, Position, Writer,
};

/// Small enough that the history below fills two segments.
const SEGMENT_BYTES: u64 = 8 << 10;
const RECORDS_AT: usize = 4096;
const HEADER_BYTES: usize = 80;

/// The first byte: 1 seals the checksums, 2 the chain as well. Then edits: the file's number, the
/// place in two bytes, a length, and as many bytes; none take the file away.
pub(crate) fn check(bytes: &[u8]) {
    let Some((seal, edits)) = bytes.split_first() else {
        return;
    };
    let disk = history().fork();
    edit(&disk, edits);
    for name in disk.list().expect("a folder") {
        let mut contents = disk.contents(&name).expect("a listed file");
        match name.as_str() {
            "witness" if seal & 1 == 1 => seal_witness(&mut contents),
            name if name.ends_with(".segment") && seal & 1 == 1 => {
                seal_segment(&mut contents, seal & 2 == 2);
            }
            _ => continue,
        }
        disk.put(&name, contents);
    }
    let inspection = inspect_on(&disk).expect("a healthy disk");
    let repaired = disk.fork();
    // Refused or done: both are an answer.
    let _ = repair_cut_at_on(&repaired, inspection.tail);
    check_opened(&repaired);
    match (check_opened(&disk), &inspection.damage) {
        (true, None) | (false, Some(_)) => {}
        (opened, damage) => panic!("opened: {opened}, but inspected: {damage:?}"),
    }
}

/// Opens the journal if it is whole; what it then says must be so after its next start.
fn check_opened(disk: &FaultyDisk) -> bool {
    let mut journal = match open(disk) {
        Ok(journal) => journal,
        Err(OpenError::Damaged(_)) => return false,
        Err(error) => panic!("a healthy disk failed: {error}"),
    };
    let before = read_all(&journal);
    let writer = Writer {
        epoch: journal.last_writer().epoch.saturating_add(1),
        id: [9; 16],
    };
    let record = Bytes::from_static(b"one more");
    let more = match journal.append(journal.tail(), writer, &[record]) {
        Append::Committed { tail } => {
            assert_eq!(tail, journal.tail());
            true
        }
        Append::Conflict { .. } | Append::Refused(_) => false,
        Append::Unknown(fault) => panic!("a healthy disk failed: {fault}"),
    };
    drop(journal);
    let after = read_all(&open(disk).expect("what was opened opens again"));
    assert_eq!(after.len(), before.len() + usize::from(more));
    assert_eq!(after[..before.len()], before);
    true
}

fn read_all(journal: &FileJournal) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut from = journal.first();
    while from < journal.tail() {
        let read = journal.read(from, 1 << 10).expect("a whole record");
        let last = read.last().expect("a record below the tail");
        from = last.position.advance(1);
        entries.extend(read);
    }
    entries
}

fn open(disk: &FaultyDisk) -> Result<FileJournal, OpenError> {
    let options = FileOptions {
        segment_bytes: SEGMENT_BYTES,
        new_id: JournalId::from_bytes([42; 16]),
    };
    FileJournal::open_on(Arc::new(disk.clone()), options)
}

/// Two segments, groups of one and more records, some that the witness does not know, no clean
/// stop.
fn history() -> &'static FaultyDisk {
    static HISTORY: OnceLock<FaultyDisk> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let disk = FaultyDisk::new(0);
        let mut journal = open(&disk).expect("a new journal");
        let groups: [&[usize]; 6] = [&[100], &[0, 700, 9], &[1500], &[1400], &[60, 8], &[30]];
        for (epoch, group) in groups.iter().enumerate() {
            let writer = Writer {
                epoch: 1 + epoch as u64 / 2,
                id: [1 + epoch as u8 / 2; 16],
            };
            let records: Vec<Bytes> = group.iter().map(|n| vec![7; *n].into()).collect();
            let ended = journal.append(journal.tail(), writer, &records);
            assert!(matches!(ended, Append::Committed { .. }), "{ended:?}");
            if epoch < 5 {
                journal.maintain().expect("a healthy disk");
            }
        }
        assert!(journal.tail() == Position::new(9));
        drop(journal);
        disk.fork()
    })
}

fn edit(disk: &FaultyDisk, mut edits: &[u8]) {
    let names = disk.list().expect("a folder");
    while let [file, low, high, length, rest @ ..] = edits {
        let name = &names[usize::from(*file) % names.len()];
        let Some((bytes, rest)) = rest.split_at_checked((*length).into()) else {
            return;
        };
        edits = rest;
        let Ok(mut contents) = disk.contents(name) else {
            continue;
        };
        if bytes.is_empty() {
            disk.take_away(name).expect("a listed file");
            continue;
        }
        let at = usize::from(u16::from_le_bytes([*low, *high]));
        contents.resize(contents.len().max(at + bytes.len()), 0);
        contents[at..at + bytes.len()].copy_from_slice(bytes);
        disk.put(name, contents);
    }
}

fn seal_witness(contents: &mut [u8]) {
    for slot in contents.chunks_mut(4096) {
        seal(slot, 84, 0);
    }
}

fn seal_segment(contents: &mut [u8], chain: bool) {
    seal(contents, 84, 0);
    let Some(name) = contents.get(8..32) else {
        return;
    };
    let seed = crc32c::crc32c(name);
    let mut link: [u8; 16] = match contents[32..48].try_into() {
        Ok(link) => link,
        Err(_) => return,
    };
    let mut records = contents.get_mut(RECORDS_AT..).unwrap_or_default();
    while let Some((header, rest)) = std::mem::take(&mut records).split_at_mut_checked(HEADER_BYTES)
    {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let Some(payload) = rest.get(..length).filter(|_| header.starts_with(b"CJR1")) else {
            return;
        };
        let checksum = crc32c::crc32c_append(seed, payload);
        header[68..72].copy_from_slice(&checksum.to_le_bytes());
        if chain {
            header[40..56].copy_from_slice(&link);
        }
        seal(header, 76, seed);
        link.copy_from_slice(&blake3::hash(header).as_bytes()[..16]);
        let framed = length.next_multiple_of(8).min(rest.len());
        records = &mut rest[framed..];
    }
}

/// Puts the checksum of all before it at a place.
fn seal(bytes: &mut [u8], at: usize, seed: u32) {
    let Some((before, after)) = bytes.split_at_mut_checked(at) else {
        return;
    };
    if let Some(place) = after.first_chunk_mut() {
        *place = crc32c::crc32c_append(seed, before).to_le_bytes();
    }
}
