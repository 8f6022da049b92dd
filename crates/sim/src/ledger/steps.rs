//! Steps start when what they wait for is on record, and are decided once in each round.

use capataz_api::proto;
use capataz_engine::{Accepted, Change, Event, Key, Phase, StepOutcome, StepReason, TaskId};
use prost::Message;
use serde_json::Value;

use super::facts::TaskFacts;
use super::returns::text;
use super::{Check, Ledger};
use crate::covered::Covered;
use crate::flow::Deeds;
use crate::work::Work;

impl Ledger {
    pub(super) fn fold_step(&mut self, event: &Event) -> Check {
        match &event.change {
            Change::FanOpened {
                run,
                step,
                count,
                items,
            } => {
                let items: Vec<Value> =
                    serde_json::from_slice(items).map_err(|error| error.to_string())?;
                self.fan_opened(run.0, *step as usize, *count, items)
            }
            Change::StepStarted {
                run,
                step,
                element,
                first,
                tasks,
                ..
            } => {
                let place = (run.0, *step as usize, *element);
                self.step_started(event.at.0, place, first.0, tasks)
            }
            Change::StepReturned {
                run,
                step,
                element,
                value,
            } => {
                let value = serde_json::from_slice(value).map_err(|error| error.to_string())?;
                self.returning = Some((run.0, *step as usize, *element, value));
                Ok(())
            }
            Change::StepDecided {
                run, step, outcome, ..
            } => self.step_decided(run.0, *step as usize, *outcome),
            _ => Ok(()),
        }
    }

    /// Whether a step may do something now that starts something.
    fn check_start(&mut self, run: u64, step: usize) -> Check {
        let run = self.live_run(run)?;
        if !run.goes_on() {
            return Err(format!(
                "a step starts in a run that does not go on: began {}, paused {}, cancelled {}",
                run.began, run.paused, run.cancelled
            ));
        }
        if run.steps[step].decided.is_some() {
            return Err("a step that is over starts".to_owned());
        }
        // A fan-out that is open goes on, whatever runs once more meanwhile.
        if run.steps[step].items.is_none() && !run.may_start(step) {
            let (step, steps) = (&run.flow.steps[step], &run.steps);
            return Err(format!("it starts too early: {step:?} after {steps:?}"));
        }
        Ok(())
    }

    fn fan_opened(&mut self, id: u64, step: usize, count: u32, items: Vec<Value>) -> Check {
        self.check_start(id, step)?;
        let run = self.live_run(id)?;
        let Deeds::Each(source, _) = run.flow.steps[step].deeds else {
            return Err("a step is opened that is no fan-out".to_owned());
        };
        if run.steps[step].items.is_some() || !run.wants_to_run(step) {
            return Err("a fan-out is opened twice, or against its condition".to_owned());
        }
        let expected = run.items(source);
        if items != expected || count as usize != items.len() {
            return Err(format!("its items are {expected:?}"));
        }
        run.steps[step].items = Some(items);
        self.cover(Covered::FanOuts);
        Ok(())
    }

