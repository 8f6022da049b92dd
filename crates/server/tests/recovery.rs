//! Opening what an earlier process left, whole or damaged.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use capataz_engine::{NewTask, Policy, Submission};
use capataz_server::Namespace;
use capataz_server::namespace::{NamespaceOptions, OpenError, RunningNamespace};

/// Longer than any projection of a few tasks takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(dir: &Path) -> Result<RunningNamespace, OpenError> {
    RunningNamespace::open("default", dir, NamespaceOptions::default())
}

fn submission(tasks: usize) -> Submission {
    let task = NewTask {
        group: 0,
        policy: 0,
        priority: 5,
        count: None,
        not_before: None,
        delay: None,
        expires_at: None,
        expires_in: None,
        dedup: None,
        affinity: Vec::new(),
        body: Bytes::from_static(b"\x0a\x01g"),
    };
    Submission {
        request: None,
        groups: vec!["g".to_owned()],
        policies: vec![Policy::default()],
        tasks: vec![task; tasks],
    }
}

async fn submit(namespace: &Namespace, tasks: usize) {
    let (_, position) = namespace
        .submit(submission(tasks), 1_000)
        .await
        .expect("the tasks are accepted");
    assert!(
        namespace.projected(position, PATIENCE).await,
        "the store follows"
    );
}

/// Live tasks by the engine, and rows by the store.
async fn count(namespace: &Namespace) -> (u64, u64) {
    let (live, position) = namespace
        .query(capataz_engine::State::live_tasks)
        .await
        .expect("an answer");
    assert!(
        namespace.projected(position, PATIENCE).await,
        "the store follows"
    );
    let store = namespace.store().clone();
    let rows = tokio::task::spawn_blocking(move || store.total_counts());
    let rows = rows.await.expect("no panic").expect("counts");
    (live, rows.live())
}

fn close(namespace: RunningNamespace) {
    let closed = std::thread::spawn(move || namespace.close()).join();
    closed.expect("no panic").expect("a clean stop");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let namespace = open(dir.path()).expect("it opens");
    submit(&namespace.handle(), 3).await;
    close(namespace);
    let namespace = open(dir.path()).expect("it opens again");
    assert_eq!(count(&namespace.handle()).await, (3, 3));
    submit(&namespace.handle(), 2).await;
    assert_eq!(count(&namespace.handle()).await, (5, 5));
    close(namespace);
}

#[tokio::test]
async fn a_store_that_is_lost_is_made_anew_from_the_journal() {
    let dir = tempfile::tempdir().expect("a folder");
    let namespace = open(dir.path()).expect("it opens");
    submit(&namespace.handle(), 3).await;
    close(namespace);
    fs::remove_file(dir.path().join("store.db")).expect("the store is there");
    let namespace = open(dir.path()).expect("the journal has it all");
    assert_eq!(count(&namespace.handle()).await, (3, 3));
    close(namespace);
}

#[tokio::test]
async fn a_damaged_store_is_put_aside_and_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let namespace = open(dir.path()).expect("it opens");
    submit(&namespace.handle(), 3).await;
    close(namespace);
    let store = dir.path().join("store.db");
    let mut bytes = fs::read(&store).expect("the store is there");
    bytes[..100].fill(0xff);
    fs::write(&store, &bytes).expect("it can be damaged");
    let namespace = open(dir.path()).expect("the journal has it all");
    assert_eq!(count(&namespace.handle()).await, (3, 3));
    close(namespace);
    let names = fs::read_dir(dir.path()).expect("the folder");
    let names = names.map(|entry| entry.expect("an entry").file_name());
    let aside = names
        .filter(|name| name.to_string_lossy().contains("damaged"))
        .count();
    assert!(aside > 0, "nothing is deleted");
}

#[tokio::test]
async fn a_store_of_another_journal_is_refused() {
    let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, other) = (one.expect("a folder"), other.expect("a folder"));
    for dir in [&one, &other] {
        let namespace = open(dir.path()).expect("it opens");
        submit(&namespace.handle(), 1).await;
        close(namespace);
    }
    fs::copy(other.path().join("store.db"), one.path().join("store.db")).expect("a copy");
    let error = open(one.path())
        .err()
        .expect("it is not guessed which is right");
    assert!(matches!(error, OpenError::Store(_)), "{error}");
    assert!(one.path().join("store.db").exists(), "nothing is deleted");
}

#[tokio::test]
async fn a_journal_that_lost_what_the_store_has_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let namespace = open(dir.path()).expect("it opens");
    submit(&namespace.handle(), 1).await;
    close(namespace);
    let before = tempfile::tempdir().expect("a folder");
    copy(&dir.path().join("journal"), before.path());
    let namespace = open(dir.path()).expect("it opens");
    submit(&namespace.handle(), 1).await;
    close(namespace);
    fs::remove_dir_all(dir.path().join("journal")).expect("the journal is there");
    copy(before.path(), &dir.path().join("journal"));
    let error = open(dir.path())
        .err()
        .expect("acknowledged tasks would be lost");
    assert!(matches!(error, OpenError::Position(_)), "{error}");
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let namespace = open(dir.path()).expect("it opens");
    let error = open(dir.path()).err().expect("it is in use");
    assert!(error.is_journal(), "{error}");
    close(namespace);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
