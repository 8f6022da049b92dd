//! Workflows and runs come, go on and end.

use std::cmp::Reverse;

use bytes::Bytes;

use crate::command::{Ids, Request};
use crate::id::TaskId;
use crate::planted::{Bug, planted};
use crate::run::{NewRun, RunId, RunPhase};
use crate::state::{
    Archive, DedupEntry, EntryKey, RUN_KEYS, Run, RunEntry, State, Status, Timer, Workflow, short,
};
use crate::time::Timestamp;
use crate::workflow::{Version, WorkflowId};

impl State {
    pub(super) fn create_workflow(&mut self, id: WorkflowId, name: &str) {
        self.runs.names.insert(name.to_owned(), id);
        self.runs
            .workflows
            .insert(id, Workflow::new(name.to_owned()));
        self.meta.next_workflow = self.meta.next_workflow.max(id.0.saturating_add(1));
        self.touch(EntryKey::Workflow(id));
    }

    pub(super) fn store_version(&mut self, id: WorkflowId, number: u32, version: &Version) {
        if let Some(workflow) = self.runs.workflows.get_mut(&id) {
            workflow.store(number, version.clone());
            self.touch(EntryKey::Workflow(id));
            self.touch(EntryKey::Version(id, number));
        }
    }

    /// New runs follow a version, or none.
    pub(super) fn register(&mut self, id: WorkflowId, number: Option<u32>) {
        let Some(workflow) = self.runs.workflows.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut workflow.registered, number);
        self.touch(EntryKey::Workflow(id));
        if let Some(before) = before {
            self.drop_unused(id, before);
        }
        self.refresh_workflow(id);
    }

    /// Forgets a version without runs that is not registered, and a workflow without versions.
    fn drop_unused(&mut self, id: WorkflowId, number: u32) {
        let Some(workflow) = self.runs.workflows.get_mut(&id) else {
            return;
        };
        let is_used = |runs: u32| runs > 0 || workflow.registered == Some(number);
        if workflow
            .versions
            .get(&number)
            .is_some_and(|known| !is_used(known.runs))
        {
            workflow.versions.remove(&number);
            self.touch(EntryKey::Version(id, number));
        }
        let unused = self.workflow(id).filter(|workflow| workflow.is_unused());
        if let Some(name) = unused.map(|workflow| workflow.name.clone()) {
            self.end_hold(id);
            self.runs.names.remove(&name);
            self.runs.workflows.remove(&id);
            self.touch(EntryKey::Workflow(id));
            self.refresh_workflow(id);
        }
    }

    pub(super) fn clear_hold(&mut self, id: WorkflowId) {
        self.end_hold(id);
        if let Some(workflow) = self.runs.workflows.get_mut(&id) {
            workflow.failures = 0;
        }
    }

    /// The pause after failed runs is over.
    pub(super) fn end_hold(&mut self, id: WorkflowId) {
        let Some(workflow) = self.runs.workflows.get_mut(&id) else {
            return;
        };
        if let Some(until) = workflow.held_until.take() {
            self.timers.clear(until, Timer::HoldOver(id));
        }
        self.touch(EntryKey::Workflow(id));
        self.refresh_workflow(id);
    }

    pub(super) fn start_run(
        &mut self,
        at: Timestamp,
        id: RunId,
        (workflow, version): (WorkflowId, u32),
        request: Option<&(Request, Ids)>,
        new: &NewRun,
    ) {
        self.meta.next_task = self.meta.next_task.max(id.0.saturating_add(1));
        if let Some((request, ids)) = request {
            self.remember(at, *request, ids.clone());
        }
        let Some(known) = self.runs.workflows.get_mut(&workflow) else {
            return;
        };
        let Some(followed) = known.versions.get_mut(&version) else {
            return;
        };
        followed.runs += 1;
        known.live += 1;
        let plan = std::sync::Arc::clone(&followed.plan);
        let entry = RunEntry {
            workflow,
            version,
            follows: true,
            own: None,
            parameters: new.parameters.clone(),
            message: new.message.clone(),
            body: new.body.clone(),
            key: new.key,
            conflict: new.conflict.clone(),
            priority: new.priority,
            expected: new.expected.clone(),
            repetition: new.repetition,
            submitted_at: at,
            began: false,
            paused: false,
            cancelled: false,
        };
        self.runs.runs.insert(id, Run::restored(entry, plan));
        if let Some(key) = new.key.filter(|_| !planted(Bug::RunKeyForgotten)) {
            let entry = DedupEntry {
                task: TaskId(id.0),
                content: short(key.content),
                ended_at: None,
            };
            self.dedup.insert(RUN_KEYS, key.id, entry);
            self.touch(EntryKey::Dedup(RUN_KEYS, key.id));
        }
        self.touch_whole_run(id);
        self.queue_run(id);
    }

    /// All entries of a run changed, or are gone.
    pub(super) fn touch_whole_run(&mut self, id: RunId) {
        self.touch(EntryKey::Run(id));
        let chunks = self.run(id).map_or(0, Run::chunks);
        (0..chunks).for_each(|chunk| self.touch(EntryKey::RunSteps(id, chunk)));
    }

    pub(super) fn begin_run(&mut self, id: RunId) {
        let Some(run) = self.runs.runs.get_mut(&id).filter(|run| !run.began) else {
            return;
        };
        run.began = true;
        let (workflow, place) = (run.workflow, (Reverse(run.priority), id));
        if let Some(workflow) = self.runs.workflows.get_mut(&workflow) {
            workflow.waiting.remove(&place);
            workflow.running += 1;
        }
        self.touch(EntryKey::Run(id));
        self.refresh_run(id);
        self.refresh_workflow(workflow);
    }

    pub(super) fn pause_run(&mut self, id: RunId, on: bool) {
        let Some(run) = self.runs.runs.get_mut(&id) else {
            return;
        };
        run.paused = on;
        let tasks: Vec<TaskId> = run.tasks.iter().copied().collect();
        self.touch(EntryKey::Run(id));
        for task in tasks {
            self.hold_step_task(task, on);
        }
        self.refresh_run(id);
    }

    pub(super) fn cancel_run(&mut self, id: RunId) {
        let Some(run) = self.runs.runs.get_mut(&id) else {
            return;
        };
        run.cancelled = !planted(Bug::CancelledRunGoesOn);
        let tasks: Vec<TaskId> = run.tasks.iter().copied().collect();
        let (workflow, place) = (run.workflow, (Reverse(run.priority), id));
        let freed = run
            .conflict
            .clone()
            .filter(|_| planted(Bug::ConflictKeyFreedEarly));
        if let Some(workflow) = self.runs.workflows.get_mut(&workflow) {
            workflow.waiting.remove(&place);
        }
        self.touch(EntryKey::Run(id));
        // They end a part at a time, and none of them is to start before its turn comes.
        for task in tasks {
            self.hold_step_task(task, true);
        }
        self.refresh_run(id);
        self.refresh_workflow(workflow);
        self.release_conflict(id, workflow, freed.as_deref());
    }

    pub(super) fn add_steps(&mut self, id: RunId, version: &Version) {
        let Some(run) = self.runs.runs.get_mut(&id) else {
            return;
        };
        run.extend(version.clone());
        if !planted(Bug::AddedStepsNotStored) {
            self.touch_whole_run(id);
        }
        self.refresh_run(id);
    }

    pub(super) fn reopen_run(
        &mut self,
        id: RunId,
        workflow: WorkflowId,
        archive: Option<&Bytes>,
        steps: &[u32],
    ) {
        if let Some((_, mut run)) = archive.and_then(|archive| Archive::open(archive))
            && self.run(id).is_none()
            && let Some(known) = self.runs.workflows.get_mut(&workflow)
        {
            known.running += 1;
            known.live += 1;
            run.workflow = workflow;
            run.follows = false;
            run.cancelled = false;
            run.paused = false;
            run.began = true;
            if let Some(key) = run.key {
                self.dedup.revive(RUN_KEYS, key.id, TaskId(id.0));
                self.touch(EntryKey::Dedup(RUN_KEYS, key.id));
            }
            self.runs.runs.insert(id, run);
            self.runs.archives.remove(&id);
            self.queue_run(id);
            self.touch_outputs(id);
        }
        let Some(run) = self.runs.runs.get_mut(&id) else {
            return;
        };
        for number in steps {
            if let Some(step) = run.steps.get_mut(*number as usize) {
                step.status = Status::Blocked;
                step.fan = None;
                let outputs: Vec<u32> = step.outputs.keys().copied().collect();
                step.outputs.clear();
                for element in outputs {
                    self.dirty
                        .change(EntryKey::StepOutput(id, *number, element));
                }
            }
        }
        run.recount();
        self.touch_whole_run(id);
        self.refresh_run(id);
    }

    fn touch_outputs(&mut self, id: RunId) {
        let Some(run) = self.runs.runs.get(&id) else {
            return;
        };
        for (number, step) in run.steps.iter().enumerate() {
            for element in step.outputs.keys() {
                let key = EntryKey::StepOutput(id, number as u32, *element);
                self.dirty.change(key);
            }
        }
    }

    pub(super) fn end_run(&mut self, at: Timestamp, id: RunId, phase: RunPhase) {
        let Some(run) = self.runs.runs.get(&id) else {
            return;
        };
        let name = self.workflow(run.workflow).map(|known| &*known.name);
        let archive = Archive::of(name.unwrap_or_default(), run);
        self.touch_whole_run(id);
        self.touch_outputs(id);
        self.unindex_run(id);
        let Some(run) = self.runs.runs.remove(&id) else {
            return;
        };
        self.runs
            .archives
            .extend(archive.map(|archive| (id, archive)));
        self.touch(EntryKey::Archive(id));
        if let Some(key) = run.key {
            self.dedup.end(RUN_KEYS, key.id, TaskId(id.0), at);
            self.touch(EntryKey::Dedup(RUN_KEYS, key.id));
        }
        self.release_conflict(id, run.workflow, run.conflict.as_deref());
        self.count_run_end(at, &run, phase);
        if run.follows {
            self.leave_version(run.workflow, run.version);
        }
        self.drop_unused(run.workflow, run.version);
        self.refresh_workflow(run.workflow);
    }

    fn leave_version(&mut self, workflow: WorkflowId, version: u32) {
        let workflow = self.runs.workflows.get_mut(&workflow);
        if let Some(known) = workflow.and_then(|known| known.versions.get_mut(&version)) {
            known.runs = known.runs.saturating_sub(1);
        }
    }

    /// Whoever waits longest for the run's conflict key has it now.
    fn release_conflict(&mut self, id: RunId, workflow: WorkflowId, conflict: Option<&str>) {
        let Some(key) = conflict else { return };
        let place = (workflow, key.to_owned());
        let Some(waiting) = self.runs.conflicts.get_mut(&place) else {
            return;
        };
        waiting.remove(&id);
        match waiting.first().copied() {
            Some(next) => self.queue_run(next),
            None => {
                self.runs.conflicts.remove(&place);
            }
        }
    }

    fn count_run_end(&mut self, at: Timestamp, run: &Run, phase: RunPhase) {
        let Some(workflow) = self.runs.workflows.get_mut(&run.workflow) else {
            return;
        };
        workflow.live = workflow.live.saturating_sub(1);
        if run.began {
            workflow.running = workflow.running.saturating_sub(1);
        }
        match phase {
            RunPhase::Succeeded => self.clear_hold(run.workflow),
            RunPhase::Failed => {
                workflow.failures = workflow.failures.saturating_add(1);
                let until = workflow.hold_from(at);
                let before = workflow.held_until;
                workflow.held_until = until.max(before);
                if let Some(before) = before {
                    self.timers.clear(before, Timer::HoldOver(run.workflow));
                }
                if let Some(until) = until.max(before) {
                    self.timers.set(until, Timer::HoldOver(run.workflow));
                }
                self.touch(EntryKey::Workflow(run.workflow));
            }
            RunPhase::Queued | RunPhase::Running | RunPhase::Cancelled => {}
        }
    }
}