    fn step_started(
        &mut self,
        at: u64,
        (id, step, element): (u64, usize, Option<u32>),
        first: u64,
        tasks: &[Accepted],
    ) -> Check {
        if first != self.next_task.max(1) {
            return Err(format!("ids go from {} to {first}", self.next_task));
        }
        self.next_task = first + tasks.len() as u64;
        self.check_start(id, step)?;
        let run = self.live_run(id)?;
        let (plan, facts) = (run.flow.steps[step].clone(), &run.steps[step]);
        let fits = match (&facts.items, element) {
            (None, None) => facts.started == 0 && tasks.len() == 1 && run.wants_to_run(step),
            (Some(items), Some(from)) => {
                from == facts.started && from as usize + tasks.len() <= items.len()
            }
            _ => false,
        };
        if !fits {
            return Err(format!("its tasks are not those to start: {facts:?}"));
        }
        let together = facts.live.len() + tasks.len();
        if plan
            .parallelism
            .is_some_and(|most| together > most as usize)
        {
            return Err(format!("{together} elements at once: {plan:?}"));
        }
        for (offset, accepted) in tasks.iter().enumerate() {
            let element = element.map(|from| from + offset as u32);
            let body = &accepted.task.body;
            let spec = proto::TaskSpec::decode(body.clone()).map_err(|error| error.to_string())?;
            self.check_spec((id, step, element), &spec)?;
            let mut facts = TaskFacts::new(at, &spec, body.clone(), accepted.group.0, None);
            facts.step = Some((id, step, element));
            facts.sticky = self.live_run(id)?.flow.sticky;
            let waits = facts.not_before.is_none_or(|time| time <= at);
            let task = TaskId(first + offset as u64);
            self.tasks.insert(task.0, facts);
            self.live += 1;
            let facts = &mut self.live_run(id)?.steps[step];
            facts.started += 1;
            facts.live.insert(task.0);
            if waits {
                self.waits(task.key());
            }
        }
        self.check_max_steps(id)
    }

    /// The tasks of all runs of a workflow stay within its bound.
    fn check_max_steps(&mut self, id: u64) -> Check {
        let workflow = self.live_run(id)?.workflow;
        let of_it = self.runs.values().filter(|run| run.workflow == workflow);
        let steps = of_it.flat_map(|run| &run.steps);
        let tasks: usize = steps.map(|step| step.live.len()).sum();
        match self.bounds(workflow).and_then(|flow| flow.max_steps) {
            Some(most) if tasks > most as usize => Err(format!("{tasks} tasks, of {most}")),
            _ => Ok(()),
        }
    }

    /// A step's task is what its workflow says, with what other steps have returned.
    fn check_spec(
        &mut self,
        (id, step, element): (u64, usize, Option<u32>),
        spec: &proto::TaskSpec,
    ) -> Check {
        let run = self.live_run(id)?;
        let plan = &run.flow.steps[step];
        let (Deeds::One(work) | Deeds::Each(_, work)) = plan.deeds else {
            return Err("a step without a task has one".to_owned());
        };
        let mut expected = vec![
            ("CAPATAZ_RUN", format!("r{id}")),
            ("CAPATAZ_STEP", format!("s{step}")),
        ];
        let mut covered = Vec::new();
        if let Some(read) = plan.reads {
            let returned = run.output(read);
            covered.extend(returned.is_some().then_some(Covered::OutputsTold));
            if let (Some(Value::Array(list)), Deeds::Each(..)) =
                (&returned, run.flow.steps[read].deeds)
            {
                covered.extend((!list.is_empty()).then_some(Covered::FanOutsTold));
                covered.extend(list.contains(&Value::Null).then_some(Covered::GapsTold));
            }
            let told = returned.as_ref().map(text);
            expected.push(("READ", told.unwrap_or_else(|| "nothing".to_owned())));
        }
        if plan.reads_message {
            expected.push(("MESSAGE", text(&run.message)));
            covered.extend(run.message.is_array().then_some(Covered::MessagesTold));
        }
        if let Some(element) = element {
            expected.push(("CAPATAZ_ELEMENT", element.to_string()));
            let items = run.steps[step].items.as_ref();
            let item = items.and_then(|items| items.get(element as usize));
            expected.push(("ITEM", item.map(text).unwrap_or_default()));
        }
        let has = |name: &str, value: &str| {
            let mut known = spec.env.iter();
            known.any(|variable| variable.name == name && variable.value == value)
        };
        let missing = expected.iter().find(|(name, value)| !has(name, value));
        if let Some(missing) = missing {
            return Err(format!("it is not told {missing:?}: {spec:?}"));
        }
        let home = run.flow.sticky.then(|| format!("run=r{id}"));
        if !spec.affinity.iter().eq(home.iter()) {
            return Err(format!("it prefers {home:?}: {spec:?}"));
        }
        covered.into_iter().for_each(|kind| self.cover(kind));
        match spec.payload.as_deref().and_then(Work::parse) == Some(work) {
            true => Ok(()),
            false => Err(format!("it is not {work:?}: {spec:?}")),
        }
    }

