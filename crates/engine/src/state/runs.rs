//! All workflows and runs, and which of them something is to be done about: kept up to date event
//! by event, so that a step costs the same with one run and with thousands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{EntryKey, Run, State, StepLink, Workflow};
use crate::id::TaskId;
use crate::run::RunId;
use crate::workflow::WorkflowId;

/// Workflows and runs.
#[derive(Default)]
pub(crate) struct RunTable {
    pub(crate) workflows: BTreeMap<WorkflowId, Workflow>,
    pub(crate) names: BTreeMap<String, WorkflowId>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// Which run has a conflict key, and which wait for it in accept order.
    pub(crate) conflicts: BTreeMap<(WorkflowId, String), BTreeSet<RunId>>,
    /// Runs that ended since the store was last given entries: what it is to keep of them.
    pub(crate) archives: BTreeMap<RunId, Vec<u8>>,
    /// Counts starts of steps, so that runs take turns.
    pub(crate) turns: u64,
    /// Links of tasks that were restored before their runs were whole.
    pub(crate) restored: Vec<(TaskId, StepLink)>,
    /// Runs that something is to be done about which starts nothing.
    due_runs: BTreeSet<Turn>,
    /// Of each workflow whose steps may have one more task, the run that is next to start one.
    heads: BTreeSet<Turn>,
    due_workflows: BTreeSet<WorkflowId>,
}

/// When it is a run's turn: the most urgent first, then the one served longest ago.
pub(crate) type Turn = (Reverse<u8>, u64, RunId);

impl RunTable {
    /// The workflow whose next run may begin.
    pub(crate) fn due_workflow(&self) -> Option<WorkflowId> {
        self.due_workflows.first().copied()
    }

    /// The run that something is to be done about: first what starts nothing.
    pub(crate) fn due_run(&self) -> Option<RunId> {
        let head = || self.heads.first().map(|(_, _, run)| *run);
        self.undecided_run().or_else(head)
    }

    /// The run about which something is to be done that starts nothing.
    pub(crate) fn undecided_run(&self) -> Option<RunId> {
        self.due_runs.first().map(|(_, _, run)| *run)
    }

    /// The run that has a conflict key: the first that asked for it.
    pub(crate) fn holder(&self, workflow: WorkflowId, key: &str) -> Option<RunId> {
        let waiting = self.conflicts.get(&(workflow, key.to_owned()))?;
        waiting.first().copied()
    }
}

