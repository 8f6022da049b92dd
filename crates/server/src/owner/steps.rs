//! Works out what steps of runs are to do: conditions, lists and templates of what the engine says
//! is ready. It reads the state and asks the engine; what comes of it is decided there.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capataz_api::limits::AFFINITY_KEYS;
use capataz_api::proto;
use capataz_engine::planted::{Bug, planted};
use capataz_engine::{Begin, Closing, Command, Due, NewRun, RunContext, RunId};
use capataz_workflow::{EvaluationError, Inputs, Output, Place, Scope, TaskError, Workflow};
use prost::Message;
use serde_json::Value;

use super::Owner;
use crate::convert;
use crate::workflow::{RunBody, Wishes, compiled, conflict_key, new_run};

/// Things done about runs in one turn: a turn is one sync, and callers wait for it.
const TURN_STEPS: usize = 1_024;
/// Bytes of task specs after which no further element is started at once: one record holds them.
const ELEMENT_BYTES: usize = 1 << 20;
/// Bytes of the items of a fan-out, as JSON: they are one record, and are held in memory.
const ITEMS_BYTES: usize = 4 << 20;

/// How long what could not be done about a run is left alone, unless something else is to be done
/// first. It waits for the ends of other tasks, of which there are a hundred million then, and each
/// try works out up to a thousand elements: ten tries a second cost little and hold nobody up.
pub(super) const RETRY: Duration = Duration::from_millis(100);

/// What the owner keeps at hand to work steps out. All of it can be made again.
#[derive(Default)]
pub(super) struct StepWork {
    /// The items of the fan-out that was worked on last.
    items: Option<OpenFan>,
    /// The parsed parameters of the run that was worked on last: they never change.
    parameters: Option<(RunId, Arc<Value>)>,
    /// What could not be done, and when it is tried again, in monotonic time.
    pub(super) refused: Option<(Due, Duration)>,
}

/// The parsed items of a step of a run.
type OpenFan = ((RunId, u32), Arc<Vec<Value>>);

impl Owner {
    /// Does what runs wait for, until nothing is due or the turn is full.
    pub(super) fn advance_runs(&mut self) {
        for _ in 0..TURN_STEPS {
            let Some(due) = self.due().filter(|_| !self.is_turn_full()) else {
                return;
            };
            if !self.advance(due) {
                self.steps.refused = Some((due, self.now.mono + RETRY));
                return;
            }
        }
    }

    /// When something is to be done about runs although there is no input, in monotonic time.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match self.due() {
            Some(_) => Some(self.now.mono),
            None => {
                let until = self.steps.waits_until(self.state.next_due()?);
                // Over already, it lacks room, and that is told.
                until.filter(|until| *until > self.now.mono)
            }
        }
    }

    /// What is to be done about runs, and may be. New tasks need room, decisions make some; and
    /// what was refused a moment ago waits, but nothing waits for it.
    fn due(&self) -> Option<Due> {
        let room = self.journal_room && self.store_room && self.lag <= self.options.lag_max;
        let may_be = |due: &Due| self.steps.waits_until(*due) <= Some(self.now.mono);
        let due = self.state.next_due().filter(|_| room).filter(may_be);
        due.or_else(|| self.state.next_decision().filter(may_be))
    }

    /// Says whether something has come of it.
    pub(super) fn advance(&mut self, due: Due) -> bool {
        let Some(command) = self.work_out(due) else {
            return false;
        };
        let before = self.event_count();
        if let Err(rejection) = self.run(command) {
            // The engine asked for it a moment ago, so this is no usual refusal but lack of room.
            tracing::error!(%rejection, "a run does not go on");
        }
        self.event_count() > before
    }

    fn work_out(&mut self, due: Due) -> Option<Command> {
        let Owner { state, steps, .. } = self;
        match due {
            Due::Workflow(workflow) => Some(Command::AdvanceWorkflow { workflow }),
            Due::Run(run) => Some(Command::AdvanceRun { run }),
            Due::Step {
                run,
                step,
                elements,
            } => {
                let context = state.run_context(run)?;
                let begin = match elements {
                    None => steps.begin(&context, step),
                    Some((from, count)) => steps.elements(&context, step, from, count),
                };
                let begin = begin.unwrap_or_else(Begin::Broken);
                Some(Command::BeginStep { run, step, begin })
            }
            Due::End(run) => {
                let closing = steps.close(&state.run_context(run)?);
                Some(Command::EndRun { run, closing })
            }
        }
    }
}

