//! Lists of runs, newest first.

use capataz_engine::{RunId, RunPhase, Timestamp};
use rusqlite::{Connection, params_from_iter};

use super::reader::{ReadError, Reader};
use super::run_record::{RunRecord, run_record};
use super::run_sql;

/// Runs that one call looks at when nothing but looking helps: some tens of milliseconds. The page
/// is then short, and its cursor leads on.
const SCAN: usize = 100_000;

/// Which runs to list. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// The name of a workflow.
    pub workflow: Option<String>,
    /// Any of these states; empty: all.
    pub states: Vec<RunPhase>,
    /// A tag.
    pub tag: Option<String>,
    /// Accepted then or later.
    pub since: Option<Timestamp>,
    /// Only older runs than this.
    pub before: Option<RunId>,
    /// The most items to return.
    pub limit: usize,
}

/// A page of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPage {
    /// The runs. Fewer than the limit does not mean that this is the end.
    pub items: Vec<RunRecord>,
    /// The run to go on before; `None` at the end.
    pub next: Option<RunId>,
}

impl Reader {
    /// A page of runs, newest (last accepted) first.
    pub fn runs(&self, filter: &RunFilter) -> Result<RunPage, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let (ids, next) = find(&transaction, filter)?;
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(row) = run_sql::read_run(&transaction, id)? {
                items.push(run_record(&transaction, id, row)?);
            }
        }
        Ok(RunPage { items, next })
    }
}

/// Ids that match, newest first, and the one to go on before.
fn find(
    connection: &Connection,
    filter: &RunFilter,
) -> rusqlite::Result<(Vec<RunId>, Option<RunId>)> {
    let before = filter.before.map_or(i64::MAX, |run| run.0 as i64);
    let (sql, values) = match (&filter.tag, &filter.workflow) {
        (Some(tag), _) => (
            "SELECT r.id, r.state, r.submitted_at, w.name FROM run_tag t
                JOIN run r ON r.id = t.run JOIN workflow w ON w.id = r.workflow
                WHERE t.tag = ?1 AND t.run < ?2 ORDER BY t.run DESC",
            Some(tag),
        ),
        // A name may have had several numbers; mostly it has one.
        (None, Some(name)) => (
            "SELECT r.id, r.state, r.submitted_at, w.name FROM workflow w
                JOIN run r ON r.workflow = w.id
                WHERE w.name = ?1 AND r.id < ?2 ORDER BY r.id DESC",
            Some(name),
        ),
        (None, None) if is_rare(&filter.states) => return live(connection, filter, before),
        (None, None) => (
            "SELECT r.id, r.state, r.submitted_at, '' FROM run r
                WHERE ?1 IS NULL AND r.id < ?2 ORDER BY r.id DESC",
            None,
        ),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((values, before))?;
    let (mut ids, mut seen) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let id = RunId(row.get::<_, i64>(0)? as u64);
        let at = Timestamp(row.get::<_, i64>(2)? as u64);
        // Runs are numbered in the order in which they were accepted.
        if filter.since.is_some_and(|since| at < since) {
            break;
        }
        let state: i64 = row.get(1)?;
        let name = row.get_ref(3)?.as_str()?;
        let fits = filter.states.is_empty() || filter.states.iter().any(|s| *s as i64 == state);
        let named = filter.workflow.as_ref().is_none_or(|wanted| wanted == name);
        if fits && named {
            ids.push(id);
        }
        seen += 1;
        if ids.len() >= filter.limit || seen >= SCAN {
            return Ok((ids, Some(id)));
        }
    }
    Ok((ids, None))
}

/// Live runs are few among all.
fn is_rare(states: &[RunPhase]) -> bool {
    !states.is_empty() && states.iter().all(|state| state.is_live())
}

fn live(
    connection: &Connection,
    filter: &RunFilter,
    before: i64,
) -> rusqlite::Result<(Vec<RunId>, Option<RunId>)> {
    let sql = "SELECT id FROM run WHERE state = ?1 AND id < ?2 AND submitted_at >= ?3
        ORDER BY id DESC LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let since = filter.since.map_or(0, |since| since.0 as i64);
    let mut ids = Vec::new();
    for state in &filter.states {
        let values = [*state as i64, before, since, filter.limit as i64];
        let found = statement.query_map(params_from_iter(values), |row| row.get::<_, i64>(0))?;
        for id in found {
            ids.push(RunId(id? as u64));
        }
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    ids.truncate(filter.limit);
    let next = ids.last().copied().filter(|_| ids.len() >= filter.limit);
    Ok((ids, next))
}