    fn step_decided(&mut self, id: u64, step: usize, outcome: StepOutcome) -> Check {
        self.ends += 1;
        let run = self.live_run(id)?;
        let (plan, facts) = (&run.flow.steps[step], &run.steps[step]);
        if facts.decided.is_some() {
            return Err("a step is decided twice".to_owned());
        }
        let untouched = facts.started == 0 && facts.items.is_none();
        let all = match (&facts.items, plan.deeds) {
            (Some(items), _) => facts.started as usize == items.len(),
            (None, Deeds::One(_)) => facts.started == 1,
            (None, _) => false,
        };
        let starts = run.goes_on() && run.may_start(step);
        let fits = match (outcome.phase, outcome.reason) {
            (Phase::Skipped, StepReason::Upstream(_)) => untouched && run.cannot_start(step),
            (Phase::Skipped, StepReason::Condition) => {
                untouched && starts && !run.wants_to_run(step)
            }
            (Phase::Cancelled, StepReason::RunCancelled) => run.cancelled,
            (Phase::Failed, StepReason::Elements(bad)) => all && bad == facts.bad && bad > 0,
            (Phase::Succeeded, StepReason::Task(_)) => match plan.deeds {
                Deeds::Nothing => untouched && starts && run.wants_to_run(step),
                Deeds::One(_) => all && facts.ended == Some(Phase::Succeeded),
                Deeds::Each(..) => all && facts.bad == 0,
            },
            (phase, StepReason::Task(_)) => {
                matches!(plan.deeds, Deeds::One(_)) && all && facts.ended == Some(phase)
            }
            // Every expression here can be worked out.
            _ => false,
        };
        if !fits || !facts.live.is_empty() {
            return Err(format!("it does not end so: {facts:?} of {plan:?}"));
        }
        let alters = plan.alters_message && outcome.phase == Phase::Succeeded;
        if let Some(message) = run.output(step).filter(|_| alters) {
            run.message = message;
        }
        run.steps[step].decided = Some(outcome);
        self.cover(Covered::Steps);
        if alters {
            self.cover(Covered::MessagesAltered);
        }
        Ok(())
    }

    /// A task has ended for good, maybe that of a step.
    pub(super) fn step_task_over(&mut self, key: Key, phase: Phase) -> Check {
        let task = self.tasks.get(&key.task().0);
        let Some((run, step, _)) = task.and_then(|task| task.step) else {
            return Ok(());
        };
        let facts = &mut self.live_run(run)?.steps[step];
        if !facts.live.remove(&key.task().0) {
            return Err("the task of a step ends in another round".to_owned());
        }
        facts.ended = Some(phase);
        facts.bad += u32::from(phase != Phase::Succeeded);
        Ok(())
    }

    /// No attempt starts in a run that is held back or being cancelled. A step that prefers the
    /// worker of those before it runs elsewhere when that is not there.
    pub(super) fn check_run_of(&mut self, key: Key, worker: u32) -> Check {
        let task = self.tasks.get(&key.task().0);
        let Some((id, ..)) = task.and_then(|task| task.step) else {
            return Ok(());
        };
        let sticky = task.is_some_and(|task| task.sticky);
        let run = self.live_run(id)?;
        if !run.goes_on() {
            return Err("an attempt starts in a run that does not go on".to_owned());
        }
        if !sticky {
            return Ok(());
        }
        let home = run.home.replace(run.home.unwrap_or(worker));
        let is_there = |session: &u32| {
            let session = self.workers.get(session);
            session.is_some_and(|session| session.attached)
        };
        match home {
            Some(home) if home == worker => self.cover(Covered::StickyAtHome),
            Some(home) if !is_there(&home) => self.cover(Covered::StickyElsewhere),
            _ => {}
        }
        if let Some(session) = self.workers.get_mut(&worker) {
            session.runs.insert(id);
        }
        Ok(())
    }
}