impl StepWork {
    /// Until when something is left alone that could not be done.
    fn waits_until(&self, due: Due) -> Option<Duration> {
        let refused = self.refused.filter(|(refused, _)| *refused == due);
        refused.map(|(_, until)| until)
    }

    fn begin(&mut self, context: &RunContext<'_>, step: u32) -> Result<Begin, String> {
        let workflow = workflow_of(context)?;
        let scope = self.scope(context)?;
        let inputs = workflow.inputs(step as usize, &scope);
        if !inputs.when().map_err(told)? {
            return Ok(Begin::Skip);
        }
        let node = &workflow.steps()[step as usize];
        if node.kind == capataz_workflow::Kind::Noop {
            return Ok(Begin::Noop);
        }
        if !node.has_for_each {
            let task = StepTask {
                workflow: &workflow,
                context,
                step,
            };
            return Ok(Begin::Task(convert::step_task(task.spec(&inputs, None)?)));
        }
        let items = inputs.items().map_err(told)?;
        let json = serde_json::to_vec(&items).map_err(|error| error.to_string())?;
        if json.len() > ITEMS_BYTES {
            let got = json.len();
            return Err(format!(
                "for_each gives {got} bytes of JSON; at most {ITEMS_BYTES} are taken"
            ));
        }
        let count = items.len() as u32;
        self.items = Some(((context.id(), step), Arc::new(items)));
        let items = Bytes::from(json);
        Ok(Begin::Fan { count, items })
    }

    fn elements(
        &mut self,
        context: &RunContext<'_>,
        step: u32,
        from: u32,
        count: u32,
    ) -> Result<Begin, String> {
        let items = self.items(context, step)?;
        let workflow = workflow_of(context)?;
        let scope = self.scope(context)?;
        let inputs = workflow.inputs(step as usize, &scope);
        let task = StepTask {
            workflow: &workflow,
            context,
            step,
        };
        let (mut specs, mut bytes) = (Vec::new(), 0);
        for index in from..from.saturating_add(count) {
            let Some(item) = items.get(index as usize).filter(|_| bytes < ELEMENT_BYTES) else {
                break;
            };
            let spec = task.spec(&inputs, Some((index, item)));
            let spec = spec.map_err(|why| format!("element {index}: {why}"))?;
            bytes += spec.encoded_len();
            specs.push(spec);
        }
        Ok(Begin::Elements(convert::step_tasks(specs)))
    }

    /// What the expressions of a run see.
    fn scope<'a>(&mut self, context: &'a RunContext<'a>) -> Result<RunScope<'a>, String> {
        let parameters = match &self.parameters {
            Some((run, parameters)) if *run == context.id() => Arc::clone(parameters),
            _ => {
                let read = serde_json::from_slice(context.parameters());
                let read = Arc::new(read.map_err(|error| format!("parameters: {error}"))?);
                self.parameters = Some((context.id(), Arc::clone(&read)));
                read
            }
        };
        Ok(RunScope {
            context,
            id: context.id().to_string(),
            parameters,
        })
    }

    /// The items of an open fan-out.
    fn items(&mut self, context: &RunContext<'_>, step: u32) -> Result<Arc<Vec<Value>>, String> {
        let wanted = (context.id(), step);
        if let Some((known, items)) = &self.items
            && *known == wanted
        {
            return Ok(Arc::clone(items));
        }
        let json = context.items(step).cloned().unwrap_or_default();
        let items: Vec<Value> = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
        let items = Arc::new(items);
        self.items = Some((wanted, Arc::clone(&items)));
        Ok(items)
    }

    fn close(&mut self, context: &RunContext<'_>) -> Result<Closing, String> {
        let workflow = workflow_of(context)?;
        let scope = self.scope(context)?;
        let result = workflow.result(&scope).map_err(told)?;
        let result = result.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
        let (successor, note) = successor(&workflow, context, &scope)?;
        Ok(Closing {
            result,
            successor: successor.map(Box::new),
            note,
        })
    }
}

