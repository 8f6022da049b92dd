//! The tables. `docs/reference/store.md` explains every column.

use rusqlite::Connection;

/// Version of the tables and of every value in them, the engine's entries included.
pub(super) const FORMAT: i64 = 5;

/// `Capt` in ASCII: what `file` and the store itself know such a file by.
pub(super) const APPLICATION_ID: i64 = 0x4361_7074;

/// Columns of a task, the same for whole tasks and for touched elements of arrays.
macro_rules! row_columns {
    () => {
        "key INTEGER PRIMARY KEY,
        grp INTEGER NOT NULL,
        state INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        round INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        submitted_at INTEGER NOT NULL,
        queued_at INTEGER,
        allocated_at INTEGER,
        started_at INTEGER,
        ended_at INTEGER,
        finished_at INTEGER,
        until INTEGER,
        worker INTEGER,
        verdict INTEGER,
        fault INTEGER,
        wall INTEGER,
        cpu INTEGER,
        peak INTEGER,
        run INTEGER,
        step INTEGER,
        item INTEGER,
        crc INTEGER NOT NULL,
        dedup_key TEXT,
        tags TEXT,
        note TEXT,
        array BLOB,
        result BLOB"
    };
}

const TABLES: &str = concat!(
    "CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        format INTEGER NOT NULL,
        journal BLOB NOT NULL,
        position INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        next_task INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        seal INTEGER NOT NULL,
        next_audit INTEGER NOT NULL,
        crc INTEGER NOT NULL
    );
    CREATE TABLE entry_task (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, v BLOB NOT NULL);
    CREATE TABLE entry (
        k BLOB PRIMARY KEY, crc INTEGER NOT NULL, v BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE run_archive (run INTEGER PRIMARY KEY, crc INTEGER NOT NULL, v BLOB NOT NULL);
    CREATE TABLE workflow (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        registered INTEGER
    );
    CREATE INDEX workflow_by_name ON workflow (name, id);
    CREATE TABLE workflow_version (
        workflow INTEGER NOT NULL,
        number INTEGER NOT NULL,
        content BLOB NOT NULL,
        stored_at INTEGER NOT NULL,
        runs INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        graph BLOB NOT NULL,
        definition BLOB NOT NULL,
        PRIMARY KEY (workflow, number)
    );
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        workflow INTEGER NOT NULL,
        state INTEGER NOT NULL,
        submitted_at INTEGER NOT NULL,
        finished_at INTEGER,
        crc INTEGER NOT NULL,
        v BLOB NOT NULL
    );
    CREATE INDEX run_by_state ON run (state, id);
    CREATE INDEX run_by_workflow ON run (workflow, id);
    CREATE TABLE run_version (
        run INTEGER PRIMARY KEY,
        crc INTEGER NOT NULL,
        graph BLOB NOT NULL,
        definition BLOB NOT NULL
    );
    CREATE TABLE run_tag (
        tag TEXT NOT NULL, run INTEGER NOT NULL,
        PRIMARY KEY (tag, run)
    ) WITHOUT ROWID;
    CREATE TABLE run_step (
        run INTEGER NOT NULL, step INTEGER NOT NULL, crc INTEGER NOT NULL, v BLOB NOT NULL,
        PRIMARY KEY (run, step)
    ) WITHOUT ROWID;
    CREATE TABLE step_time (
        workflow TEXT NOT NULL, step TEXT NOT NULL, times BLOB NOT NULL,
        PRIMARY KEY (workflow, step)
    ) WITHOUT ROWID;
    CREATE TABLE audit (
        first INTEGER PRIMARY KEY,
        part INTEGER NOT NULL,
        run INTEGER,
        at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        v BLOB NOT NULL
    );
    CREATE INDEX audit_by_run ON audit (run, first) WHERE run IS NOT NULL;
    CREATE INDEX audit_of_others ON audit (first) WHERE run IS NULL;
    CREATE TABLE doomed_run (run INTEGER PRIMARY KEY);
    CREATE TABLE pod (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE task (",
    row_columns!(),
    ");
    CREATE INDEX task_by_state ON task (grp, state, key);
    CREATE INDEX task_by_run ON task (run, key) WHERE run IS NOT NULL;
    CREATE TABLE element (",
    row_columns!(),
    ");
    CREATE INDEX element_by_state ON element (state, key) WHERE state <> 4;
    CREATE TABLE body (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, spec BLOB NOT NULL);
    CREATE TABLE attempt (
        key INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        worker INTEGER,
        allocated_at INTEGER,
        started_at INTEGER,
        ended_at INTEGER,
        verdict INTEGER,
        fault INTEGER,
        wall INTEGER,
        cpu INTEGER,
        peak INTEGER,
        result BLOB,
        PRIMARY KEY (key, attempt)
    ) WITHOUT ROWID;
    CREATE TABLE doomed (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
    CREATE TABLE grp (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE grp_count (
        grp INTEGER NOT NULL, state INTEGER NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (grp, state)
    ) WITHOUT ROWID;
    CREATE TABLE worker (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        pod TEXT NOT NULL,
        build TEXT NOT NULL,
        joined_at INTEGER NOT NULL,
        left_at INTEGER
    );
    CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE tag_count (
        tag INTEGER NOT NULL, state INTEGER NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (tag, state)
    ) WITHOUT ROWID;
    CREATE TABLE task_tag (
        tag INTEGER NOT NULL, key INTEGER NOT NULL,
        PRIMARY KEY (tag, key)
    ) WITHOUT ROWID;"
);

/// Creates all tables in the open transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.execute_batch(TABLES)
}
