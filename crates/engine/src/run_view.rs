//! What can be seen of workflows and runs from outside, and what keeps a run from going on.

use crate::id::{Attempt, Key, TaskId};
use crate::reason::Phase;
use crate::run::{RunId, RunPhase, RunReason};
use crate::state::{Run, State, Status, StepLink, Task, UnitPhase, Workflow};
use crate::time::Timestamp;
use crate::workflow::{Settings, Version, WorkflowId};

/// A workflow that is registered or has a live run.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkflowView {
    /// Its name.
    pub name: String,
    /// The number of the version that new runs follow; none for one that is not registered.
    pub registered: Option<u32>,
    /// What holds for its runs now.
    pub settings: Settings,
    /// Runs that are not over.
    pub runs: u32,
    /// Those of them that are under way.
    pub running: u32,
    /// Runs that wait for their turn. Those that wait for a conflict key are not among them.
    pub waiting: u32,
    /// Tasks of its steps that wait or run.
    pub tasks: u32,
    /// Runs that failed in a row.
    pub failures: u32,
    /// New runs wait until then, because so many failed.
    pub held_until: Option<Timestamp>,
}

/// A live run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunView {
    /// The name of its workflow.
    pub workflow: String,
    /// The number of the version that it follows.
    pub version: u32,
    /// Its steps, and how many of them are not over.
    pub steps: (u32, u32),
    /// Queued or running.
    pub phase: RunPhase,
    /// Why.
    pub reason: RunReason,
    /// A caller cancelled it, and its end is on its way.
    pub cancelled: bool,
    /// The run that has its conflict key, when that is another.
    pub holder: Option<RunId>,
    /// The run's place among those of its workflow that wait for their turn, from 0.
    pub place: Option<u32>,
    /// New runs of its workflow wait until then.
    pub held_until: Option<Timestamp>,
    /// Runs of its workflow under way, and how many there may be.
    pub runs: (u32, Option<u32>),
    /// Tasks of steps of its workflow that wait or run, and how many there may be.
    pub tasks: (u32, Option<u32>),
    /// Steps that are not over, some of them in the order of the graph: those that may start or are
    /// under way rather than those that wait for others.
    pub open: Vec<OpenStep>,
}

/// Who has what a run waits for; some of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunHolders {
    /// Runs of its workflow under way.
    pub under_way: Vec<RunId>,
    /// Runs of its workflow that begin before it.
    pub before: Vec<RunId>,
    /// Tasks of steps of its workflow.
    pub tasks: Vec<Key>,
}

/// A step that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenStep {
    /// Its number.
    pub step: u32,
    /// Its name.
    pub name: String,
    /// Blocked, queued (it may start) or running.
    pub phase: Phase,
    /// The steps that it still waits for, by name; some of them.
    pub after: Vec<String>,
    /// Items of a fan-out that were not started yet.
    pub unstarted: u32,
    /// Its live tasks; some of them.
    pub tasks: Vec<Key>,
}

impl State {
    /// All workflows, by name.
    pub fn workflow_views(&self) -> Vec<WorkflowView> {
        let ids = self.runs.names.values();
        ids.filter_map(|id| self.workflow(*id)).map(view).collect()
    }

    /// One workflow.
    pub fn workflow_view(&self, name: &str) -> Option<WorkflowView> {
        Some(view(self.workflow(*self.runs.names.get(name)?)?))
    }

    /// The version of a workflow that new runs follow, with its number.
    pub fn registered_version(&self, name: &str) -> Option<(u32, &Version)> {
        let workflow = self.workflow(*self.runs.names.get(name)?)?;
        let number = workflow.registered?;
        Some((number, &workflow.versions.get(&number)?.plan.version))
    }

    /// All live runs, in accept order, without their steps.
    pub fn run_views(&self) -> Vec<(RunId, RunView)> {
        let ids = self.runs.runs.keys();
        ids.filter_map(|id| Some((*id, self.run_view(*id, 0)?)))
            .collect()
    }

    /// A live run with at most `steps` of its open steps; `None` when it has ended or never was.
    pub fn run_view(&self, id: RunId, steps: usize) -> Option<RunView> {
        let run = self.run(id)?;
        let workflow = self.workflow(run.workflow)?;
        let key = run.conflict.as_deref();
        let holder = key.and_then(|key| self.runs.holder(run.workflow, key));
        let holder = holder.filter(|holder| *holder != id && !run.began);
        let settings = workflow.settings().cloned().unwrap_or_default();
        let waits = workflow.waiting.iter().position(|(_, other)| *other == id);
        let (phase, reason) = match (run.began, holder) {
            (true, _) if run.paused => (RunPhase::Running, RunReason::Paused),
            (true, _) => (RunPhase::Running, RunReason::None),
            (false, Some(_)) => (RunPhase::Queued, RunReason::Conflict),
            (false, None) if workflow.held_until.is_some() => {
                (RunPhase::Queued, RunReason::Backoff)
            }
            (false, None) if !workflow.has_room_for_run() => (RunPhase::Queued, RunReason::MaxRuns),
            (false, None) => (RunPhase::Queued, RunReason::None),
        };
        Some(RunView {
            workflow: workflow.name.clone(),
            version: run.version,
            steps: (run.steps.len() as u32, run.open),
            phase,
            reason,
            cancelled: run.cancelled,
            holder,
            place: waits.map(|place| place as u32),
            held_until: workflow.held_until,
            runs: (workflow.running, settings.max_runs),
            tasks: (workflow.tasks, settings.max_steps),
            open: self.open_steps(run, steps),
        })
    }

