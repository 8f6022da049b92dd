//! A live run: its steps, and which of them something is to be done about.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::runs::{Turn, Wants};
use crate::id::TaskId;
use crate::planted::{Bug, planted};
use crate::reason::Phase;
use crate::run::{RunId, RunKey, StepOutcome, StepReason};
use crate::time::Timestamp;
use crate::workflow::{Join, On, Version, WorkflowId};

/// Steps whose states are one entry of the store.
pub(crate) const STEPS_PER_ENTRY: u32 = 256;

/// A live run.
pub(crate) struct Run {
    pub(crate) workflow: WorkflowId,
    pub(crate) version: u32,
    /// Whether it counts among the runs of that version: not when it was opened again.
    pub(crate) follows: bool,
    /// It has a graph of its own: steps were added to it, or it was opened again.
    pub(crate) own: bool,
    pub(crate) plan: Arc<Plan>,
    pub(crate) parameters: Bytes,
    pub(crate) message: Bytes,
    pub(crate) body: Bytes,
    pub(crate) key: Option<RunKey>,
    pub(crate) conflict: Option<String>,
    pub(crate) priority: u8,
    pub(crate) expected: Vec<u32>,
    pub(crate) repetition: u32,
    pub(crate) submitted_at: Timestamp,
    pub(crate) began: bool,
    pub(crate) paused: bool,
    pub(crate) cancelled: bool,
    pub(crate) steps: Vec<Step>,
    /// Live tasks of its steps.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Bytes of kept outputs.
    pub(crate) kept: usize,
    /// Steps that are not over.
    pub(crate) open: u32,
    /// Steps that ended badly and may not.
    pub(crate) bad: u32,
    /// Steps that something is to be done about.
    pub(crate) due: BTreeSet<Due>,
    /// Where it stands in the index of runs with something to do.
    pub(crate) indexed: Option<(Wants, Turn)>,
    /// When elements of it were last started, so that runs take turns.
    pub(crate) served: u64,
}

/// What is to be done about a step: first what starts nothing, then what hangs most on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Due {
    pub(crate) starts: bool,
    pub(crate) rank: Reverse<u32>,
    pub(crate) step: u32,
}

/// A step of a live run.
#[derive(Clone, Default)]
pub(crate) struct Step {
    pub(crate) status: Status,
    /// The longest path that hangs on it, in milliseconds.
    pub(crate) rank: u32,
    /// Edges whose step is not over.
    pub(crate) waits: u32,
    /// Edges that are satisfied.
    pub(crate) met: u32,
    /// Live tasks of it.
    pub(crate) tasks: u32,
    pub(crate) due: Option<Due>,
    pub(crate) fan: Option<Box<Fan>>,
    /// What it returned, when it is kept: alone, or by element.
    pub(crate) outputs: BTreeMap<u32, Bytes>,
}

/// The index under which a step that is no fan-out keeps its output.
pub(crate) const WHOLE: u32 = u32::MAX;

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Status {
    /// Waits for other steps.
    #[default]
    Blocked,
    /// Cannot start any more, because of that step.
    Doomed(u32),
    /// May start.
    Ready,
    /// Its task, or elements of it, live.
    Running,
    /// Its task has ended so; the step is to be decided.
    Ended(StepOutcome),
    /// Decided.
    Over(StepOutcome),
}

/// A step that is a task for each item of a list.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Fan {
    pub(crate) count: u32,
    /// Elements from here on were not started.
    pub(crate) next: u32,
    pub(crate) failed: u32,
    pub(crate) items: Bytes,
}

/// A run in the store; its steps, items and outputs are entries of their own.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RunEntry<'a> {
    pub(crate) workflow: WorkflowId,
    pub(crate) version: u32,
    pub(crate) follows: bool,
    pub(crate) own: Option<Cow<'a, Version>>,
    pub(crate) parameters: Bytes,
    pub(crate) message: Bytes,
    pub(crate) body: Bytes,
    pub(crate) key: Option<RunKey>,
    pub(crate) conflict: Option<String>,
    pub(crate) priority: u8,
    pub(crate) expected: Vec<u32>,
    pub(crate) repetition: u32,
    pub(crate) submitted_at: Timestamp,
    pub(crate) began: bool,
    pub(crate) paused: bool,
    pub(crate) cancelled: bool,
}

/// A step in the store.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StepEntry {
    status: Status,
    /// Of a fan-out: count, next, failed.
    fan: Option<(u32, u32, u32)>,
}

