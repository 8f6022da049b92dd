//! Random workflows: small graphs whose every expression is simple enough to be worked out a
//! second time by hand, from the records alone.

use capataz_server::workflow::{Compiled, compile};

use crate::chance::Chance;
use crate::clock::SECOND;
use crate::work::Work;

/// Steps of a workflow at the most.
const STEPS: u64 = 12;
/// Workflows that are drawn in vain before a simulation does without one.
const TRIES: usize = 20;

/// The first pause after failed runs; each further one is twice as long.
pub(crate) const HOLD_SECONDS: u64 = 2;
/// The longest of them.
pub(crate) const HOLD_SECONDS_MAX: u64 = 20;
/// Runs in a row by repetition at the most: enough to see a bound, few enough to end soon.
const REPEAT_MAX: u64 = 4;
/// Under which name the result of a run has its parameter `n`.
pub(crate) const RESULT_NUMBER: &str = "n";

/// How a step must have ended for the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Success,
    Failure,
    Any,
}

/// When a step that is ready runs at all, and when a run is not repeated any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The parameter `n` is at least so large.
    AtLeast(u64),
    /// That step has returned a list of at least so many.
    Returned(usize, usize),
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deeds {
    Nothing,
    One(Work),
    /// The same for each item of what a step returned, or of the parameter `list`.
    Each(Option<usize>, Work),
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowStep {
    pub(crate) after: Vec<(usize, On)>,
    pub(crate) any: bool,
    pub(crate) when: Option<When>,
    pub(crate) deeds: Deeds,
    pub(crate) allow_failure: bool,
    pub(crate) parallelism: Option<u32>,
    /// It is told what that step returned.
    pub(crate) reads: Option<usize>,
    /// It is told the run's message.
    pub(crate) reads_message: bool,
    /// What it returns becomes the run's message.
    pub(crate) alters_message: bool,
    /// The number under which it was added to a run by one of its steps.
    pub(crate) added: Option<u64>,
    pub(crate) group: usize,
    pub(crate) priority: u64,
    pub(crate) max_attempts: u64,
    pub(crate) delay: bool,
}

/// A run that has succeeded names its successor, with `n` one larger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    pub(crate) until: When,
    /// Runs in a row, the first included.
    pub(crate) max: u32,
}

/// A workflow.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) name: String,
    pub(crate) max_runs: Option<u32>,
    pub(crate) max_steps: Option<u32>,
    /// New runs wait after so many runs in a row have failed.
    pub(crate) hold_after: Option<u32>,
    /// The worker that ran the first step is preferred for the others.
    pub(crate) sticky: bool,
    /// Its runs begin with a message.
    pub(crate) message: bool,
    pub(crate) repeat: Option<Repeat>,
    /// Its runs return their `n` and what these steps returned.
    pub(crate) result: Option<Vec<usize>>,
    pub(crate) steps: Vec<FlowStep>,
    groups: usize,
}

/// The workflows of a simulation, each with a second version, and what the server makes of them.
pub(crate) fn draw(chance: &mut Chance, count: usize, groups: usize) -> Vec<(Flow, Compiled)> {
    let mut flows = Vec::new();
    for number in 0..count {
        let max_runs = chance.percent(50).then(|| 1 + chance.below(3) as u32);
        let max_steps = chance.percent(40).then(|| 1 + chance.below(4) as u32);
        let hold_after = chance.percent(40).then(|| 1 + chance.below(3) as u32);
        // What clients make a run of may be the other version than the one that it follows then.
        let message = chance.percent(50);
        for _version in 0..2 {
            // What can never begin is refused.
            let drawn = (0..TRIES).find_map(|_| {
                let mut flow = Flow {
                    name: format!("f{number}"),
                    max_runs,
                    max_steps,
                    hold_after,
                    sticky: chance.percent(25),
                    message,
                    repeat: None,
                    result: None,
                    steps: Vec::new(),
                    groups,
                };
                flow.draw_steps(chance);
                flow.draw_end(chance);
                let compiled = compile(&flow.text()).ok()?;
                Some((flow, compiled))
            });
            flows.extend(drawn);
        }
    }
    flows
}

impl Flow {
    fn draw_steps(&mut self, chance: &mut Chance) {
        for number in 0..chance.between(1, STEPS) {
            let step = self.step(chance, number);
            self.steps.push(step);
        }
    }

    /// What becomes of runs that have succeeded.
    fn draw_end(&mut self, chance: &mut Chance) {
        let steps = (0..self.steps.len()).filter(|step| self.returns(*step));
        let returning: Vec<usize> = steps.collect();
        if chance.percent(40) {
            let mut reads: Vec<usize> = returning.clone();
            reads.retain(|_| chance.percent(40));
            self.result = Some(reads);
        }
        if chance.percent(30) {
            let until = match returning.is_empty() || chance.percent(60) {
                true => When::AtLeast(chance.between(2, 6)),
                false => {
                    let step = returning[chance.index(returning.len())];
                    When::Returned(step, chance.between(2, 4) as usize)
                }
            };
            let max = chance.between(1, REPEAT_MAX) as u32;
            self.repeat = Some(Repeat { until, max });
        }
    }

    /// Whether a step has something to return.
    fn returns(&self, step: usize) -> bool {
        !matches!(self.steps[step].deeds, Deeds::Nothing)
    }

