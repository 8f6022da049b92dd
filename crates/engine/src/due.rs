//! What runs wait for the owner to do. Level-triggered: it follows from the state, so a new leader
//! finds the same, and nothing is lost with a process.

use bytes::Bytes;

use crate::id::Key;
use crate::limits;
use crate::planted::{Bug, planted};
use crate::reason::Phase;
use crate::run::{RunId, StepReason};
use crate::state::{Run, State, Status, Task};
use crate::workflow::{NodeKind, Version, WorkflowId};

/// Elements of a fan-out that are started at once: a turn stays short, and runs take turns.
pub const ELEMENTS_AT_ONCE: u32 = 1_000;

/// Something to do about runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// The rules alone know what is next: [`crate::Command::AdvanceWorkflow`].
    Workflow(WorkflowId),
    /// The rules alone know what is next: [`crate::Command::AdvanceRun`].
    Run(RunId),
    /// A step's condition and templates are to be worked out, for [`crate::Command::BeginStep`].
    Step {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
        /// For a fan-out that is open: the next elements, from where and how many.
        elements: Option<(u32, u32)>,
    },
    /// A run has succeeded: what comes of it is to be worked out, for
    /// [`crate::Command::EndRun`].
    End(RunId),
}

/// What expressions of a run may refer to.
pub struct RunContext<'a> {
    state: &'a State,
    run: &'a Run,
    id: RunId,
}

impl State {
    /// The next thing to do about runs, if there is one.
    pub fn next_due(&self) -> Option<Due> {
        if let Some(workflow) = self.runs.due_workflow() {
            return Some(Due::Workflow(workflow));
        }
        self.due_of(self.runs.due_run()?)
    }

    /// The next thing to do about runs that starts no task: it is done even when there is no room
    /// for more. Runs end then, cancelled ones among them, and none begins.
    pub fn next_decision(&self) -> Option<Due> {
        self.due_of(self.runs.undecided_run()?)
    }

    fn due_of(&self, id: RunId) -> Option<Due> {
        let run = self.run(id)?;
        let Some(due) = run.due.first().filter(|_| !run.cancelled) else {
            let asks = run.plan.version.settings.asks_at_end && run.bad == 0 && !run.cancelled;
            return Some(if asks { Due::End(id) } else { Due::Run(id) });
        };
        let (step, node) = (run.step(due.step)?, run.plan.node(due.step)?);
        let by_rule = !node.conditional && node.kind == NodeKind::Noop;
        Some(match step.status {
            Status::Ready if by_rule => Due::Run(id),
            Status::Ready => Due::Step {
                run: id,
                step: due.step,
                elements: None,
            },
            Status::Running => Due::Step {
                run: id,
                step: due.step,
                elements: self.next_elements(run, due.step),
            },
            _ => Due::Run(id),
        })
    }

    fn next_elements(&self, run: &Run, step: u32) -> Option<(u32, u32)> {
        let (node, step) = (run.plan.node(step)?, run.step(step)?);
        let fan = step.fan.as_ref()?;
        let parallel = node.parallelism.unwrap_or(u32::MAX);
        let room = self.workflow(run.workflow)?.room_for_tasks();
        let count = (fan.count - fan.next)
            .min(ELEMENTS_AT_ONCE)
            .min(parallel.saturating_sub(step.tasks))
            .min(room);
        Some((fan.next, count))
    }

    /// How many bytes a task may return that is a step, or an element of one, whose output other
    /// steps refer to; `None` for any other.
    pub fn output_room(&self, key: Key) -> Option<usize> {
        let link = self.tasks.get(key.task()).and_then(Task::step)?;
        let run = self.run(link.run)?;
        let room = limits::RUN_OUTPUT_BYTES.saturating_sub(run.kept);
        let keeps_output = run.plan.node(link.step)?.keeps_output;
        keeps_output.then_some(room.min(limits::STEP_OUTPUT_BYTES))
    }

    /// What expressions of a live run may refer to.
    pub fn run_context(&self, id: RunId) -> Option<RunContext<'_>> {
        let run = self.run(id)?;
        Some(RunContext {
            state: self,
            run,
            id,
        })
    }
}

impl RunContext<'_> {
    /// Its id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// The name of its workflow.
    pub fn workflow(&self) -> &str {
        self.state
            .workflow(self.run.workflow)
            .map_or("", |workflow| &workflow.name)
    }

    /// The number of the version it follows.
    pub fn version_number(&self) -> u32 {
        self.run.version
    }

    /// What it follows: its own version once steps were added to it.
    pub fn version(&self) -> &Version {
        &self.run.plan.version
    }

    /// Its parameters, as JSON.
    pub fn parameters(&self) -> &Bytes {
        &self.run.parameters
    }

    /// Its message as it is now, as JSON; empty without one.
    pub fn message(&self) -> &Bytes {
        &self.run.message
    }

    /// Labels and whatever else only the store looks at.
    pub fn body(&self) -> &Bytes {
        &self.run.body
    }

    /// How many runs came before it by repetition.
    pub fn repetition(&self) -> u32 {
        self.run.repetition
    }

    /// How long its steps are expected to take.
    pub fn expected(&self) -> &[u32] {
        &self.run.expected
    }

    /// Its conflict key.
    pub fn conflict(&self) -> Option<&str> {
        self.run.conflict.as_deref()
    }

    /// Its priority among the runs of its workflow.
    pub fn priority(&self) -> u8 {
        self.run.priority
    }

    /// What a step returned, when that is kept.
    pub fn output(&self, step: u32) -> Option<&Bytes> {
        self.run.step(step)?.outputs.get(&crate::state::WHOLE)
    }

    /// What the elements of a fan-out returned, in order; empty bytes for those that returned
    /// nothing. `None` for a step that is no fan-out, or whose elements have not run to their end.
    pub fn element_outputs(&self, step: u32) -> Option<Vec<Bytes>> {
        let (step, node) = (self.run.step(step)?, self.run.plan.node(step)?);
        let ran = match step.status {
            Status::Over(outcome) => {
                outcome.phase == Phase::Succeeded
                    || matches!(outcome.reason, StepReason::Elements(_))
            }
            _ => false,
        };
        if node.kind != NodeKind::FanOut || !ran {
            return None;
        }
        if planted(Bug::FanOutputsClosedUp) {
            return Some(step.outputs.values().cloned().collect());
        }
        let count = step.fan.as_ref().map_or(0, |fan| fan.count);
        let count = count.min(limits::FAN_OUT);
        let of = |element| step.outputs.get(&element).cloned().unwrap_or_default();
        Some((0..count).map(of).collect())
    }

    /// The items of a fan-out that is open, as a JSON list.
    pub fn items(&self, step: u32) -> Option<&Bytes> {
        Some(&self.run.step(step)?.open_fan()?.items)
    }

    /// The state of a step, by its name on the wire.
    pub fn step_state(&self, step: u32) -> &'static str {
        match self.run.step(step).map(|step| step.status) {
            Some(Status::Over(outcome)) => outcome.phase.name(),
            Some(Status::Running | Status::Ended(_)) => "running",
            Some(Status::Ready) => "queued",
            _ => "blocked",
        }
    }
}