impl Run {
    /// A run with nothing done.
    pub(crate) fn restored(entry: RunEntry<'_>, plan: Arc<Plan>) -> Run {
        let ranks = plan.ranks(&entry.expected);
        let steps: Vec<Step> = ranks
            .into_iter()
            .map(|rank| Step {
                rank,
                ..Step::default()
            })
            .collect();
        let mut run = Run {
            workflow: entry.workflow,
            version: entry.version,
            follows: entry.follows,
            own: entry.own.is_some(),
            plan,
            parameters: entry.parameters,
            message: entry.message,
            body: entry.body,
            key: entry.key,
            conflict: entry.conflict,
            priority: entry.priority,
            expected: entry.expected,
            repetition: entry.repetition,
            submitted_at: entry.submitted_at,
            began: entry.began,
            paused: entry.paused,
            cancelled: entry.cancelled,
            steps,
            tasks: BTreeSet::new(),
            kept: 0,
            open: 0,
            bad: 0,
            due: BTreeSet::new(),
            indexed: None,
            served: 0,
        };
        run.recount();
        run
    }

    pub(crate) fn entry(&self) -> RunEntry<'_> {
        RunEntry {
            workflow: self.workflow,
            version: self.version,
            follows: self.follows,
            own: self.own.then(|| Cow::Borrowed(&self.plan.version)),
            parameters: self.parameters.clone(),
            message: self.message.clone(),
            body: self.body.clone(),
            key: self.key,
            conflict: self.conflict.clone(),
            priority: self.priority,
            expected: self.expected.clone(),
            repetition: self.repetition,
            submitted_at: self.submitted_at,
            began: self.began,
            paused: self.paused,
            cancelled: self.cancelled,
        }
    }

    /// The states of the steps of one entry.
    pub(crate) fn step_entries(&self, chunk: u32) -> Option<Vec<StepEntry>> {
        let from = (chunk * STEPS_PER_ENTRY) as usize;
        let to = (from + STEPS_PER_ENTRY as usize).min(self.steps.len());
        let steps = self.steps.get(from..to).filter(|steps| !steps.is_empty())?;
        Some(steps.iter().map(Step::entry).collect())
    }

    /// Entries of steps that there are.
    pub(crate) fn chunks(&self) -> u32 {
        (self.steps.len() as u32).div_ceil(STEPS_PER_ENTRY)
    }

    pub(crate) fn step(&self, step: u32) -> Option<&Step> {
        self.steps.get(step as usize)
    }

    /// Adds the steps that a version has more than the run's own.
    pub(crate) fn extend(&mut self, version: Version) {
        // Every step has its place in the plan, whatever an event says.
        if version.graph.steps.len() < self.steps.len() {
            return;
        }
        self.plan = Plan::new(version);
        self.own = true;
        self.steps.resize_with(self.plan.len(), Step::default);
        for (step, rank) in self.steps.iter_mut().zip(self.plan.ranks(&self.expected)) {
            step.rank = rank;
        }
        self.recount();
    }

    /// Whether a step is a fan-out with its items, and not over.
    pub(crate) fn has_items(&self, step: u32) -> bool {
        self.step(step)
            .is_some_and(|step| step.open_fan().is_some())
    }

    /// Derives what follows from the states of the steps: counters, and what is due.
    pub(crate) fn recount(&mut self) {
        self.due.clear();
        (self.open, self.bad, self.kept) = (0, 0, 0);
        let plan = Arc::clone(&self.plan);
        for (number, node) in plan.nodes().iter().enumerate() {
            let outcome_of = |step: u32| match self.steps.get(step as usize)?.status {
                Status::Over(outcome) => Some(outcome),
                _ => None,
            };
            let (mut waits, mut met) = (0, 0);
            for edge in &node.after {
                match outcome_of(edge.step) {
                    None => waits += 1,
                    Some(outcome) => met += u32::from(self.satisfies(edge.step, edge.on, outcome)),
                }
            }
            let step = &mut self.steps[number];
            (step.waits, step.met, step.due) = (waits, met, None);
            self.kept += step.outputs.values().map(Bytes::len).sum::<usize>();
            match step.status {
                Status::Over(outcome) => {
                    self.bad += u32::from(outcome.is_bad() && !node.allow_failure)
                }
                _ => self.open += 1,
            }
        }
        for step in 0..self.steps.len() as u32 {
            self.consider(step);
        }
    }

    /// Whether an edge from a step that ended so is satisfied. An allowed failure satisfies every
    /// edge; a step left out by its own condition counts as done.
    pub(crate) fn satisfies(&self, step: u32, on: On, outcome: StepOutcome) -> bool {
        let allowed = self.plan.node(step).is_some_and(|node| node.allow_failure);
        match on {
            On::Any => true,
            On::Failure => outcome.is_bad(),
            On::Success => {
                outcome.phase == Phase::Succeeded
                    || outcome.reason == StepReason::Condition
                    || (outcome.is_bad() && allowed)
            }
        }
    }

    /// A step is decided: its children wait for one step less.
    pub(crate) fn decide(&mut self, number: u32, outcome: StepOutcome) {
        let plan = Arc::clone(&self.plan);
        let (Some(step), Some(node)) = (self.steps.get_mut(number as usize), plan.node(number))
        else {
            return;
        };
        if matches!(step.status, Status::Over(_)) {
            return;
        }
        step.status = Status::Over(outcome);
        // How many elements there were is asked for by whoever reads what they returned.
        if let Some(fan) = &mut step.fan {
            fan.items = Bytes::new();
        }
        self.open = self.open.saturating_sub(1);
        self.bad += u32::from(outcome.is_bad() && !node.allow_failure);
        self.refresh(number);
        for (child, edge) in plan.children(number) {
            let on = plan
                .node(*child)
                .and_then(|node| node.after.get(*edge as usize))
                .map_or(On::Success, |edge| edge.on);
            let met = self.satisfies(number, on, outcome);
            let waiting = &mut self.steps[*child as usize];
            let count = 1 + u32::from(planted(Bug::JoinCountsTwice));
            waiting.waits = waiting.waits.saturating_sub(count);
            waiting.met += u32::from(met) * count;
            self.consider(*child);
        }
    }

    /// Decides whether a step that has not begun may start, or cannot any more. That follows from
    /// the other steps alone, so it is looked at anew whenever one of them changes.
    fn consider(&mut self, number: u32) {
        let Some(node) = self.plan.node(number) else {
            return;
        };
        let (join, edges) = (node.join, node.after.len() as u32);
        let first_unmet = || {
            let edge = node.after.iter().find(|edge| {
                let ended = self.steps.get(edge.step as usize).map(|step| step.status);
                matches!(ended, Some(Status::Over(outcome))
                    if !self.satisfies(edge.step, edge.on, outcome))
            });
            edge.map_or(number, |edge| edge.step)
        };
        let step = &self.steps[number as usize];
        if step.status.waits() {
            let decided = edges - step.waits;
            let status = match join {
                Join::All if step.met < decided => Status::Doomed(first_unmet()),
                Join::All if step.waits == 0 => Status::Ready,
                Join::Any if step.met > 0 || edges == 0 => Status::Ready,
                Join::Any if step.waits == 0 => Status::Doomed(first_unmet()),
                _ => Status::Blocked,
            };
            self.steps[number as usize].status = status;
        }
        self.refresh(number);
    }

    /// Puts a step where it belongs among those that are due.
    pub(crate) fn refresh(&mut self, number: u32) {
        let due = self.due_of(number);
        let Some(step) = self.steps.get_mut(number as usize) else {
            return;
        };
        let before = std::mem::replace(&mut step.due, due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&before);
        }
        self.due.extend(due);
    }

    fn due_of(&self, number: u32) -> Option<Due> {
        let (step, node) = (self.step(number)?, self.plan.node(number)?);
        let starts = match step.status {
            Status::Blocked | Status::Over(_) => return None,
            Status::Doomed(_) | Status::Ended(_) => false,
            Status::Ready => true,
            Status::Running => {
                step.fan.as_ref().filter(|fan| fan.next < fan.count)?;
                if node.parallelism.is_some_and(|most| step.tasks >= most) {
                    return None;
                }
                true
            }
        };
        Some(Due {
            starts,
            rank: Reverse(step.rank),
            step: number,
        })
    }
}