    /// Who has what a live run waits for, at most `most` of each kind. Looks at all live runs.
    pub fn run_holders(&self, id: RunId, most: usize) -> RunHolders {
        let Some(run) = self.run(id) else {
            return RunHolders::default();
        };
        let of_workflow = |(_, other): &(&RunId, &Run)| other.workflow == run.workflow;
        let runs = || self.runs.runs.iter().filter(of_workflow);
        let under_way = runs().filter(|(other, run)| run.began && **other != id);
        let waiting = self
            .workflow(run.workflow)
            .map(|workflow| &workflow.waiting);
        let waiting = waiting.into_iter().flatten().map(|(_, other)| *other);
        let before = waiting.take_while(|other| *other != id);
        let tasks = runs().flat_map(|(_, run)| &run.tasks);
        RunHolders {
            under_way: under_way.map(|(other, _)| *other).take(most).collect(),
            before: match run.began {
                true => Vec::new(),
                false => before.take(most).collect(),
            },
            tasks: tasks.map(|task| task.key()).take(most).collect(),
        }
    }

    /// Of the steps of a live run that are under way, how many have a task that waits: for a worker,
    /// and for a time. A fan-out counts as running.
    pub fn waiting_steps(&self, id: RunId) -> (u32, u32) {
        let mut waiting = (0, 0);
        let tasks = self.run(id).into_iter().flat_map(|run| &run.tasks);
        for task in tasks.filter_map(|id| self.tasks.get(*id)) {
            if task.step().is_none_or(|link| link.element.is_some()) {
                continue;
            }
            match task.unit.phase {
                UnitPhase::Queued(_) => waiting.0 += 1,
                UnitPhase::Scheduled { .. } => waiting.1 += 1,
                UnitPhase::Running => {}
            }
        }
        waiting
    }

    /// The run and the step that a live task is, with its element of a fan-out.
    pub fn step_of(&self, task: TaskId) -> Option<(RunId, u32, Option<u32>)> {
        let StepLink {
            run, step, element, ..
        } = self.tasks.get(task).and_then(Task::step)?;
        Some((run, step, element))
    }

    /// Whether an attempt of a step of the run holds its lease, and its task is undecided.
    pub fn runs_step(&self, run: RunId, key: Key, attempt: Attempt) -> bool {
        let of = self.step_of(key.task()).map(|(of, ..)| of);
        of == Some(run) && self.lease_is_current(key, attempt)
    }

    /// The name of a workflow that is registered or has a live run.
    pub fn workflow_name(&self, id: WorkflowId) -> Option<&str> {
        Some(&self.workflow(id)?.name)
    }

    /// The name of a step of a live run.
    pub fn step_name(&self, run: RunId, step: u32) -> Option<&str> {
        Some(&self.run(run)?.plan.node(step)?.name)
    }

    fn open_steps(&self, run: &Run, most: usize) -> Vec<OpenStep> {
        let steps = (0_u32..).zip(&run.steps);
        let open = steps.filter(|(_, step)| !matches!(step.status, Status::Over(_)));
        let (active, blocked): (Vec<_>, Vec<_>) = open
            .map(|(number, step)| (number, step.status))
            .partition(|(_, status)| !matches!(status, Status::Blocked | Status::Doomed(_)));
        let chosen = active.into_iter().chain(blocked).take(most);
        let mut chosen: Vec<u32> = chosen.map(|(number, _)| number).collect();
        chosen.sort_unstable();
        let open = chosen.into_iter();
        let mut open: Vec<OpenStep> = open.filter_map(|step| open_step(run, step, most)).collect();
        let waits = |task: &&TaskId| {
            let task = self.tasks.get(**task);
            task.is_some_and(|task| task.unit.phase != UnitPhase::Running)
        };
        let waiting = run.tasks.iter().filter(waits);
        let others = run.tasks.iter().filter(|task| !waits(task));
        for task in waiting.chain(others) {
            let link = self.tasks.get(*task).and_then(Task::step);
            let Some(link) = link else { continue };
            let place = open.binary_search_by_key(&link.step, |step| step.step);
            if let Ok(place) = place
                && open[place].tasks.len() < most
            {
                open[place].tasks.push(task.key());
            }
        }
        open
    }
}

fn open_step(run: &Run, number: u32, most: usize) -> Option<OpenStep> {
    let (step, node) = (run.step(number)?, run.plan.node(number)?);
    let is_over = |step: u32| {
        let status = run.step(step).map(|step| step.status);
        matches!(status, Some(Status::Over(_)))
    };
    let before = node.after.iter().filter(|edge| !is_over(edge.step));
    let before = before.filter_map(|edge| Some(run.plan.node(edge.step)?.name.clone()));
    Some(OpenStep {
        step: number,
        name: node.name.clone(),
        phase: match step.status {
            Status::Ready => Phase::Queued,
            Status::Running | Status::Ended(_) => Phase::Running,
            _ => Phase::Blocked,
        },
        after: before.take(most).collect(),
        unstarted: step.open_fan().map_or(0, |fan| fan.count - fan.next),
        tasks: Vec::new(),
    })
}

fn view(workflow: &Workflow) -> WorkflowView {
    WorkflowView {
        name: workflow.name.clone(),
        registered: workflow.registered,
        settings: workflow.settings().cloned().unwrap_or_default(),
        runs: workflow.live,
        running: workflow.running,
        waiting: workflow.waiting.len() as u32,
        tasks: workflow.tasks,
        failures: workflow.failures,
        held_until: workflow.held_until,
    }
}
