//! What the owner of a state does about runs: it asks what is due and does that.

use bytes::Bytes;
use capataz_engine::{Attempt, Begin, Closing, Command, Due, Key, NewRun, NodeKind, RunId};

use super::graph::Sketch;
use super::stage::Stage;

/// More than a story's runs can have to do: an engine that asks for ever is found out.
const MOST_DUE: u32 = 10_000;

impl Stage {
    /// Works until nothing is due. The conditions of the steps named say no.
    pub(super) fn steps(&mut self, without: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..MOST_DUE {
            match self.one_step(without) {
                Some(shown) => lines.extend(shown),
                None => return lines,
            }
        }
        panic!("there is no end to what is due");
    }

    /// Does the next thing that is due.
    pub(super) fn one_step(&mut self, without: &[String]) -> Option<Vec<String>> {
        let due = self.witness.state.next_due()?;
        let (said, shown) = self.carry_out(self.what_is_due(due, without));
        assert_eq!(said, None, "{due:?} is not to be refused");
        assert!(!shown.is_empty(), "{due:?} brings nothing about");
        Some(shown)
    }

    fn what_is_due(&self, due: Due, without: &[String]) -> Command {
        match due {
            Due::Workflow(workflow) => Command::AdvanceWorkflow { workflow },
            Due::Run(run) => Command::AdvanceRun { run },
            Due::End(run) => Command::EndRun {
                run,
                closing: Ok(Closing {
                    result: Bytes::new(),
                    successor: self.successor(run).map(Box::new),
                    note: String::new(),
                }),
            },
            Due::Step {
                run,
                step,
                elements,
            } => Command::BeginStep {
                run,
                step,
                begin: self.begin(run, step, elements, without),
            },
        }
    }

    /// What a step is to do, as the line of its workflow says.
    fn begin(
        &self,
        run: RunId,
        step: u32,
        elements: Option<(u32, u32)>,
        without: &[String],
    ) -> Begin {
        let sketch = self.sketch(run).expect("what is due lives");
        let step = &sketch.steps[step as usize];
        let node = &sketch.graph().steps[sketch.find(step.name())];
        if let Some((from, count)) = elements {
            return match step.breaks(from + count - 1) {
                true => Begin::Broken("no such field".to_owned()),
                false => Begin::Elements(step.tasks(count)),
            };
        }
        if node.conditional && without.contains(&node.name) {
            return Begin::Skip;
        }
        match node.kind {
            _ if step.breaks(0) => Begin::Broken("no such field".to_owned()),
            NodeKind::Noop => Begin::Noop,
            NodeKind::Task => Begin::Task(step.tasks(1)),
            NodeKind::FanOut => Begin::Fan {
                count: step.items(),
                items: Bytes::from_static(b"[]"),
            },
        }
    }

    /// The workflow of a run that lives.
    pub(super) fn sketch(&self, run: RunId) -> Option<Sketch> {
        let context = self.witness.state.run_context(run)?;
        let text = std::str::from_utf8(&context.version().definition);
        Some(Sketch::parse(text.expect("a line of a story")))
    }

    /// A run of `etl repeats=2` is followed by two more.
    fn successor(&self, run: RunId) -> Option<NewRun> {
        let context = self.witness.state.run_context(run)?;
        let repeats = self.repeats.get(context.workflow()).copied().unwrap_or(0);
        (context.repetition() < repeats).then(|| NewRun {
            parameters: context.parameters().clone(),
            message: context.message().clone(),
            body: Bytes::new(),
            key: None,
            conflict: context.conflict().map(str::to_owned),
            priority: context.priority(),
            expected: context.expected().to_vec(),
            repetition: context.repetition() + 1,
            previous: Some(run),
        })
    }

    /// Steps and leases, until there are no more of either.
    pub(super) fn go(&mut self, without: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let steps = self.steps(without);
            let leases = self.dispatch();
            if steps.is_empty() && leases.is_empty() {
                return lines;
            }
            lines.extend(steps);
            lines.extend(leases);
        }
    }

    /// The live task of a step, or of an element such as `f.2`.
    pub(super) fn task_of(&self, step: &str, run: &str) -> Key {
        let key = self.names.task_of(run_id(run), step);
        key.unwrap_or_else(|| panic!("{step} of {run} has no task"))
    }

    /// The attempt of a step that runs.
    pub(super) fn attempt_of(&self, step: &str, run: &str) -> (Key, Attempt) {
        let key = self.task_of(step, run);
        let mut leases = self.witness.state.lease_tokens();
        let lease = leases.find(|(leased, ..)| *leased == key);
        let (key, attempt, _) = lease.unwrap_or_else(|| panic!("{step} of {run} does not run"));
        (key, attempt)
    }
}

pub(super) fn run_id(text: &str) -> RunId {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}
