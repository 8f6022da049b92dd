//! What the events of runs add up to; it objects to every event that breaks a rule.

use std::collections::BTreeMap;

use capataz_engine::{
    Attempt, Change, Event, Key, Next, Node, Phase, RunId, RunPhase, RunReason, Settings,
    StepOutcome, StepReason, TaskId, Version, WorkflowId,
};

use super::fate::Fates;
use super::rules::Certain;
use super::run::{Run, Step};

/// Workflows and runs, as their events tell.
pub(crate) struct Model {
    pub(crate) fates: Fates,
    pub(crate) workflows: BTreeMap<WorkflowId, Workflow>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// Live tasks of steps.
    pub(crate) tasks: BTreeMap<TaskId, (RunId, u32)>,
    elements: BTreeMap<TaskId, u32>,
    /// Attempts of steps that hold a lease, also such as are being stopped.
    leases: BTreeMap<(Key, Attempt), (RunId, u32)>,
    /// Steps decided, and runs that ended, for the message of a test in which too little happened.
    pub(crate) decided: u64,
    pub(crate) ended: u64,
}

#[derive(Default)]
pub(crate) struct Workflow {
    pub(crate) versions: BTreeMap<u32, Version>,
    /// Of all its versions.
    settings: Settings,
    registered: bool,
    pub(crate) held: bool,
    failures: u32,
    /// Who asked for a conflict key, in this order.
    conflicts: BTreeMap<String, Vec<RunId>>,
}

impl Model {
    pub(crate) fn new(fates: Fates) -> Model {
        Model {
            fates,
            workflows: BTreeMap::new(),
            runs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            elements: BTreeMap::new(),
            leases: BTreeMap::new(),
            decided: 0,
            ended: 0,
        }
    }

    pub(crate) fn fold(&mut self, event: &Event) {
        match &event.change {
            Change::WorkflowCreated { workflow, .. } => {
                self.workflows.insert(*workflow, Workflow::default());
            }
            Change::VersionStored {
                workflow,
                number,
                version,
            } => {
                let known = self.workflows.get_mut(workflow).expect("it has a number");
                known.settings = version.settings.clone();
                known.versions.insert(*number, (**version).clone());
            }
            Change::VersionRegistered { workflow, .. } => {
                self.workflows
                    .get_mut(workflow)
                    .expect("it is known")
                    .registered = true;
            }
            Change::WorkflowRemoved { workflow } => {
                self.workflows
                    .get_mut(workflow)
                    .expect("it is known")
                    .registered = false;
            }
            Change::HoldCleared { workflow } => {
                let known = self.workflows.get_mut(workflow).expect("it is known");
                (known.held, known.failures) = (false, 0);
            }
            Change::HoldOver { workflow } => {
                self.workflows.get_mut(workflow).expect("it is known").held = false;
            }
            Change::RunStarted {
                run,
                workflow,
                version,
                new,
                ..
            } => {
                let nodes = &self.workflows[workflow].versions[version].graph.steps;
                let started = Run {
                    workflow: *workflow,
                    follows: true,
                    nodes: nodes.clone(),
                    steps: vec![Step::new(0); nodes.len()],
                    priority: new.priority,
                    conflict: new.conflict.clone(),
                    began: false,
                    paused: false,
                    cancelled: false,
                    ended: false,
                };
                let before = self.runs.insert(*run, started);
                assert!(before.is_none(), "{run} is accepted once");
                self.ask_for_key(*run);
            }
            Change::RunBegan { run } => self.began(*run),
            Change::RunPaused { run, on } => self.live(*run).paused = *on,
            Change::RunCancelled { run, .. } => self.live(*run).cancelled = true,
            Change::StepsAdded { run, version } => {
                let run = self.live(*run);
                assert!(
                    !run.cancelled,
                    "nothing is added to what is being cancelled"
                );
                run.nodes = version.graph.steps.clone();
                run.steps.resize(run.nodes.len(), Step::new(0));
            }
            Change::RunReopened {
                run,
                workflow,
                steps,
                ..
            } => self.reopened(*run, *workflow, steps),
            Change::RunEnded {
                run, phase, reason, ..
            } => self.run_ended(*run, *phase, *reason),
            _ => self.fold_step(&event.change),
        }
    }

