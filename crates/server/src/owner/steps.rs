//! Works out what steps of runs are to do: conditions, lists and templates of what the engine says
//! is ready. It reads the state and asks the engine; what comes of it is decided there.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use capataz_api::limits::{AFFINITY_KEYS, PAYLOAD_BYTES};
use capataz_api::proto;
use capataz_api::spec::parse_task;
use capataz_engine::{Begin, Closing, Command, Due, NewRun, RunContext, RunId};
use capataz_workflow::{EvaluationError, Inputs, Output, Place, Scope, Workflow};
use prost::Message;
use serde_json::Value;

use super::Owner;
use crate::convert;
use crate::workflow::{RunBody, Wishes, compiled, new_run};

/// Things done about runs in one turn: a turn is one sync, and callers wait for it.
const TURN_STEPS: usize = 1_024;
/// Bytes of task specs after which no further element is started at once: one record holds them.
const ELEMENT_BYTES: usize = 1 << 20;
/// Bytes of the items of a fan-out, as JSON: they are one record, and are held in memory.
const ITEMS_BYTES: usize = 4 << 20;

/// What the owner keeps at hand to work steps out. All of it can be made again.
#[derive(Default)]
pub(super) struct StepWork {
    /// The items of the fan-out that was worked on last.
    items: Option<OpenFan>,
}

/// The parsed items of a step of a run.
type OpenFan = ((RunId, u32), Arc<Vec<Value>>);

impl Owner {
    /// Does what runs wait for, until nothing is due or the turn is full.
    pub(super) fn advance_runs(&mut self) {
        for _ in 0..TURN_STEPS {
            if self.is_turn_full() || !self.has_work_on_runs() {
                return;
            }
            let Some(command) = self.state.next_due().and_then(|due| self.work_out(due)) else {
                return;
            };
            if let Err(rejection) = self.run(command) {
                // The engine asked for it a moment ago.
                tracing::error!(%rejection, "a run does not go on");
                return;
            }
        }
    }

    /// Whether something about runs is to be done, and may be: new tasks need room.
    pub(super) fn has_work_on_runs(&self) -> bool {
        let room = self.journal_room && self.store_room && self.lag <= self.options.lag_max;
        room && self.state.next_due().is_some()
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
    fn begin(&mut self, context: &RunContext<'_>, step: u32) -> Result<Begin, String> {
        let workflow = workflow_of(context)?;
        let scope = RunScope::new(context)?;
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
            return Ok(Begin::Task(convert::step_tasks(vec![
                task.spec(&inputs, None)?,
            ])));
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
        let scope = RunScope::new(context)?;
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

    fn close(&self, context: &RunContext<'_>) -> Result<Closing, String> {
        let workflow = workflow_of(context)?;
        let scope = RunScope::new(context)?;
        let result = workflow.result(&scope).map_err(told)?;
        let result = result.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
        let successor = successor(&workflow, context, &scope)?;
        Ok(Closing {
            result,
            successor: successor.map(Box::new),
        })
    }
}

/// What an evaluation failed with. The text that a place would refer to is not what its author
/// wrote any more.
fn told(error: EvaluationError) -> String {
    let place = Place::default();
    EvaluationError { place, ..error }.to_string()
}

/// The run that repeats one that has succeeded, if one is to.
fn successor(
    workflow: &Workflow,
    context: &RunContext<'_>,
    scope: &RunScope<'_>,
) -> Result<Option<NewRun>, String> {
    let done = workflow.repeat_until(scope).map_err(told)?;
    let most = workflow.repeat_max().unwrap_or(1);
    if done.unwrap_or(true) || context.repetition().saturating_add(1) >= most {
        return Ok(None);
    }
    let given = workflow.repeat_params(scope).map_err(told)?;
    let body = RunBody::read(context.body());
    let wishes = Wishes {
        tags: body.tags,
        message: body.message,
        priority: Some(context.priority()),
        expected: context.expected().to_vec(),
        repeats: Some((context.id(), context.repetition() + 1)),
        ..Wishes::default()
    };
    let new = new_run(workflow, &given, wishes).map_err(|error| error.to_string())?;
    Ok(Some(new))
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
        let document = inputs.task(item).map_err(told)?;
        let text = document.to_string();
        let mut spec = parse_task(text.as_bytes(), PAYLOAD_BYTES).map_err(|e| e.to_string())?;
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
    parameters: Value,
}

impl<'a> RunScope<'a> {
    fn new(context: &'a RunContext<'a>) -> Result<RunScope<'a>, String> {
        let parameters = serde_json::from_slice(context.parameters());
        let parameters = parameters.map_err(|error| format!("parameters: {error}"))?;
        Ok(RunScope {
            context,
            id: context.id().to_string(),
            parameters,
        })
    }
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
