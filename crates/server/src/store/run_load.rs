//! Loads what the events of a transaction refer to of runs.

use std::collections::BTreeSet;

use capataz_engine::{Change, Event, Key, Phase, RunId};
use rusqlite::Connection;

use super::graphs::Graphs;
use super::run_sql;
use super::run_work::Kept;
use super::work::Work;

/// The waiting tasks of runs that are paused, resumed or cancelled.
pub(super) fn waiting_tasks<'e>(
    connection: &Connection,
    next_task: u64,
    events: impl Iterator<Item = &'e Event>,
) -> rusqlite::Result<Vec<Key>> {
    let sql = "SELECT key FROM task WHERE run = ? AND state IN (?, ?)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut keys = Vec::new();
    let mut seen = BTreeSet::new();
    for event in events {
        let (Change::RunPaused { run, .. } | Change::RunCancelled { run, .. }) = event.change
        else {
            continue;
        };
        if run.0 >= next_task || !seen.insert(run) {
            continue;
        }
        let values = (run.0 as i64, Phase::Scheduled as i64, Phase::Queued as i64);
        for key in statement.query_map(values, |row| row.get::<_, i64>(0))? {
            keys.push(Key::from_raw(key? as u64));
        }
    }
    Ok(keys)
}

/// Loads runs, steps and graphs, once the tasks are loaded.
pub(super) fn load<'e>(
    work: &mut Work,
    connection: &Connection,
    graphs: &mut Graphs,
    events: impl Iterator<Item = &'e Event>,
) -> rusqlite::Result<()> {
    let (mut runs, mut steps) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        if let Change::RunStarted {
            workflow, version, ..
        } = &event.change
        {
            let key = (*workflow, *version);
            if let Some(graph) = graphs.of(connection, key)? {
                work.runs.graphs.insert(key, graph);
            }
        }
        let Some(run) = refer(&event.change, &mut steps) else {
            continue;
        };
        runs.insert(run);
    }
    for (key, slot) in &work.rows {
        let Some(step) = slot.row.step else { continue };
        runs.insert(step.run);
        if step.element.is_some() {
            steps.insert((step.run, step.step));
        }
        let waits = matches!(slot.row.phase, Phase::Scheduled | Phase::Queued);
        if waits || slot.row.phase == Phase::Running {
            work.runs.tasks.entry(step.run).or_default().push(*key);
        }
    }
    let stored = |run: &RunId| run.0 < work.next_task;
    for run in runs.into_iter().filter(stored) {
        if let Some(row) = run_sql::read_run(connection, run)? {
            work.runs.runs.insert(run, Kept { row, dirty: false });
        }
    }
    for (run, step) in steps.into_iter().filter(|(run, _)| stored(run)) {
        if let Some(row) = run_sql::read_step(connection, run, step)? {
            work.runs
                .steps
                .insert((run, step), Kept { row, dirty: false });
        }
    }
    Ok(())
}

/// The run that an event refers to; its steps are added to `steps`.
fn refer(change: &Change, steps: &mut BTreeSet<(RunId, u32)>) -> Option<RunId> {
    match change {
        Change::FanOpened { run, step, .. }
        | Change::StepStarted { run, step, .. }
        | Change::StepDecided { run, step, .. } => {
            steps.insert((*run, *step));
            Some(*run)
        }
        Change::RunReopened {
            run, steps: again, ..
        } => {
            steps.extend(again.iter().map(|step| (*run, *step)));
            Some(*run)
        }
        Change::RunBegan { run }
        | Change::RunPaused { run, .. }
        | Change::RunCancelled { run, .. }
        | Change::StepsAdded { run, .. }
        | Change::RunEnded { run, .. } => Some(*run),
        _ => None,
    }
}
