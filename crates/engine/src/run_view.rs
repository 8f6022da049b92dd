//! What can be seen of workflows and runs from outside.

use crate::run::{RunId, RunPhase, RunReason};
use crate::state::{Run, State, Workflow};
use crate::time::Timestamp;

/// A workflow that is registered or has runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkflowView {
    /// Its name.
    pub name: String,
    /// The number of the version that new runs follow; `None` when it is not registered.
    pub registered: Option<u32>,
    /// Runs that are not over.
    pub runs: u32,
    /// Those of them that are under way.
    pub running: u32,
    /// Live tasks of their steps.
    pub tasks: u32,
    /// Runs that failed in a row.
    pub failures: u32,
    /// Until when new runs wait because of that.
    pub held_until: Option<Timestamp>,
}

/// A run that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The name of its workflow.
    pub workflow: String,
    /// The number of the version that it follows.
    pub version: u32,
    /// Queued or running.
    pub phase: RunPhase,
    /// Why it waits, or that it is paused.
    pub reason: RunReason,
    /// The run that holds its conflict key, when it waits for that.
    pub holder: Option<RunId>,
    /// A caller cancelled it: what is left of it is being ended.
    pub cancelling: bool,
    /// Its steps.
    pub steps: u32,
    /// Those of them that are not over.
    pub open: u32,
    /// Live tasks of its steps.
    pub tasks: u32,
}

impl State {
    /// All workflows, in the order in which they came to be known.
    pub fn workflow_views(&self) -> Vec<WorkflowView> {
        self.runs.workflows.values().map(view_workflow).collect()
    }

    /// A workflow that is registered or has runs.
    pub fn workflow_view(&self, name: &str) -> Option<WorkflowView> {
        let id = self.runs.names.get(name)?;
        self.workflow(*id).map(view_workflow)
    }

    /// All runs that are not over, in accept order.
    pub fn run_views(&self) -> Vec<RunView> {
        let runs = self.runs.runs.iter();
        runs.map(|(id, run)| self.view_run(*id, run)).collect()
    }

    /// A run; `None` when it is over or never was.
    pub fn run_view(&self, id: RunId) -> Option<RunView> {
        Some(self.view_run(id, self.run(id)?))
    }

    fn view_run(&self, id: RunId, run: &Run) -> RunView {
        let holder = run.conflict.as_deref();
        let holder = holder.and_then(|key| self.runs.holder(run.workflow, key));
        let holder = holder.filter(|holder| *holder != id && !run.began);
        let workflow = self.workflow(run.workflow);
        RunView {
            id,
            workflow: workflow.map_or_else(String::new, |workflow| workflow.name.clone()),
            version: run.version,
            phase: match run.began {
                true => RunPhase::Running,
                false => RunPhase::Queued,
            },
            reason: reason(run, holder, workflow),
            holder,
            cancelling: run.cancelled,
            steps: run.steps.len() as u32,
            open: run.open,
            tasks: run.tasks.len() as u32,
        }
    }
}

fn reason(run: &Run, holder: Option<RunId>, workflow: Option<&Workflow>) -> RunReason {
    match workflow {
        _ if run.paused => RunReason::Paused,
        _ if run.began => RunReason::None,
        _ if holder.is_some() => RunReason::Conflict,
        Some(workflow) if workflow.held_until.is_some() => RunReason::Backoff,
        Some(workflow) if !workflow.has_room_for_run() => RunReason::MaxRuns,
        _ => RunReason::None,
    }
}

fn view_workflow(workflow: &Workflow) -> WorkflowView {
    WorkflowView {
        name: workflow.name.clone(),
        registered: workflow.registered,
        runs: workflow.live,
        running: workflow.running,
        tasks: workflow.tasks,
        failures: workflow.failures,
        held_until: workflow.held_until,
    }
}
