//! A run as it stood at some time: folded from its lines of the audit trail, which never change.

use capataz_engine::{Phase, RunId, RunPhase, RunReason, Timestamp};
use rusqlite::Connection;

use super::audit::{AuditFilter, AuditRecord};
use super::audit_row::Action;
use super::graphs::read_version;
use super::reader::{ReadError, Reader};
use super::row::Counts;
use super::run_record::{RunRecord, StepPage, StepRecord, bare_step, followed};
use super::run_row::FanRow;
use super::run_sql;

/// Lines that are read at once.
const STEP: usize = 10_000;

impl Reader {
    /// A run as it stood right after `at`, with its steps from a number on, at most `limit`;
    /// `None` when it was not there yet, or is not in the store.
    ///
    /// A step has the reason of its last line, and what its task returned is not part of it.
    pub fn run_at(
        &self,
        id: RunId,
        at: Timestamp,
        from: u32,
        limit: u32,
    ) -> Result<Option<(RunRecord, StepPage)>, ReadError> {
        let Some(now) = self.run(id)?.filter(|run| run.submitted_at <= at) else {
            return Ok(None);
        };
        let connection = self.connection()?;
        let Some(graph) = followed(&connection, id)? else {
            return Ok(None);
        };
        let all = graph.steps.len() as u32;
        let steps = (0..all).map(|step| bare_step(&graph, step));
        let mut then = Then {
            run: RunRecord {
                phase: RunPhase::Queued,
                reason: RunReason::None,
                round: 1,
                began_at: None,
                finished_at: None,
                steps: steps_at_first(&connection, id)?.unwrap_or(all),
                under_way: 0,
                ended: Counts::default(),
                result: bytes::Bytes::new(),
                note: String::new(),
                ..now
            },
            steps: steps.collect(),
        };
        let mut filter = AuditFilter {
            run: Some(id),
            until: Some(Timestamp(at.0.saturating_add(1))),
            limit: STEP,
            ..AuditFilter::default()
        };
        loop {
            let lines = self.audit(&filter)?;
            lines.iter().for_each(|line| then.fold(line));
            match lines.last() {
                Some(last) if lines.len() == STEP => filter.after = last.seq,
                _ => break,
            }
        }
        Ok(Some(then.page(from, limit)))
    }
}

/// How many steps a run began with.
fn steps_at_first(connection: &Connection, id: RunId) -> rusqlite::Result<Option<u32>> {
    let Some(row) = run_sql::read_run(connection, id)? else {
        return Ok(None);
    };
    let version = read_version(connection, (row.workflow, row.version))?;
    Ok(version.map(|(graph, _)| graph.steps.len() as u32))
}

struct Then {
    run: RunRecord,
    steps: Vec<StepRecord>,
}

impl Then {
    fn fold(&mut self, line: &AuditRecord) {
        match line.action {
            Action::RunBegan => {
                self.run.phase = RunPhase::Running;
                self.run.began_at = self.run.began_at.or(Some(line.at));
            }
            Action::RunPaused => self.run.reason = RunReason::Paused,
            Action::RunResumed => self.run.reason = RunReason::None,
            Action::StepsAdded => self.run.steps += first_number(&line.note).unwrap_or(0),
            Action::RunCancelRequested => self.run.note.clone_from(&line.note),
            Action::RunReopened => {
                self.run.round += 1;
                self.run.phase = RunPhase::Running;
                self.run.reason = RunReason::None;
                self.run.finished_at = None;
            }
            Action::RunEnded => self.end(line),
            _ => {}
        }
        let number = line.number.map(|number| number as usize);
        if let Some(step) = number.and_then(|number| self.steps.get_mut(number)) {
            fold_step(step, line);
        }
    }

    fn end(&mut self, line: &AuditRecord) {
        let phase = RunPhase::ALL
            .into_iter()
            .find(|phase| line.to.is_some_and(|to| to.name() == phase.name()));
        self.run.phase = phase.unwrap_or(self.run.phase);
        self.run.reason = match line.reason.as_str() {
            "step_failed" => RunReason::StepFailed,
            "template" => RunReason::Template,
            "requested" => RunReason::Requested,
            _ => RunReason::None,
        };
        self.run.finished_at = Some(line.at);
        if !line.note.is_empty() {
            self.run.note.clone_from(&line.note);
        }
    }

