//! What a step of a run costs: workflows of several shapes from start to end, with the tasks of their
//! steps leased and completed. Time is per step, or per element of a fan-out.

use std::hint::black_box;

use bytes::Bytes;
use capataz_engine::{
    Begin, Closing, Command, Due, Edge, Graph, Join, NewRun, NewTask, Node, NodeKind, On, Policy,
    RunId, Settings, StartRun, Submission, Version, Which, limits,
};
use criterion::{BenchmarkId, Criterion, Throughput};

use crate::desk::{Desk, Shape};

/// Links of the chain.
const CHAIN: u32 = 1_000;
/// Items of the fan-out.
const ITEMS: u32 = 100_000;
/// Runs of the diamond at once.
const DIAMONDS: u64 = 1_000;
/// Steps of a diamond: one that begins, one that ends, and those between.
const DIAMOND_STEPS: u32 = 20;

/// A worker that takes whatever there is.
const WORKER: Shape = Shape {
    name: "one_group_one_worker",
    groups: 1,
    workers: 1,
    slots: limits::SLOTS,
};

pub(crate) fn shapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("runs");
    group.sample_size(10);
    let mut measure = |name: &str, graph: Graph, runs: u64, steps: u64| {
        let mut desk = Desk::new(WORKER);
        desk.put(name, graph);
        group.throughput(Throughput::Elements(steps));
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| {
                (0..runs).for_each(|_| desk.start(name));
                desk.run_to_the_end();
                black_box(desk.stored)
            });
        });
    };
    measure("chain_of_noops", chain(NodeKind::Noop), 1, CHAIN.into());
    measure("chain_of_tasks", chain(NodeKind::Task), 1, CHAIN.into());
    let fan = Graph {
        steps: vec![node(0, NodeKind::FanOut, &[])],
    };
    measure("fan_out", fan, 1, ITEMS.into());
    let steps = DIAMONDS * u64::from(DIAMOND_STEPS);
    measure("diamonds", diamond(), DIAMONDS, steps);
}

fn chain(kind: NodeKind) -> Graph {
    let link = |number: u32| match number.checked_sub(1) {
        Some(before) => node(number, kind, &[before]),
        None => node(number, kind, &[]),
    };
    Graph {
        steps: (0..CHAIN).map(link).collect(),
    }
}

fn diamond() -> Graph {
    let last = DIAMOND_STEPS - 1;
    let between: Vec<u32> = (1..last).collect();
    let step = |number: u32| match number {
        0 => node(0, NodeKind::Task, &[]),
        _ if number == last => node(number, NodeKind::Task, &between),
        _ => node(number, NodeKind::Task, &[0]),
    };
    Graph {
        steps: (0..DIAMOND_STEPS).map(step).collect(),
    }
}

fn node(number: u32, kind: NodeKind, after: &[u32]) -> Node {
    let on = On::Success;
    Node {
        name: format!("s{number}"),
        after: after.iter().map(|step| Edge { step: *step, on }).collect(),
        join: Join::All,
        kind,
        conditional: false,
        allow_failure: false,
        keeps_output: false,
        alters_message: false,
        parallelism: None,
    }
}

impl Desk {
    fn put(&mut self, name: &str, graph: Graph) {
        self.carry_out(Command::PutWorkflow {
            name: name.to_owned(),
            version: Box::new(Version {
                content: 0,
                settings: Settings::default(),
                graph,
                definition: Bytes::new(),
            }),
        });
    }

    fn start(&mut self, name: &str) {
        self.carry_out(Command::StartRun(Box::new(StartRun {
            request: None,
            workflow: name.to_owned(),
            version: Which::Registered(None),
            run: NewRun {
                parameters: Bytes::new(),
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

    /// Steps, leases and completes until nothing is left.
    fn run_to_the_end(&mut self) {
        loop {
            while let Some(due) = self.state.next_due() {
                let command = self.answer(due);
                self.carry_out(command);
            }
            if !self.state.can_dispatch() {
                return;
            }
            while self.state.can_dispatch() {
                self.carry_out(Command::Dispatch);
            }
            self.complete();
        }
    }

    fn answer(&self, due: Due) -> Command {
        match due {
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
            } => Command::BeginStep {
                run,
                step,
                begin: match elements {
                    Some((_, count)) => Begin::Elements(tasks(count)),
                    None => self.begin(run, step),
                },
            },
        }
    }

    fn begin(&self, run: RunId, step: u32) -> Begin {
        let context = self.state.run_context(run);
        let node = context.map(|context| context.version().graph.steps[step as usize].kind);
        match node {
            Some(NodeKind::FanOut) => Begin::Fan {
                count: ITEMS,
                items: Bytes::new(),
            },
            _ => Begin::Task(tasks(1)),
        }
    }
}

fn tasks(count: u32) -> Submission {
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
        body: Bytes::new(),
    };
    Submission {
        request: None,
        groups: vec!["g0".to_owned()],
        policies: vec![Policy::default()],
        tasks: vec![task; count as usize],
    }
}