impl State {
    pub(crate) fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.runs.get(&id)
    }

    pub(crate) fn workflow(&self, id: WorkflowId) -> Option<&Workflow> {
        self.runs.workflows.get(&id)
    }

    /// Changes a step of a run and keeps the indexes in step with it.
    pub(crate) fn change_step(&mut self, id: RunId, step: u32, change: impl FnOnce(&mut Run)) {
        let Some(run) = self.runs.runs.get_mut(&id) else {
            return;
        };
        change(run);
        run.refresh(step);
        self.touch(EntryKey::RunSteps(id, step / super::run::STEPS_PER_ENTRY));
        self.refresh_run(id);
    }

    /// Puts a run where it belongs among those that something is to be done about.
    pub(crate) fn refresh_run(&mut self, id: RunId) {
        let Some(run) = self.runs.runs.get(&id) else {
            return;
        };
        let turn = (Reverse(run.priority), run.served, id);
        self.index_run(id, run.wants().map(|wants| (wants, turn)));
    }

    /// Takes a run that ends out of the indexes.
    pub(crate) fn unindex_run(&mut self, id: RunId) {
        self.index_run(id, None);
        let Some(run) = self.runs.runs.get(&id) else {
            return;
        };
        let (workflow, place) = (run.workflow, (Reverse(run.priority), id));
        if let Some(workflow) = self.runs.workflows.get_mut(&workflow) {
            workflow.waiting.remove(&place);
        }
    }

    fn index_run(&mut self, id: RunId, place: Option<(Wants, Turn)>) {
        let RunTable {
            workflows,
            runs,
            due_runs,
            ..
        } = &mut self.runs;
        let Some(run) = runs.get_mut(&id).filter(|run| run.indexed != place) else {
            return;
        };
        let Some(workflow) = workflows.get_mut(&run.workflow) else {
            return;
        };
        let id = run.workflow;
        match std::mem::replace(&mut run.indexed, place) {
            Some((Wants::ToDecide, turn)) => due_runs.remove(&turn),
            Some((Wants::ToStart, turn)) => workflow.starting.remove(&turn),
            None => false,
        };
        match place {
            Some((Wants::ToDecide, turn)) => due_runs.insert(turn),
            Some((Wants::ToStart, turn)) => workflow.starting.insert(turn),
            None => false,
        };
        self.refresh_head(id);
    }

    /// Notes which run of a workflow is next to start a step, after its runs, the tasks of its
    /// steps or its bounds changed.
    pub(crate) fn refresh_head(&mut self, id: WorkflowId) {
        let RunTable {
            workflows, heads, ..
        } = &mut self.runs;
        let Some(workflow) = workflows.get_mut(&id) else {
            return;
        };
        let has_room = workflow.room_for_tasks() > 0;
        let head = workflow.starting.first().copied().filter(|_| has_room);
        if head == workflow.head {
            return;
        }
        if let Some(before) = std::mem::replace(&mut workflow.head, head) {
            heads.remove(&before);
        }
        heads.extend(head);
    }

    /// Notes whether the next run of a workflow may begin, and which one may start a step.
    pub(crate) fn refresh_workflow(&mut self, id: WorkflowId) {
        self.refresh_head(id);
        let Some(workflow) = self.runs.workflows.get(&id) else {
            self.runs.due_workflows.remove(&id);
            return;
        };
        match workflow.has_room_for_run() && !workflow.waiting.is_empty() {
            true => self.runs.due_workflows.insert(id),
            false => self.runs.due_workflows.remove(&id),
        };
    }

    /// One task more, or one less, counts against what the steps of a run's workflow may have.
    pub(crate) fn count_step_task(&mut self, run: RunId, task: TaskId, added: bool) {
        let RunTable {
            workflows, runs, ..
        } = &mut self.runs;
        let Some(run) = runs.get_mut(&run) else {
            return;
        };
        let changed = match added {
            true => run.tasks.insert(task),
            false => run.tasks.remove(&task),
        };
        let Some(workflow) = workflows.get_mut(&run.workflow).filter(|_| changed) else {
            return;
        };
        workflow.tasks = match added {
            true => workflow.tasks + 1,
            false => workflow.tasks.saturating_sub(1),
        };
        let id = run.workflow;
        self.refresh_head(id);
    }

    /// Rebuilds what is derived from workflows and runs.
    pub(crate) fn finish_restoring_runs(&mut self) {
        for (task, link) in std::mem::take(&mut self.runs.restored) {
            let run = self.runs.runs.get_mut(&link.run);
            if let Some(step) = run.and_then(|run| run.steps.get_mut(link.step as usize)) {
                step.tasks += 1;
            }
            self.count_step_task(link.run, task, true);
        }
        let runs: Vec<RunId> = self.runs.runs.keys().copied().collect();
        for id in runs {
            if let Some(run) = self.runs.runs.get_mut(&id) {
                run.recount();
            }
            self.queue_run(id);
            self.refresh_run(id);
        }
        let workflows: Vec<WorkflowId> = self.runs.workflows.keys().copied().collect();
        for id in workflows {
            self.refresh_workflow(id);
        }
    }

    /// Puts a run that waits to begin where it waits: for its conflict key, or for its turn.
    pub(crate) fn queue_run(&mut self, id: RunId) {
        let RunTable {
            workflows,
            runs,
            conflicts,
            ..
        } = &mut self.runs;
        let Some(run) = runs.get(&id) else {
            return;
        };
        let mut first = true;
        if let Some(key) = &run.conflict {
            let waiting = conflicts.entry((run.workflow, key.clone())).or_default();
            waiting.insert(id);
            first = waiting.first() == Some(&id);
        }
        let (workflow, place) = (run.workflow, (Reverse(run.priority), id));
        let waits = first && !run.began && !run.cancelled;
        if let Some(workflow) = workflows.get_mut(&workflow).filter(|_| waits) {
            workflow.waiting.insert(place);
        }
        self.refresh_workflow(workflow);
    }
}

/// What a run waits for its owner to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wants {
    /// Something that starts no task.
    ToDecide,
    /// To start a step, which waits for room.
    ToStart,
}

impl Run {
    fn wants(&self) -> Option<Wants> {
        if self.cancelled {
            return Some(Wants::ToDecide);
        }
        let due = self.due.first();
        let wants = match due {
            Some(due) if !due.starts => Some(Wants::ToDecide),
            Some(_) => (!self.paused).then_some(Wants::ToStart),
            None => self.is_finished().then_some(Wants::ToDecide),
        };
        wants.filter(|_| self.began)
    }

    /// Whether only its end is left to be recorded.
    pub(crate) fn is_finished(&self) -> bool {
        self.open == 0 && self.tasks.is_empty()
    }
}
