//! Graphs, and a driver that does for runs what the server's owner does.

use bytes::Bytes;
use capataz_engine::{
    Answer, Begin, Closing, Command, Due, Edge, Graph, Join, NewRun, NewTask, Node, NodeKind, On,
    Outcome, Policy, Reason, RunId, Settings, StartRun, Submission, Version, Which,
};
use prost::Message;

use super::driver::{Driver, spec};
use crate::workflow::RunBody;

/// A step of a graph: its name, what it comes after, and what it is.
pub(super) fn node(name: &str, after: &[(u32, On)], kind: NodeKind) -> Node {
    Node {
        name: name.to_owned(),
        after: after
            .iter()
            .map(|(step, on)| Edge {
                step: *step,
                on: *on,
            })
            .collect(),
        join: Join::All,
        kind,
        conditional: false,
        allow_failure: false,
        keeps_output: false,
        alters_message: false,
        parallelism: None,
    }
}

pub(super) fn version(steps: Vec<Node>) -> Version {
    let names: Vec<&str> = steps.iter().map(|node| node.name.as_str()).collect();
    let content = crate::convert::hash(names.join(" ").as_bytes());
    Version {
        content,
        settings: Settings::default(),
        graph: Graph { steps },
        definition: Bytes::from_static(b"{}"),
    }
}

/// `a`, then `b` and the fan-out `f` after it, `n` after both, `c` when `b` failed.
pub(super) fn forked() -> Version {
    version(vec![
        node("a", &[], NodeKind::Task),
        node("b", &[(0, On::Success)], NodeKind::Task),
        node("f", &[(0, On::Success)], NodeKind::FanOut),
        node("n", &[(1, On::Success), (2, On::Success)], NodeKind::Noop),
        node("c", &[(1, On::Failure)], NodeKind::Task),
    ])
}

impl Driver {
    pub(super) fn start_run(&mut self, workflow: &str, version: Version, tag: &str) -> RunId {
        let body = RunBody {
            tags: vec![tag.to_owned()],
            ..RunBody::default()
        };
        let run = NewRun {
            parameters: Bytes::from_static(b"{\"n\":1}"),
            message: Bytes::new(),
            body: body.write(),
            key: None,
            conflict: None,
            priority: 5,
            expected: Vec::new(),
            repetition: 0,
            previous: None,
        };
        let start = Command::StartRun(Box::new(StartRun {
            request: None,
            workflow: workflow.to_owned(),
            version: Which::Given(Box::new(version)),
            run,
            waits_for_conflict: true,
        }));
        let start = Command::By {
            actor: "ann".into(),
            command: Box::new(start),
        };
        match self.run(start) {
            Answer::Run(run) => run,
            other => panic!("expected a run, got {other:?}"),
        }
    }

    /// Does what runs wait for: each step becomes a task of group `g`, each fan-out three.
    pub(super) fn advance(&mut self) {
        while let Some(due) = self.state.next_due() {
            let command = match due {
                Due::Workflow(workflow) => Command::AdvanceWorkflow { workflow },
                Due::Run(run) => Command::AdvanceRun { run },
                Due::End(run) => Command::EndRun {
                    run,
                    closing: Ok(Closing::default()),
                },
                Due::Step {
                    run,
                    step,
                    elements,
                } => {
                    let context = self.state.run_context(run).expect("a live run");
                    let kind = context.version().graph.steps[step as usize].kind;
                    let begin = match (kind, elements) {
                        (_, Some((_, count))) => Begin::Elements(tasks(count as usize)),
                        (NodeKind::FanOut, None) => Begin::Fan {
                            count: 3,
                            items: Bytes::from_static(b"[1,2,3]"),
                        },
                        _ => Begin::Task(tasks(1)),
                    };
                    Command::BeginStep { run, step, begin }
                }
            };
            self.run(command);
        }
    }

    /// Runs what can be leased, with the outcome that `of` names for the step of each task.
    pub(super) fn work(&mut self, of: impl Fn(u32) -> Outcome) {
        self.advance();
        loop {
            self.dispatch_all();
            let leases = self.leases();
            if leases.is_empty() {
                return;
            }
            for lease in leases {
                let (_, step, _) = self.state.step_of(lease.0.task()).expect("a step");
                self.report(lease, of(step));
                self.advance();
            }
        }
    }
}

fn tasks(count: usize) -> Submission {
    let task = NewTask {
        group: 0,
        policy: 0,
        priority: 5,
        count: None,
        not_before: None,
        delay: None,
        expires_at: None,
        expires_in: None,
        dedup: None,
        affinity: Vec::new(),
        body: Bytes::from(spec("g").encode_to_vec()),
    };
    Submission {
        request: None,
        groups: vec!["g".into()],
        policies: vec![Policy::default()],
        tasks: vec![task; count],
    }
}

pub(super) fn failed() -> Outcome {
    Outcome::Failed {
        reason: Reason::Error,
        fatal: true,
    }
}
