//! A namespace without a server: the engine, and the batches that a store would get of it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use capataz_api::proto::TaskSpec;
use capataz_api::spec;
use capataz_engine::{
    Attempt, Begin, Change, Closing, Command, Due, Edge, Event, Graph, Hello, Join, Key, NewRun,
    NewTask, Node, NodeKind, On, Outcome, Policy, Report, Settings, Span, StartRun, State,
    Submission, Timestamp, Usage, Version, Which, apply, decide, limits,
};
use capataz_journal::Position;
use capataz_server::store::Batch;

/// Tasks of one batch.
pub(crate) const PER_BATCH: u64 = 1_000;
/// Steps of a diamond: one that begins, one that ends, and those between.
pub(crate) const DIAMOND_STEPS: u32 = 20;
/// Bytes of each payload, as `capataz bench` has them.
const PAYLOAD: usize = 100;
const GROUP: &str = "bench";

pub(crate) struct Desk {
    state: State,
    now: Timestamp,
    position: Position,
    events: Vec<Event>,
    running: VecDeque<(Key, Attempt)>,
    /// What each task is, encoded.
    body: Bytes,
}

impl Desk {
    /// One worker that takes whatever there is, and tasks with these tags.
    pub(crate) fn new(tags: &[&str]) -> Desk {
        let task = TaskSpec {
            group: GROUP.to_owned(),
            payload: Some(vec![42; PAYLOAD].into()),
            tags: tags.iter().map(ToString::to_string).collect(),
            ..TaskSpec::default()
        };
        let mut desk = Desk {
            state: State::default(),
            now: Timestamp(1_700_000_000_000_000),
            position: Position::ZERO,
            events: Vec::new(),
            running: VecDeque::new(),
            body: spec::encode(&task),
        };
        desk.carry_out(Command::StartEpoch {
            epoch: 1,
            writer: "bench".to_owned(),
            limits: Default::default(),
        });
        desk.carry_out(Command::Join(Hello {
            name: "w".to_owned(),
            incarnation: 1,
            connection: 0,
            host: "host".to_owned(),
            build: "1".to_owned(),
            pod: "p".to_owned(),
            pod_slots: Some(limits::SLOTS),
            groups: vec![GROUP.to_owned()],
            concurrency: limits::SLOTS,
            polling: false,
            remember: 0,
            affinity: Vec::new(),
            running: Vec::new(),
        }));
        desk
    }

    fn carry_out(&mut self, command: Command) {
        self.now = self.now + Span::millis(1);
        let decision = decide(&self.state, self.now, command).expect("nothing here is refused");
        for event in decision.events {
            apply(&mut self.state, &event);
            if let Change::Leased { key, attempt, .. } = event.change {
                self.running.push_back((key, attempt));
            }
            self.events.push(event);
        }
    }

    /// What happened since the last one, with the state that it led to.
    pub(crate) fn cut(&mut self) -> Batch {
        self.position = self.position.advance(1);
        Batch {
            end: self.position,
            events: Arc::new(std::mem::take(&mut self.events)),
            entries: Some(self.state.take_dirty()),
            bytes: 1,
        }
    }

    pub(crate) fn submit(&mut self) {
        let submission = self.submission(PER_BATCH as usize);
        self.carry_out(Command::Submit(submission));
    }

    fn submission(&self, count: usize) -> Submission {
        let task = NewTask {
            group: 0,
            policy: 0,
            priority: limits::PRIORITY_DEFAULT,
            count: None,
            not_before: None,
            delay: None,
            expires_at: None,
            expires_in: None,
            dedup: None,
            affinity: Vec::new(),
            body: self.body.clone(),
        };
        Submission {
            request: None,
            groups: vec![GROUP.to_owned()],
            policies: vec![Policy::default()],
            tasks: vec![task; count],
        }
    }

    /// Hands out a batch of tasks.
    pub(crate) fn lease(&mut self) {
        for _ in 0..PER_BATCH {
            if self.state.can_dispatch() {
                self.carry_out(Command::Dispatch);
            }
        }
    }

    /// Ends a batch of those that run.
    pub(crate) fn complete(&mut self) {
        let some = self.running.len().min(PER_BATCH as usize);
        for (key, attempt) in self.running.drain(..some).collect::<Vec<_>>() {
            self.carry_out(Command::Report(Report {
                key,
                attempt,
                outcome: Outcome::Succeeded,
                output: Bytes::from_static(b"an output"),
                value: Bytes::new(),
                usage: Usage {
                    wall: Span(100),
                    cpu: Span(50),
                    peak_memory: 4096,
                },
            }));
        }
    }

    pub(crate) fn start_diamond(&mut self) {
        self.carry_out(Command::StartRun(Box::new(StartRun {
            request: None,
            workflow: "diamond".to_owned(),
            version: Which::Given(Box::new(diamond())),
            run: NewRun {
                parameters: Bytes::from_static(b"{\"n\":1}"),
                message: Bytes::new(),
                body: Bytes::new(),
                key: None,
                conflict: None,
                priority: limits::PRIORITY_DEFAULT,
                expected: Vec::new(),
                repetition: 0,
                previous: None,
            },
            waits_for_conflict: true,
        })));
    }

    /// Does what runs wait for, each step a task; says whether there is something to run then.
    pub(crate) fn advance(&mut self) -> bool {
        while let Some(due) = self.state.next_due() {
            let command = match due {
                Due::Workflow(workflow) => Command::AdvanceWorkflow { workflow },
                Due::Run(run) => Command::AdvanceRun { run },
                Due::End(run) => Command::EndRun {
                    run,
                    closing: Ok(Closing::default()),
                },
                Due::Step { run, step, .. } => Command::BeginStep {
                    run,
                    step,
                    begin: Begin::Task(self.submission(1)),
                },
            };
            self.carry_out(command);
        }
        self.state.can_dispatch() || !self.running.is_empty()
    }
}

fn diamond() -> Version {
    let last = DIAMOND_STEPS - 1;
    let after = |number: u32| match number {
        0 => Vec::new(),
        _ if number == last => (1..last).collect(),
        _ => vec![0],
    };
    let step = |number: u32| Node {
        name: format!("s{number}"),
        after: after(number)
            .into_iter()
            .map(|step| Edge {
                step,
                on: On::Success,
            })
            .collect(),
        join: Join::All,
        kind: NodeKind::Task,
        conditional: false,
        allow_failure: false,
        keeps_output: false,
        alters_message: false,
        parallelism: None,
    };
    Version {
        content: 1,
        settings: Settings::default(),
        graph: Graph {
            steps: (0..DIAMOND_STEPS).map(step).collect(),
        },
        definition: Bytes::from_static(b"{}"),
    }
}