    fn page(mut self, from: u32, limit: u32) -> (RunRecord, StepPage) {
        // The others were added later.
        self.steps.truncate(self.run.steps as usize);
        for step in &self.steps {
            match step.phase {
                Phase::Blocked => {}
                phase if phase.is_live() => self.run.under_way += 1,
                phase => self.run.ended[phase as usize] += 1,
            }
        }
        let count = self.steps.len() as u32;
        let end = count.min(from.saturating_add(limit));
        let items = self
            .steps
            .into_iter()
            .skip(from as usize)
            .take(limit as usize);
        let items = items.collect();
        let next = (end < count).then_some(end);
        (self.run, StepPage { items, next })
    }
}

fn fold_step(step: &mut StepRecord, line: &AuditRecord) {
    step.round = step.round.max(1);
    if let Some(element) = line.element {
        return fold_element(step, line, element);
    }
    match line.action {
        Action::StepReopened => {
            let (number, round) = (step.number, step.round + 1);
            let (node, after) = (step.node.clone(), std::mem::take(&mut step.after));
            *step = StepRecord {
                after,
                round,
                ..blank(number, node)
            };
            return;
        }
        Action::StepOpened => {
            step.fan = Some(FanRow {
                count: first_number(&line.note).unwrap_or(0),
                ..FanRow::default()
            });
            (step.queued_at, step.started_at) = (Some(line.at), Some(line.at));
        }
        Action::StepQueued => {
            step.task = line.task;
            step.queued_at = Some(line.at);
        }
        Action::TaskDue | Action::TaskReleased => step.queued_at = Some(line.at),
        Action::AttemptLeased => {
            step.attempt = line.attempt.unwrap_or(step.attempt);
            step.allocated_at = Some(line.at);
            step.worker = line.subject.clone().unwrap_or_default();
        }
        Action::AttemptStarted => step.started_at = Some(line.at),
        Action::StepEnded => {
            step.finished_at = Some(line.at);
            step.upstream.clone_from(&line.upstream);
            step.note.clone_from(&line.note);
        }
        _ => {}
    }
    // Until it is decided a step whose task has ended is running.
    let decided = line.action == Action::StepEnded;
    step.phase = match line.to {
        Some(phase) if decided || phase.is_live() => phase,
        Some(_) => Phase::Running,
        None => step.phase,
    };
    step.reason = reason_name(&line.reason);
}

fn fold_element(step: &mut StepRecord, line: &AuditRecord, element: u32) {
    let Some(fan) = &mut step.fan else { return };
    match (line.action, line.to) {
        (Action::ElementsQueued, _) => {
            let last = line
                .note
                .rsplit(' ')
                .next()
                .and_then(|last| last.parse().ok());
            fan.started = last.unwrap_or(element) + 1;
        }
        (_, Some(Phase::Succeeded)) => fan.succeeded += 1,
        (_, Some(to)) if !to.is_live() && line.from.is_some_and(Phase::is_live) => fan.failed += 1,
        _ => {}
    }
}

/// The number that a note begins with.
fn first_number(note: &str) -> Option<u32> {
    note.split(' ').next()?.parse().ok()
}

fn blank(number: u32, node: capataz_engine::Node) -> StepRecord {
    let graph = capataz_engine::Graph { steps: vec![node] };
    StepRecord {
        number,
        ..bare_step(&graph, 0)
    }
}

/// A reason that a line may have, for as long as the program runs.
fn reason_name(text: &str) -> &'static str {
    use capataz_engine::{Reason, StepReason};
    let steps = [
        StepReason::Elements(0),
        StepReason::Template,
        StepReason::Condition,
        StepReason::Upstream(0),
        StepReason::RunCancelled,
    ];
    let steps = steps.into_iter().map(StepReason::name);
    let all = Reason::ALL.into_iter().map(Reason::name).chain(steps);
    all.into_iter().find(|name| *name == text).unwrap_or("")
}