    /// The same with more steps: for each number one that comes after others, and does something.
    pub(crate) fn extended(&self, chance: &mut Chance, numbers: &[u64]) -> Flow {
        let mut flow = self.clone();
        for number in numbers {
            let mut step = flow.step(chance, *number);
            if let Deeds::Nothing = step.deeds {
                step.deeds = Deeds::One(Work::draw(chance, *number, false));
            }
            step.added = Some(*number);
            flow.steps.push(step);
        }
        flow
    }

    /// One more step, whose work has that number.
    fn step(&self, chance: &mut Chance, number: u64) -> FlowStep {
        let before = &self.steps;
        let mut after: Vec<(usize, On)> = Vec::new();
        for _ in 0..chance.below(4) {
            let on = match chance.below(10) {
                0..6 => On::Success,
                6..8 => On::Failure,
                _ => On::Any,
            };
            let near = before.len().saturating_sub(4);
            if !before.is_empty() {
                let other = near + chance.index(before.len() - near);
                if after.iter().all(|(known, _)| *known != other) {
                    after.push((other, on));
                }
            }
        }
        let ancestors = ancestors(before, &after);
        let known = ancestors.iter().copied();
        let known: Vec<usize> = known.filter(|step| self.returns(*step)).collect();
        let source = |chance: &mut Chance| {
            let some = !known.is_empty() && chance.percent(60);
            some.then(|| known[chance.index(known.len())])
        };
        let work = Work::draw(chance, number, false);
        let deeds = match chance.below(10) {
            0..6 => Deeds::One(work),
            6..8 => Deeds::Nothing,
            _ => Deeds::Each(source(chance), work),
        };
        let when = chance.percent(25).then(|| match source(chance) {
            Some(step) => When::Returned(step, chance.between(1, 3) as usize),
            None => When::AtLeast(chance.below(4)),
        });
        let parallelism = chance.percent(50).then(|| 1 + chance.below(3) as u32);
        let works = !matches!(deeds, Deeds::Nothing);
        let alone = matches!(deeds, Deeds::One(_));
        let (may_read, may_alter) = self.message_is_free(&ancestors);
        FlowStep {
            after,
            any: chance.percent(30),
            when,
            deeds,
            allow_failure: chance.percent(20),
            parallelism: parallelism.filter(|_| matches!(deeds, Deeds::Each(..))),
            reads: source(chance).filter(|_| works),
            reads_message: chance.percent(50) && works && may_read,
            alters_message: chance.percent(40) && alone && may_alter,
            added: None,
            group: chance.index(self.groups),
            priority: chance.between(1, 9),
            max_attempts: chance.between(1, 3),
            delay: chance.percent(5),
        }
    }

    /// Whether a step after these may read the message, and alter it: nobody may alter it beside
    /// one who reads or alters it.
    fn message_is_free(&self, ancestors: &[usize]) -> (bool, bool) {
        let beside = |step: &(usize, &FlowStep)| !ancestors.contains(&step.0);
        let others = || self.steps.iter().enumerate().filter(beside);
        let altered = others().any(|(_, step)| step.alters_message);
        let read = others().any(|(_, step)| step.reads_message);
        (self.message && !altered, self.message && !altered && !read)
    }
}

/// All steps before one that comes after these.
fn ancestors(steps: &[FlowStep], after: &[(usize, On)]) -> Vec<usize> {
    let mut left: Vec<usize> = after.iter().map(|(step, _)| *step).collect();
    let mut all = Vec::new();
    while let Some(step) = left.pop() {
        if !all.contains(&step) {
            all.push(step);
            left.extend(steps[step].after.iter().map(|(step, _)| *step));
        }
    }
    all.sort_unstable();
    all
}

impl Flow {
    /// Whether what a step returns is asked for by another one, or at the end.
    pub(crate) fn is_read(&self, step: usize) -> bool {
        let by_condition =
            |when: Option<When>| matches!(when, Some(When::Returned(read, _)) if read == step);
        let by_step = self.steps.iter().any(|other| {
            let by_items = matches!(other.deeds, Deeds::Each(Some(read), _) if read == step);
            by_condition(other.when) || by_items || other.reads == Some(step)
        });
        let by_result = self
            .result
            .as_ref()
            .is_some_and(|reads| reads.contains(&step));
        by_step
            || by_result
            || by_condition(self.repeat.map(|repeat| repeat.until))
            || self.steps[step].alters_message
    }

    /// A step and all that come after it.
    pub(crate) fn descendants(&self, first: &[usize]) -> Vec<usize> {
        let mut reached: Vec<usize> = first.to_vec();
        let mut at = 0;
        while let Some(step) = reached.get(at).copied() {
            at += 1;
            let behind = self.steps.iter().enumerate();
            let behind = behind.filter(|(_, other)| other.after.iter().any(|(of, _)| *of == step));
            for (other, _) in behind {
                if !reached.contains(&other) {
                    reached.push(other);
                }
            }
        }
        reached.sort_unstable();
        reached
    }

    /// How long new runs wait after so many failed in a row, in microseconds.
    pub(crate) fn pause_after(&self, failures: u32) -> Option<u64> {
        let beyond = failures.checked_sub(self.hold_after?)?;
        let seconds = HOLD_SECONDS << beyond.min(10);
        Some(seconds.min(HOLD_SECONDS_MAX) * SECOND)
    }
}
