//! Writes what a transaction changed of workflows and runs, and the audit trail of it.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use capataz_engine::{RunId, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};

use super::audit_part::{AuditPart, PART_LINES};
use super::audit_row::{AuditRow, Subject};
use super::graphs::{self, Graphs, VersionKey};
use super::run_sql;
use super::run_work::{Naming, RunWork};
use super::step_times;
use super::work::Work;

impl Work {
    /// Writes everything about runs; the caller commits. Returns the number of the next line of
    /// the audit trail. Names of groups and workers have been written.
    pub(super) fn flush_runs(
        &self,
        connection: &Connection,
        graphs: &mut Graphs,
        next_audit: u64,
    ) -> rusqlite::Result<u64> {
        let runs = &self.runs;
        runs.flush_names(connection)?;
        runs.flush_versions(connection)?;
        runs.flush_rows(connection)?;
        runs.flush_times(connection, graphs)?;
        runs.flush_audit(connection, next_audit)?;
        Ok(next_audit + runs.audit.len() as u64)
    }
}

impl RunWork {
    fn flush_names(&self, connection: &Connection) -> rusqlite::Result<()> {
        for naming in &self.namings {
            match naming {
                Naming::Created(id, name) => {
                    let sql = "INSERT OR REPLACE INTO workflow (id, name) VALUES (?, ?)";
                    connection.prepare_cached(sql)?.execute((id.0, name))?;
                }
                Naming::Registered(id, number) => {
                    let sql = "UPDATE workflow SET registered = ?2 WHERE id = ?1";
                    connection.prepare_cached(sql)?.execute((id.0, number))?;
                }
            }
        }
        // Pods that are gone stay until the lines of this transaction have named them.
        let named = self.pods.iter();
        for (pod, name) in named.filter_map(|(pod, name)| Some((pod, name.as_ref()?))) {
            let sql = "INSERT OR REPLACE INTO pod (id, name) VALUES (?, ?)";
            connection.prepare_cached(sql)?.execute((pod.0, name))?;
        }
        Ok(())
    }

    fn flush_versions(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO workflow_version
            (workflow, number, content, stored_at, runs, crc, graph, definition)
            VALUES (?, ?, ?, ?, 0, ?, ?, ?)";
        for new in &self.versions {
            let (crc, graph) = graphs::encode(&new.version);
            let content = new.version.content.to_be_bytes();
            let (workflow, number) = (new.key.0.0, new.key.1);
            let definition = &new.version.definition[..];
            let at = new.at.0 as i64;
            let values = params![workflow, number, content, at, crc, graph, definition];
            connection.prepare_cached(sql)?.execute(values)?;
        }
        let sql = "INSERT OR REPLACE INTO run_version (run, crc, graph, definition)
            VALUES (?, ?, ?, ?)";
        for (run, version) in &self.own {
            let (crc, graph) = graphs::encode(version);
            let values = params![run.0 as i64, crc, graph, &version.definition[..]];
            connection.prepare_cached(sql)?.execute(values)?;
        }
        Ok(())
    }

    fn flush_rows(&self, connection: &Connection) -> rusqlite::Result<()> {
        let dirty = self.runs.iter().filter(|(_, kept)| kept.dirty);
        for (run, kept) in dirty {
            run_sql::write_run(connection, *run, &kept.row)?;
        }
        let dirty = self.steps.iter().filter(|(_, kept)| kept.dirty);
        let steps = dirty.map(|((run, step), kept)| (*run, *step, &kept.row));
        run_sql::write_steps(connection, steps)?;
        self.flush_started(connection)
    }

    /// Counts new runs among those of their versions, and makes them known by their tags.
    fn flush_started(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut followed: BTreeMap<VersionKey, i64> = BTreeMap::new();
        let tag_sql = "INSERT OR IGNORE INTO run_tag (tag, run) VALUES (?, ?)";
        for (run, tags) in &self.started {
            if let Some(kept) = self.runs.get(run) {
                *followed
                    .entry((kept.row.workflow, kept.row.version))
                    .or_default() += 1;
            }
            for tag in tags {
                let values = (tag, run.0 as i64);
                connection.prepare_cached(tag_sql)?.execute(values)?;
            }
        }
        let sql = "UPDATE workflow_version SET runs = runs + ?3
            WHERE workflow = ?1 AND number = ?2";
        for ((workflow, number), runs) in followed {
            let values = (workflow.0, number, runs);
            connection.prepare_cached(sql)?.execute(values)?;
        }
        Ok(())
    }

