//! Which steps are to blame for a run that failed.

use capataz_engine::{Key, Phase, RunId};

use super::reader::{ReadError, Reader};
use super::run_record::{StepRecord, followed, step_record};
use super::run_row::Standing;
use super::run_sql;
use super::task::TaskRecord;

/// Tasks that are named of each step: of a fan-out thousands may have failed.
const TASKS: u32 = 3;

/// A step that ended badly, and may not.
#[derive(Clone, PartialEq, Debug)]
pub struct BadStep {
    /// The step.
    pub step: StepRecord,
    /// The tasks in which it did: its own, or the last elements; none when it never came to one.
    pub tasks: Vec<TaskRecord>,
}

impl Reader {
    /// The steps of a run that ended badly and may not, in the order of the graph: at most `limit`,
    /// and how many there are.
    pub fn bad_steps(&self, id: RunId, limit: usize) -> Result<(Vec<BadStep>, usize), ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let Some(graph) = followed(&transaction, id)? else {
            return Ok((Vec::new(), 0));
        };
        let rows = run_sql::read_steps(&transaction, id, 0..graph.steps.len() as u32)?;
        let is_bad = |number: u32, standing: Standing| {
            let node = graph.steps.get(number as usize);
            let bad = matches!(standing.phase(), Phase::Failed | Phase::Cancelled);
            bad && node.is_some_and(|node| !node.allow_failure)
        };
        let rows = rows.into_iter();
        let mut bad: Vec<_> = rows.filter(|(at, row)| is_bad(*at, row.standing)).collect();
        let count = bad.len();
        bad.truncate(limit);
        let steps = bad.into_iter();
        let steps = steps.map(|(number, row)| step_record(&transaction, &graph, number, Some(row)));
        let steps: Vec<StepRecord> = steps.collect::<rusqlite::Result<_>>()?;
        drop(transaction);
        let mut found = Vec::with_capacity(steps.len());
        for step in steps {
            let tasks = self.bad_tasks(id, &step)?;
            found.push(BadStep { step, tasks });
        }
        Ok((found, count))
    }

    fn bad_tasks(&self, run: RunId, step: &StepRecord) -> Result<Vec<TaskRecord>, ReadError> {
        let keys = match (step.task, step.fan) {
            (Some(task), _) => vec![task],
            // The newest: earlier rounds of the step had other tasks.
            (None, Some(fan)) => self.bad_elements(run, step.number, fan.failed.min(TASKS))?,
            (None, None) => Vec::new(),
        };
        let tasks = keys.into_iter().map(|key| self.task(key));
        let tasks: Vec<Option<TaskRecord>> = tasks.collect::<Result<_, _>>()?;
        Ok(tasks.into_iter().flatten().collect())
    }

    fn bad_elements(&self, run: RunId, step: u32, limit: u32) -> Result<Vec<Key>, ReadError> {
        let connection = self.connection()?;
        let sql = "SELECT key FROM task WHERE run = ? AND step = ? AND state IN (?, ?)
            ORDER BY key DESC LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let (failed, cancelled) = (Phase::Failed as i64, Phase::Cancelled as i64);
        let values = (run.0 as i64, step, failed, cancelled, limit);
        let keys = statement.query_map(values, |row| {
            Ok(Key::from_raw(row.get::<_, i64>(0)? as u64))
        })?;
        let mut keys: Vec<Key> = keys.collect::<rusqlite::Result<_>>()?;
        keys.reverse();
        Ok(keys)
    }
}
