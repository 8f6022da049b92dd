//! Writes what a transaction changed, each table in the order of its keys.

use rusqlite::{Connection, params};

use super::row::Try;
use super::row_sql;
use super::tally::{TagIds, Tally};
use super::work::{Session, Work};

impl Work {
    /// Writes everything; the caller commits.
    pub(super) fn flush(&self, connection: &Connection, tags: &mut TagIds) -> rusqlite::Result<()> {
        self.flush_names(connection)?;
        self.flush_rows(connection)?;
        self.flush_counts(connection, tags)?;
        self.flush_bodies(connection)?;
        self.flush_earlier(connection)
    }

    fn flush_names(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO grp (id, name) VALUES (?, ?)";
        for (group, name) in &self.groups {
            connection.prepare_cached(sql)?.execute((group.0, name))?;
        }
        let joined = "INSERT OR REPLACE INTO worker
            (id, name, host, pod, build, joined_at) VALUES (?, ?, ?, ?, ?, ?)";
        let left = "UPDATE worker SET left_at = ?2 WHERE id = ?1";
        for session in &self.sessions {
            match session {
                Session::Joined(id, at, hello) => {
                    let at = at.0 as i64;
                    let values = params![id.0, hello.name, hello.host, hello.pod, hello.build, at];
                    connection.prepare_cached(joined)?.execute(values)?;
                }
                Session::Left(id, at) => {
                    connection
                        .prepare_cached(left)?
                        .execute((id.0, at.0 as i64))?;
                }
            }
        }
        Ok(())
    }

    fn flush_rows(&self, connection: &Connection) -> rusqlite::Result<()> {
        // Tasks and their elements share one order of keys; two tables, two statements at a time.
        for table in ["task", "element"] {
            let mut insert = connection.prepare_cached(&row_sql::insert_sql(table))?;
            let mut update = connection.prepare_cached(&row_sql::update_sql(table))?;
            let dirty = self.rows.iter().filter(|(_, slot)| slot.dirty);
            for (key, slot) in dirty.filter(|(key, _)| row_sql::table(**key) == table) {
                let statement = match slot.stored {
                    true => &mut update,
                    false => &mut insert,
                };
                row_sql::bind(statement, *key, &slot.row)?;
                statement.raw_execute()?;
            }
        }
        Ok(())
    }

    fn flush_counts(&self, connection: &Connection, tags: &mut TagIds) -> rusqlite::Result<()> {
        let mut tally = Tally::default();
        let mut link =
            connection.prepare_cached("INSERT OR IGNORE INTO task_tag (tag, key) VALUES (?, ?)")?;
        let dirty = self.rows.iter().filter(|(_, slot)| slot.dirty);
        for (key, slot) in dirty.filter(|(key, _)| key.index().is_none()) {
            let now = slot.row.counts();
            if slot.was == now {
                continue;
            }
            tally.group(slot.row.group, &slot.was, &now);
            for tag in &slot.row.labels.tags {
                let tag = tags.of(connection, tag)?;
                tally.tag(tag, &slot.was, &now);
                if !slot.stored {
                    link.execute((tag, key.to_raw() as i64))?;
                }
            }
        }
        tally.flush(connection)
    }

    fn flush_bodies(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO body (id, crc, spec) VALUES (?, ?, ?)";
        let mut statement = connection.prepare_cached(sql)?;
        for (id, body) in &self.bodies {
            let crc = super::bodies::checksum(*id, body);
            statement.execute((id.0 as i64, crc, &body[..]))?;
        }
        Ok(())
    }

    fn flush_earlier(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO attempt
            (key, attempt, worker, allocated_at, started_at, ended_at, verdict, fault,
             wall, cpu, peak, result)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut statement = connection.prepare_cached(sql)?;
        for (key, earlier) in &self.earlier {
            let Try {
                attempt,
                worker,
                verdict,
                fault,
                usage,
                result,
                ..
            } = earlier;
            let time = |at: Option<capataz_engine::Timestamp>| at.map(|at| at.0 as i64);
            statement.execute(params![
                key.to_raw() as i64,
                attempt,
                worker.map(|worker| worker.0),
                time(earlier.allocated_at),
                time(earlier.started_at),
                time(earlier.ended_at),
                verdict.map(|verdict| verdict as i64),
                fault.map(|fault| fault as i64),
                usage.map(|usage| usage.wall.0 as i64),
                usage.map(|usage| usage.cpu.0 as i64),
                usage.map(|usage| usage.peak_memory as i64),
                (!result.is_empty()).then_some(&result[..]),
            ])?;
        }
        Ok(())
    }
}