/// What an evaluation failed with. The text that a place would refer to is not what its author
/// wrote any more.
fn told(error: EvaluationError) -> String {
    let place = Place::default();
    EvaluationError { place, ..error }.to_string()
}

/// The run that repeats one that has succeeded, if one is to; or what there is to say about that none
/// does.
fn successor(
    workflow: &Workflow,
    context: &RunContext<'_>,
    scope: &RunScope<'_>,
) -> Result<(Option<NewRun>, String), String> {
    let done = workflow.repeat_until(scope).map_err(told)?;
    let most = workflow.repeat_max().unwrap_or(1);
    let is_last = context.repetition().saturating_add(1) >= most;
    if done.unwrap_or(true) {
        return Ok((None, String::new()));
    }
    if is_last && !planted(Bug::RepeatedWithoutEnd) {
        let note =
            format!("not repeated: it is run {most} of at most {most}, and `until` is false");
        return Ok((None, note));
    }
    let given = workflow.repeat_params(scope).map_err(told)?;
    // A key that the caller gave goes on with it; the workflow's own may follow from parameters.
    let own = conflict_key(workflow, scope.params()).map_err(told)?;
    let conflict = context.conflict().filter(|key| own.as_deref() != Some(key));
    let body = RunBody::read(context.body());
    let wishes = Wishes {
        tags: body.tags,
        message: body.message,
        priority: Some(context.priority()),
        conflict: conflict.map(str::to_owned),
        expected: context.expected().to_vec(),
        repeats: Some((context.id(), context.repetition() + 1)),
        ..Wishes::default()
    };
    let new = new_run(workflow, &given, wishes).map_err(|error| error.to_string())?;
    Ok((Some(new), String::new()))
}

fn workflow_of(context: &RunContext<'_>) -> Result<Arc<Workflow>, String> {
    let compiled = compiled(context.version());
    compiled.map_err(|refusal| format!("the run's definition cannot be read: {refusal}"))
}

/// A step whose task is rendered.
struct StepTask<'a> {
    workflow: &'a Workflow,
    context: &'a RunContext<'a>,
    step: u32,
}

impl StepTask<'_> {
    fn spec(
        &self,
        inputs: &Inputs<'_>,
        item: Option<(u32, &Value)>,
    ) -> Result<proto::TaskSpec, String> {
        let spec = inputs.spec(item);
        let mut spec = spec.map_err(|error| match error {
            TaskError::Evaluation(error) => told(error),
            TaskError::Spec(error) => error.to_string(),
        })?;
        let node = &self.workflow.steps()[self.step as usize];
        spec.priority.get_or_insert(node.priority);
        let run = self.context.id().to_string();
        if self.workflow.is_sticky() && spec.affinity.len() < AFFINITY_KEYS {
            spec.affinity.push(format!("run={run}"));
        }
        let mut own = vec![("CAPATAZ_RUN", run), ("CAPATAZ_STEP", node.id.clone())];
        own.extend(item.map(|(index, _)| ("CAPATAZ_ELEMENT", index.to_string())));
        spec.env
            .extend(own.into_iter().map(|(name, value)| proto::Variable {
                name: name.to_owned(),
                value,
            }));
        Ok(spec)
    }
}

/// A live run, as its expressions see it.
pub(crate) struct RunScope<'a> {
    context: &'a RunContext<'a>,
    id: String,
    parameters: Arc<Value>,
}

impl Scope for RunScope<'_> {
    fn run_id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u64 {
        self.context.version_number().into()
    }

    fn params(&self) -> &Value {
        &self.parameters
    }

    fn output(&self, step: usize) -> Output<'_> {
        let step = step as u32;
        if let Some(elements) = self.context.element_outputs(step) {
            let of = |value: Bytes| (!value.is_empty()).then(|| Cow::Owned(value.to_vec()));
            return Output::Elements(elements.into_iter().map(of).collect());
        }
        match self.context.output(step) {
            Some(value) => Output::One(Cow::Borrowed(value)),
            None => Output::None,
        }
    }

    fn state(&self, step: usize) -> &str {
        self.context.step_state(step as u32)
    }

    fn message(&self) -> Option<Cow<'_, [u8]>> {
        let message = self.context.message();
        (!message.is_empty()).then_some(Cow::Borrowed(&message[..]))
    }
}