impl Fan {
    /// How the step ends once all of its elements have.
    pub(crate) fn outcome(&self) -> StepOutcome {
        match self.failed {
            0 => StepOutcome::SUCCEEDED,
            failed => StepOutcome {
                phase: Phase::Failed,
                reason: StepReason::Elements(failed),
            },
        }
    }
}

impl Status {
    /// Whether nothing was done about the step in this round.
    fn waits(self) -> bool {
        matches!(self, Status::Blocked | Status::Doomed(_) | Status::Ready)
    }
}

impl Step {
    /// A fan-out that is not over.
    pub(crate) fn open_fan(&self) -> Option<&Fan> {
        let is_over = matches!(self.status, Status::Over(_));
        self.fan.as_deref().filter(|_| !is_over)
    }

    fn entry(&self) -> StepEntry {
        let fan = self
            .fan
            .as_ref()
            .map(|fan| (fan.count, fan.next, fan.failed));
        // Whether it may start follows from the others.
        let repeats = planted(Bug::StepRepeatedAtRestart) && self.status == Status::Running;
        let status = match self.status.waits() || repeats {
            true => Status::Blocked,
            false => self.status,
        };
        StepEntry { status, fan }
    }
}

impl StepEntry {
    /// Puts the step where it stood; the items of a fan-out that is open have an entry of their own.
    pub(crate) fn restore(self, step: &mut Step) {
        step.status = self.status;
        step.fan = self.fan.map(|(count, next, failed)| {
            Box::new(Fan {
                count,
                next,
                failed,
                items: Bytes::new(),
            })
        });
    }
}

/// A task of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StepLink {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    /// Which item, of a fan-out.
    pub(crate) element: Option<u32>,
    pub(crate) rank: u32,
}
