//! Random workflows: small graphs whose every expression is simple enough to be worked out a
//! second time by hand, from the records alone.

use capataz_server::workflow::{Compiled, compile};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::clock::SECOND;
use crate::work::Work;

/// Steps of a workflow at the most.
const STEPS: u64 = 12;
/// Workflows that are drawn in vain before a simulation does without one.
const TRIES: usize = 20;

/// The first pause after failed runs; each further one is twice as long.
const HOLD_SECONDS: u64 = 2;
/// The longest of them.
const HOLD_SECONDS_MAX: u64 = 20;

/// How a step must have ended for the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Success,
    Failure,
    Any,
}

/// When a step that is ready runs at all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// The parameter `n` is at least so large.
    AtLeast(u64),
    /// That step has returned a list of at least so many.
    Returned(usize, usize),
}

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deeds {
    Nothing,
    One(Work),
    /// The same for each item of what a step returned, or of the parameter `list`.
    Each(Option<usize>, Work),
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct FlowStep {
    pub(crate) after: Vec<(usize, On)>,
    pub(crate) any: bool,
    pub(crate) when: Option<When>,
    pub(crate) deeds: Deeds,
    pub(crate) allow_failure: bool,
    pub(crate) parallelism: Option<u32>,
    /// It is told what that step returned first.
    pub(crate) reads: Option<usize>,
    group: usize,
    priority: u64,
    max_attempts: u64,
    delay: bool,
}

/// A workflow.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) name: String,
    pub(crate) max_runs: Option<u32>,
    pub(crate) max_steps: Option<u32>,
    /// New runs wait after so many runs in a row have failed.
    pub(crate) hold_after: Option<u32>,
    pub(crate) steps: Vec<FlowStep>,
}

/// The workflows of a simulation, each with a second version, and what the server makes of them.
pub(crate) fn draw(chance: &mut Chance, count: usize, groups: usize) -> Vec<(Flow, Compiled)> {
    let mut flows = Vec::new();
    for number in 0..count {
        let max_runs = chance.percent(50).then(|| 1 + chance.below(3) as u32);
        let max_steps = chance.percent(40).then(|| 1 + chance.below(4) as u32);
        let hold_after = chance.percent(40).then(|| 1 + chance.below(3) as u32);
        for _version in 0..2 {
            // What can never begin is refused.
            let drawn = (0..TRIES).find_map(|_| {
                let flow = Flow {
                    name: format!("f{number}"),
                    max_runs,
                    max_steps,
                    hold_after,
                    steps: steps(chance, groups),
                };
                let compiled = compile(&flow.text()).ok()?;
                Some((flow, compiled))
            });
            flows.extend(drawn);
        }
    }
    flows
}

fn steps(chance: &mut Chance, groups: usize) -> Vec<FlowStep> {
    let mut steps: Vec<FlowStep> = Vec::new();
    for number in 0..chance.between(1, STEPS) as usize {
        let step = step(chance, &steps, number, groups);
        steps.push(step);
    }
    steps
}

fn step(chance: &mut Chance, before: &[FlowStep], number: usize, groups: usize) -> FlowStep {
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
    let known: Vec<usize> = ancestors(before, &after)
        .into_iter()
        .filter(|step| matches!(before[*step].deeds, Deeds::One(_)))
        .collect();
    let source = |chance: &mut Chance| {
        let some = !known.is_empty() && chance.percent(60);
        some.then(|| known[chance.index(known.len())])
    };
    let work = Work::draw(chance, number as u64, false);
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
    FlowStep {
        after,
        any: chance.percent(30),
        when,
        deeds,
        allow_failure: chance.percent(20),
        parallelism: parallelism.filter(|_| matches!(deeds, Deeds::Each(..))),
        reads: source(chance).filter(|_| !matches!(deeds, Deeds::Nothing)),
        group: chance.index(groups),
        priority: chance.between(1, 9),
        max_attempts: chance.between(1, 3),
        delay: chance.percent(5),
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
    /// Whether what a step returns is asked for by another one.
    pub(crate) fn is_read(&self, step: usize) -> bool {
        self.steps.iter().any(|other| {
            let by_condition = matches!(other.when, Some(When::Returned(read, _)) if read == step);
            let by_items = matches!(other.deeds, Deeds::Each(Some(read), _) if read == step);
            by_condition || by_items || other.reads == Some(step)
        })
    }

    /// How long new runs wait after so many failed in a row, in microseconds.
    pub(crate) fn pause_after(&self, failures: u32) -> Option<u64> {
        let beyond = failures.checked_sub(self.hold_after?)?;
        let seconds = HOLD_SECONDS << beyond.min(10);
        Some(seconds.min(HOLD_SECONDS_MAX) * SECOND)
    }

    fn text(&self) -> String {
        let steps = self.steps.iter().enumerate();
        let steps: Vec<Value> = steps.map(|(number, step)| step.document(number)).collect();
        let mut document = json!({
            "name": self.name,
            "parameters": {
                "number": { "type": "integer" },
                "n": { "type": "integer" },
                "list": { "type": "list" },
            },
            "steps": steps,
        });
        if let Some(most) = self.max_runs {
            document["max_runs"] = json!(most);
        }
        if let Some(most) = self.max_steps {
            document["max_steps"] = json!(most);
        }
        if let Some(after) = self.hold_after {
            document["backoff"] = json!({
                "after": after,
                "initial": HOLD_SECONDS,
                "factor": 2,
                "max": HOLD_SECONDS_MAX,
            });
        }
        document.to_string()
    }
}

impl FlowStep {
    fn document(&self, number: usize) -> Value {
        let edge = |(step, on): &(usize, On)| {
            let on = match on {
                On::Success => "success",
                On::Failure => "failure",
                On::Any => "any",
            };
            json!({ "step": format!("s{step}"), "on": on })
        };
        let mut document = json!({
            "id": format!("s{number}"),
            "after": self.after.iter().map(edge).collect::<Vec<Value>>(),
            "join": if self.any { "any" } else { "all" },
            "allow_failure": self.allow_failure,
        });
        match self.when {
            None => {}
            Some(When::AtLeast(least)) => document["when"] = json!(format!("params.n >= {least}")),
            Some(When::Returned(step, least)) => {
                document["when"] = json!(format!(
                    "'s{step}' in outputs && size(outputs.s{step}) >= {least}"
                ));
            }
        }
        let work = match self.deeds {
            Deeds::Nothing => {
                document["noop"] = json!(true);
                return document;
            }
            Deeds::One(work) => work,
            Deeds::Each(source, work) => {
                document["for_each"] = json!(match source {
                    None => "params.list".to_owned(),
                    Some(step) => format!("'s{step}' in outputs ? outputs.s{step} : params.list"),
                });
                document["env"]["ITEM"] = json!("${item}");
                work
            }
        };
        if let Some(step) = self.reads {
            document["env"]["READ"] = json!(format!(
                "${{'s{step}' in outputs ? outputs.s{step}[0] : 'nothing'}}"
            ));
        }
        if let Some(most) = self.parallelism {
            document["parallelism"] = json!(most);
        }
        if self.delay {
            document["delay"] = json!(2);
        }
        document["payload"] = json!(String::from_utf8_lossy(&work.payload()));
        document["group"] = json!(format!("g{}", self.group));
        document["priority"] = json!(self.priority);
        document["max_attempts"] = json!(self.max_attempts);
        document
    }
}