    /// Remembers how long steps took, by the names of their workflows and their own.
    fn flush_times(&self, connection: &Connection, graphs: &mut Graphs) -> rusqlite::Result<()> {
        let mut names: HashMap<(VersionKey, u32), Option<(String, String)>> = HashMap::new();
        let mut by_name: BTreeMap<&(String, String), Vec<u32>> = BTreeMap::new();
        for (key, _) in self.times() {
            if let Entry::Vacant(new) = names.entry(key) {
                new.insert(step_name(connection, graphs, key)?);
            }
        }
        for (key, took) in self.times() {
            if let Some(Some(name)) = names.get(&key) {
                by_name.entry(name).or_default().push(took);
            }
        }
        step_times::add(connection, &by_name)
    }

    /// How long steps took, by what their runs follow and their numbers.
    fn times(&self) -> impl Iterator<Item = ((VersionKey, u32), u32)> {
        self.times.iter().filter_map(|(run, step, took)| {
            let row = &self.runs.get(run)?.row;
            Some((((row.workflow, row.version), *step), *took))
        })
    }

    fn flush_audit(&self, connection: &Connection, first: u64) -> rusqlite::Result<()> {
        let mut subjects = Subjects {
            connection,
            workers: HashMap::new(),
        };
        for (part, lines) in (first..)
            .step_by(PART_LINES)
            .zip(self.audit.chunks(PART_LINES))
        {
            let mut rows: HashMap<Option<RunId>, AuditPart> = HashMap::new();
            for (seq, line) in (part..).zip(lines) {
                let subject = subjects.of(line)?;
                let row = rows.entry(line.run);
                let row = row.or_insert_with(|| AuditPart::new(part, seq, line));
                row.add(seq, line, subject.as_deref());
            }
            // The table grows at its end.
            let mut rows: Vec<AuditPart> = rows.into_values().collect();
            rows.sort_unstable_by_key(|row| row.first);
            rows.iter().try_for_each(|row| row.insert(connection))?;
        }
        // Only now: the lines name pods that have gone since.
        for (pod, _) in self.pods.iter().filter(|(_, name)| name.is_none()) {
            let sql = "DELETE FROM pod WHERE id = ?";
            connection.prepare_cached(sql)?.execute([pod.0])?;
        }
        Ok(())
    }
}

/// The names of a workflow and a step of it. A step that was added to its run has none: it is that
/// run's alone, and nothing is learned from it.
fn step_name(
    connection: &Connection,
    graphs: &mut Graphs,
    (version, step): (VersionKey, u32),
) -> rusqlite::Result<Option<(String, String)>> {
    let graph = graphs.of(connection, version)?;
    let node = graph
        .as_ref()
        .and_then(|graph| graph.steps.get(step as usize));
    let name = workflow_name(connection, version.0.0)?;
    Ok(name.zip(node.map(|node| node.name.clone())))
}

fn workflow_name(connection: &Connection, id: u32) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM workflow WHERE id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([id], |row| row.get(0)).optional()
}

/// The names of what lines are about.
struct Subjects<'c> {
    connection: &'c Connection,
    workers: HashMap<WorkerId, Option<String>>,
}

impl Subjects<'_> {
    fn of<'a>(&'a mut self, line: &'a AuditRow) -> rusqlite::Result<Option<Cow<'a, str>>> {
        let look_up = |sql: &str, id: u32| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([id], |row| row.get(0)).optional()
        };
        let found: Option<String> = match &line.subject {
            Subject::None => None,
            Subject::Named(name) => return Ok(Some(Cow::Borrowed(name))),
            Subject::Group(id) => look_up("SELECT name FROM grp WHERE id = ?", id.0)?,
            Subject::Pod(id) => look_up("SELECT name FROM pod WHERE id = ?", id.0)?,
            Subject::Workflow(id) => workflow_name(self.connection, id.0)?,
            Subject::Worker(id) => {
                let name = match self.workers.entry(*id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        new.insert(look_up("SELECT name FROM worker WHERE id = ?", id.0)?)
                    }
                };
                return Ok(name.as_deref().map(Cow::Borrowed));
            }
        };
        Ok(found.map(Cow::Owned))
    }
}
