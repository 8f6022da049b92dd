//! What an append costs: per backend, for the sizes that the server writes.
//!
//! On files the disk decides; compare only runs of the same minute on the same disk.

use std::time::Duration;

use bytes::Bytes;
use capataz_journal::conformance::{commit, writer};
use capataz_journal::{
    Append, FileJournal, FileOptions, Journal, JournalId, MemoryJournal, Position,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// How many records may pile up before a benchmark trims, to bound memory and disk.
const TRIM_EVERY: u64 = 512;

fn groups() -> [(&'static str, Vec<Bytes>); 3] {
    let group = |count, bytes| vec![Bytes::from(vec![0x5a; bytes]); count];
    [
        ("1x200B", group(1, 200)),
        ("64x200B", group(64, 200)),
        ("1x1MiB", group(1, 1 << 20)),
    ]
}

fn append(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a folder");
    let mut benches = criterion.benchmark_group("journal_append");
    benches
        .measurement_time(Duration::from_secs(3))
        .sample_size(20);
    for (name, records) in groups() {
        let id = JournalId::from_bytes([1; 16]);
        let file = FileJournal::open(root.path().join(name), FileOptions::default());
        let journals: [(&str, Box<dyn Journal>); 2] = [
            ("memory", Box::new(MemoryJournal::new(id))),
            ("file", Box::new(file.expect("a new journal"))),
        ];
        let bytes: usize = records.iter().map(Bytes::len).sum();
        benches.throughput(Throughput::Bytes(bytes as u64));
        for (backend, mut journal) in journals {
            let mut groups = 0_u64;
            benches.bench_function(BenchmarkId::new(backend, name), |bencher| {
                bencher.iter(|| {
                    let ended = journal.append(journal.tail(), writer(1), &records);
                    assert!(matches!(ended, Append::Committed { .. }), "{ended:?}");
                    groups += 1;
                    if groups.is_multiple_of(TRIM_EVERY) {
                        journal.maintain().expect("a healthy journal");
                        journal.trim(journal.tail(), 1).expect("a trim");
                    }
                });
            });
        }
    }
    benches.finish();
}

fn replay(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a folder");
    let mut journal = FileJournal::open(root.path(), FileOptions::default()).expect("a journal");
    let group = vec![Bytes::from(vec![0x5a; 4096]); 256];
    for _ in 0..64 {
        commit(&mut journal, 1, &group);
    }
    let mut benches = criterion.benchmark_group("journal_replay");
    benches
        .throughput(Throughput::Bytes(64 * 256 * 4096))
        .sample_size(10);
    benches.bench_function("64MiB of 4KiB", |bencher| {
        bencher.iter(|| {
            let mut reader = journal.reader();
            let mut next = Position::ZERO;
            while next < journal.tail() {
                let entries = reader.read(next, 8 << 20).expect("records");
                next = next.advance(entries.len() as u64);
            }
        });
    });
    benches.finish();
}

criterion_group!(benches, append, replay);
criterion_main!(benches);
