//! Logs: bounded, repeatable, and never in the way.

use capataz_api::limits::LOG_BYTES;
use capataz_api::proto::LogStream::{Stderr, Stdout};
use capataz_engine::TaskId;

use crate::store::{LogStore, Logs};

#[test]
fn pieces_join_in_order_and_repeats_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    let key = TaskId(1).element(3);
    let pieces: [(_, _, _, _, &[u8]); 4] = [
        (key, 1, Stdout, 6, b"world"),
        (key, 1, Stdout, 0, b"hello "),
        (key, 1, Stderr, 0, b"oh"),
        (key, 2, Stdout, 0, b"again"),
    ];
    logs.append(&pieces).unwrap();
    logs.append(&pieces[..2]).unwrap();
    // Sent again after a reconnect, cut elsewhere.
    logs.append(&[(key, 1, Stdout, 4, &b"o world!"[..])])
        .unwrap();
    let first = Logs {
        stdout: b"hello world!".into(),
        stderr: b"oh".into(),
        cut: false,
    };
    assert_eq!(logs.read(key, 1).unwrap(), first);
    drop(logs);
    let logs = LogStore::open(dir.path()).unwrap();
    assert_eq!(logs.read(key, 2).unwrap().stdout, b"again");
    assert_eq!(logs.read(key, 3).unwrap(), Logs::default());
}

#[test]
fn an_attempt_has_so_much_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    let key = TaskId(1).key();
    let chunk = vec![b'x'; 300_000];
    for n in 0..5_u64 {
        logs.append(&[(key, 1, Stdout, n * 300_000, &chunk)])
            .unwrap();
    }
    let kept = logs.read(key, 1).unwrap();
    assert_eq!((kept.stdout.len(), kept.cut), (LOG_BYTES, true));
}

#[test]
fn damaged_logs_begin_anew_and_stay_beside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("logs.db"), vec![b'x'; 8192]).unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    logs.append(&[(TaskId(1).key(), 1, Stdout, 0, b"new")])
        .unwrap();
    assert_eq!(
        std::fs::read(dir.path().join("logs.db.damaged-1"))
            .unwrap()
            .len(),
        8192
    );
}