    fn fold_step(&mut self, change: &Change) {
        match change {
            Change::FanOpened {
                run, step, count, ..
            } => {
                self.begins(*run, *step);
                let step = &mut self.live(*run).steps[*step as usize];
                step.fan = Some((*count, 0));
                step.begun = true;
            }
            Change::StepStarted {
                run,
                step,
                element,
                first,
                tasks,
                ..
            } => {
                let tasks = (0..tasks.len() as u64).map(|offset| TaskId(first.0 + offset));
                self.started(*run, *step, *element, tasks.collect());
            }
            Change::StepDecided {
                run, step, outcome, ..
            } => self.decided(*run, *step, *outcome),
            Change::Closed {
                key, phase, reason, ..
            } => self.task_ended(*key, *phase, StepReason::Task(*reason)),
            Change::Leased { key, attempt, .. } => {
                let step = self.tasks.get(&key.task()).copied();
                self.leases
                    .extend(step.map(|step| ((*key, *attempt), step)));
            }
            Change::LeaseReleased { key, attempt, .. } => {
                self.leases.remove(&(*key, *attempt));
            }
            Change::AttemptEnded {
                key, attempt, next, ..
            } => {
                self.leases.remove(&(*key, *attempt));
                if let Next::Over { phase, reason } = next {
                    self.task_ended(*key, *phase, StepReason::Task(*reason));
                }
            }
            _ => {}
        }
    }

    /// Which element of a fan-out a task is.
    pub(crate) fn element_of(&self, task: TaskId) -> Option<u32> {
        self.elements.get(&task).copied()
    }

    /// What holds for the runs of a workflow: what its versions say, as long as it has one.
    fn settings(&self, id: WorkflowId) -> Settings {
        let runs = self.runs.values().filter(|run| run.workflow == id);
        let followed = runs.into_iter().any(|run| run.follows && !run.ended);
        match followed || self.workflows[&id].registered {
            true => self.workflows[&id].settings.clone(),
            false => Settings::default(),
        }
    }

    fn live(&mut self, run: RunId) -> &mut Run {
        let found = self.runs.get_mut(&run).filter(|run| !run.ended);
        found.unwrap_or_else(|| panic!("{run} lives"))
    }

    fn began(&mut self, id: RunId) {
        let run = &self.runs[&id];
        assert!(self.may_begin(id), "{id} may begin");
        let rivals = self.waiting(run.workflow);
        let first = rivals
            .iter()
            .map(|other| (self.runs[other].priority, other));
        let first = first.min_by_key(|(priority, other)| (u8::MAX - priority, **other));
        assert_eq!(
            first.map(|(_, first)| *first),
            Some(id),
            "the most urgent first"
        );
        let max = self.settings(run.workflow).max_runs.unwrap_or(u32::MAX);
        assert!(self.running(run.workflow) < max, "no more than max_runs");
        self.live(id).began = true;
    }

    fn running(&self, workflow: WorkflowId) -> u32 {
        let runs = self.runs.values().filter(|run| run.workflow == workflow);
        runs.filter(|run| run.began && !run.ended).count() as u32
    }

    fn may_begin(&self, id: RunId) -> bool {
        let run = &self.runs[&id];
        let workflow = &self.workflows[&run.workflow];
        let asked = run.conflict.as_ref().map(|key| &workflow.conflicts[key]);
        let waits = !run.began && !run.cancelled && !run.ended;
        waits && !workflow.held && asked.is_none_or(|asked| asked.first() == Some(&id))
    }

    /// Runs of a workflow that only wait for room.
    fn waiting(&self, workflow: WorkflowId) -> Vec<RunId> {
        let runs = self.runs.iter().filter(|(_, run)| run.workflow == workflow);
        let runs = runs.map(|(id, _)| *id);
        runs.filter(|id| self.may_begin(*id)).collect()
    }

    fn ask_for_key(&mut self, id: RunId) {
        let run = &self.runs[&id];
        if let Some(key) = run.conflict.clone() {
            let workflow = self.workflows.get_mut(&run.workflow).expect("it is known");
            workflow.conflicts.entry(key).or_default().push(id);
        }
    }

    /// A step begins: everything that it waits for must be decided.
    fn begins(&mut self, id: RunId, step: u32) {
        let leased = self.leases.values().any(|of| *of == (id, step));
        assert!(!leased, "step {step} of {id} never runs twice at once");
        let run = self.live(id);
        assert!(
            run.began && !run.paused && !run.cancelled,
            "{id} starts nothing"
        );
        assert_eq!(
            run.may_start(step as usize),
            Some(true),
            "step {step} of {id}"
        );
        let step = &run.steps[step as usize];
        assert!(!step.begun && step.decided.is_none(), "it begins once");
    }

    fn started(&mut self, id: RunId, step: u32, element: Option<u32>, tasks: Vec<TaskId>) {
        if element.is_none() {
            self.begins(id, step);
        }
        let workflow = self.runs[&id].workflow;
        let max = self.settings(workflow).max_steps.unwrap_or(u32::MAX) as usize;
        let run = self.live(id);
        assert!(
            run.began && !run.paused && !run.cancelled,
            "{id} starts nothing"
        );
        let most = run.nodes[step as usize].parallelism.unwrap_or(u32::MAX);
        let entry = &mut run.steps[step as usize];
        assert!(entry.decided.is_none(), "what is over starts nothing");
        entry.begun = true;
        entry.tasks.extend(&tasks);
        assert_eq!(
            entry.fan.is_some(),
            element.is_some(),
            "only a fan-out has elements"
        );
        if let (Some(from), Some((count, next))) = (element, &mut entry.fan) {
            assert_eq!(from, *next, "elements come in order");
            *next += tasks.len() as u32;
            assert!(*next <= *count, "no more elements than items");
            assert!(entry.tasks.len() <= most as usize, "parallelism holds");
        }
        let elements = element.map(|from| tasks.iter().copied().zip(from..));
        self.elements.extend(elements.into_iter().flatten());
        self.tasks
            .extend(tasks.into_iter().map(|task| (task, (id, step))));
        assert!(self.tasks_of(workflow) <= max, "no more than max_steps");
    }

    fn tasks_of(&self, workflow: WorkflowId) -> usize {
        let runs = self.tasks.values().map(|(run, _)| &self.runs[run]);
        runs.filter(|run| run.workflow == workflow).count()
    }

    fn task_ended(&mut self, key: Key, phase: Phase, reason: StepReason) {
        let Some((id, step)) = self.tasks.remove(&key.task()) else {
            return;
        };
        let step = &mut self.live(id).steps[step as usize];
        assert!(step.tasks.remove(&key.task()), "{key} is a task of it");
        step.task = Some(StepOutcome { phase, reason });
    }

    fn decided(&mut self, id: RunId, number: u32, outcome: StepOutcome) {
        let run = self.live(id);
        let step = &run.steps[number as usize];
        assert_eq!(step.decided, None, "step {number} of {id} is decided once");
        assert!(
            step.tasks.is_empty(),
            "step {number} of {id} has live tasks"
        );
        let may_start = run.may_start(number as usize);
        let cancelled = outcome.reason == StepReason::RunCancelled;
        match outcome.reason {
            StepReason::Upstream(parent) => {
                assert_eq!(
                    (may_start, step.begun),
                    (Some(false), false),
                    "skipped: {outcome:?}"
                );
                let edges = run.nodes[number as usize].after.iter();
                let mut edges = edges.filter(|edge| edge.step == parent);
                assert!(
                    edges.any(|edge| !run.is_met(edge.step, edge.on)),
                    "because of one"
                );
            }
            StepReason::RunCancelled => assert!(run.cancelled, "with its run"),
            StepReason::Task(_) if step.task.is_some() && step.fan.is_none() => {
                assert_eq!(Some(outcome), step.task, "as its task ended");
            }
            _ => assert!(
                step.begun || may_start == Some(true),
                "it may start: {outcome:?}"
            ),
        }
        assert!(
            cancelled || !run.cancelled || step.begun,
            "nothing starts any more"
        );
        run.steps[number as usize].decided = Some(outcome);
        self.decided += 1;
    }

    fn reopened(&mut self, id: RunId, workflow: WorkflowId, steps: &[u32]) {
        let run = self.runs.get_mut(&id).expect("it was accepted");
        assert!(
            !run.cancelled || run.ended,
            "not while it is being cancelled"
        );
        for step in &mut run.steps {
            step.certain = match (step.decided, step.begun) {
                (Some(outcome), _) => Certain::Ended(outcome),
                (None, true) => Certain::Begun,
                (None, false) => Certain::Nothing,
            };
        }
        for number in steps {
            let step = &mut run.steps[*number as usize];
            assert!(step.decided.is_some(), "only what is over runs again");
            *step = Step::new(step.round + 1);
        }
        if std::mem::replace(&mut run.ended, false) {
            (run.began, run.paused, run.cancelled) = (true, false, false);
            (run.workflow, run.follows) = (workflow, false);
            self.ask_for_key(id);
        }
    }

    /// The run must have ended as it was bound to.
    fn run_ended(&mut self, id: RunId, phase: RunPhase, reason: RunReason) {
        let fates = self.fates;
        let hold = self.settings(self.runs[&id].workflow).hold;
        let run = self.live(id);
        let decided = run.steps.iter().map(|step| step.decided);
        let decided: Vec<StepOutcome> =
            decided.map(|step| step.expect("all are decided")).collect();
        let bad = |(step, outcome): (&Node, &StepOutcome)| {
            let bad = matches!(outcome.phase, Phase::Failed | Phase::Cancelled);
            bad && !step.allow_failure
        };
        let failed = run.nodes.iter().zip(&decided).any(bad);
        let expected = match (run.cancelled, failed) {
            (true, _) => RunPhase::Cancelled,
            (false, true) => RunPhase::Failed,
            // All went well, but what it was to return could not be worked out.
            (false, false) if reason == RunReason::Template => RunPhase::Failed,
            (false, false) => RunPhase::Succeeded,
        };
        assert_eq!(phase, expected, "{id}");
        if !run.cancelled {
            run.compare_with_forecast(id, fates, &decided);
        }
        run.ended = true;
        let (workflow, conflict) = (run.workflow, run.conflict.clone());
        let workflow = self.workflows.get_mut(&workflow).expect("it is known");
        if let Some(key) = conflict {
            let asked = workflow.conflicts.get_mut(&key).expect("it asked");
            asked.retain(|other| *other != id);
        }
        match phase {
            RunPhase::Failed => workflow.failures += 1,
            RunPhase::Succeeded => (workflow.failures, workflow.held) = (0, false),
            _ => {}
        }
        let after = hold.map_or(u32::MAX, |hold| hold.after);
        workflow.held |= phase == RunPhase::Failed && workflow.failures >= after;
        self.ended += 1;
    }

    /// Whether there is anything that an owner could do about runs.
    pub(crate) fn something_is_due(&self) -> bool {
        let begins = self.workflows.keys().any(|id| {
            let max = self.settings(*id).max_runs.unwrap_or(u32::MAX);
            self.running(*id) < max && !self.waiting(*id).is_empty()
        });
        let live = self.runs.values().filter(|run| !run.ended);
        begins
            || live.into_iter().any(|run| {
                let max = self.settings(run.workflow).max_steps;
                let room = max.is_none_or(|max| self.tasks_of(run.workflow) < max as usize);
                run.has_work(room)
            })
    }
}
