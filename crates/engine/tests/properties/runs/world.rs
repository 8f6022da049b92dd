//! Workflows, runs and workers, and what happens to them by chance.

use bytes::Bytes;
use capataz_engine::{
    Attempt, Begin, Closing, Command, Due, Event, Hello, Key, NewRun, NewTask, NodeKind, Outcome,
    Policy, Reason, Reopening, Report, RunId, RunKey, RunView, Settings, Span, StartRun,
    Submission, TaskId, Timestamp, Usage, Version, Which, limits,
};

use super::fate::{Fate, Fates, grow, settings, version};
use super::model::Model;
use super::run::is_asked;
use crate::chance::Chance;
use crate::witness::Witness;

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);
/// Rounds of work after which everything must be over: far more than any world needs.
const PATIENCE: u32 = 5_000;
/// The state is restored from its entries after so many actions.
const CHECK_EVERY: u64 = 8;

pub(crate) struct World {
    chance: Chance,
    witness: Witness,
    pub(crate) model: Model,
    now: Timestamp,
    workflows: Vec<(String, Settings)>,
    epoch: u64,
    actions: u64,
    pub(crate) reopened: u64,
    /// Everything that happened.
    pub(crate) events: Vec<Event>,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut world = World {
            chance: Chance::new(seed),
            witness: Witness::default(),
            model: Model::new(Fates { seed }),
            now: BEGIN,
            workflows: Vec::new(),
            epoch: 0,
            actions: 0,
            reopened: 0,
            events: Vec::new(),
        };
        for number in 0..3 {
            let settings = settings(&mut world.chance);
            world.workflows.push((format!("wf{number}"), settings));
            world.put(number);
        }
        world.join();
        world
    }

    /// One thing happens, and then some of what follows from it.
    pub(crate) fn act(&mut self) {
        self.now = self.now + Span::millis(self.chance.below(4_000));
        self.carry_out(Command::Tick);
        self.happen();
        if self.chance.percent(5) {
            self.witness.restart();
        }
        let most = match self.chance.below(4) {
            0 => self.chance.below(3) as u32,
            _ => u32::MAX,
        };
        self.do_what_is_due(most);
        if self.chance.percent(80) {
            self.dispatch();
        }
        self.actions += 1;
        if self.actions.is_multiple_of(CHECK_EVERY) {
            self.witness.check();
            let [live, restored] = self.witness.next_due();
            assert_eq!(live.is_some(), restored.is_some(), "{live:?} {restored:?}");
        }
    }

    /// Runs that are not over.
    pub(crate) fn runs(&self) -> Vec<RunView> {
        let runs = self.witness.state.run_views().into_iter();
        runs.map(|(_, run)| run).collect()
    }

    fn happen(&mut self) {
        match self.chance.below(100) {
            0..15 => self.start(),
            15..60 => self.end_an_attempt(),
            60..65 => {
                let (run, on) = (self.a_run(), self.chance.percent(50));
                self.carry_out(Command::PauseRun { run, on });
            }
            65..68 => {
                let (run, note) = (self.a_run(), String::new());
                self.carry_out(Command::CancelRun { run, note });
            }
            68..76 => self.reopen(),
            76..80 => self.extend(),
            80..84 => {
                let number = self.chance.below(3) as usize;
                self.put(number);
            }
            84..86 => {
                let number = self.chance.below(3) as usize;
                let name = self.workflows[number].0.clone();
                self.carry_out(Command::ClearHold { name });
            }
            86..88 => {
                let number = self.chance.below(3) as usize;
                let name = self.workflows[number].0.clone();
                self.carry_out(Command::RemoveWorkflow { name });
            }
            88..91 => {
                self.epoch += 1;
                let (epoch, writer) = (self.epoch, "w".to_owned());
                self.carry_out(Command::StartEpoch {
                    epoch,
                    writer,
                    limits: Default::default(),
                });
                self.join();
            }
            _ => self.now = self.now + Span::secs(self.chance.below(40)),
        }
    }

    /// Nothing more is asked: what there is must come to an end by itself.
    pub(crate) fn come_to_an_end(&mut self) {
        self.join();
        for (run, _) in self.witness.state.run_views() {
            let on = false;
            self.carry_out(Command::PauseRun { run, on });
        }
        for _ in 0..PATIENCE {
            self.carry_out(Command::Tick);
            self.do_what_is_due(u32::MAX);
            self.dispatch();
            match (
                self.witness.state.live_leases(),
                self.witness.state.next_timer(),
            ) {
                (0, Some(next)) if !self.witness.state.run_views().is_empty() => {
                    self.now = self.now.max(next);
                }
                (0, _) => break,
                _ => self.end_an_attempt(),
            }
        }
        self.witness.check();
        let left = self.witness.state.run_views();
        assert!(left.is_empty(), "runs that never end: {left:#?}");
        assert!(self.model.tasks.is_empty() && self.witness.state.live_tasks() == 0);
        for view in self.witness.state.workflow_views() {
            let counts = (view.runs, view.running, view.tasks);
            assert_eq!(counts, (0, 0, 0), "{}", view.name);
        }
        for view in self.witness.state.group_views() {
            assert_eq!((view.queued, view.scheduled, view.running), (0, 0, 0));
        }
    }

    /// The number of events; a refusal is none.
    fn carry_out(&mut self, command: Command) -> usize {
        let Ok(outcome) = self.witness.carry_out(self.now, command) else {
            return 0;
        };
        for event in &outcome.events {
            self.events.push(event.clone());
            self.model.fold(event);
        }
        if !outcome.events.is_empty() {
            let due = self.witness.state.next_due();
            assert_eq!(due.is_some(), self.model.something_is_due(), "due: {due:?}");
        }
        outcome.events.len()
    }

    fn do_what_is_due(&mut self, most: u32) {
        for _ in 0..most {
            let Some(due) = self.witness.state.next_due() else {
                return;
            };
            let command = self.answer(due);
            assert!(self.carry_out(command) > 0, "{due:?} brings nothing about");
        }
    }

    fn answer(&mut self, due: Due) -> Command {
        match due {
            Due::Workflow(workflow) => Command::AdvanceWorkflow { workflow },
            Due::Run(run) => Command::AdvanceRun { run },
            Due::End(run) => Command::EndRun {
                run,
                closing: self.closing(run),
            },
            Due::Step {
                run,
                step,
                elements,
            } => Command::BeginStep {
                run,
                step,
                begin: self.begin(run, step, elements),
            },
        }
    }

    /// Mostly well; now and then the result, or the successor, is no good.
    fn closing(&mut self, run: RunId) -> Result<Closing, String> {
        if self.chance.percent(10) {
            return Err("broken".to_owned());
        }
        let mut successor = self.successor(run);
        if self.chance.percent(10) {
            successor.iter_mut().for_each(|new| new.priority = 0);
        }
        Ok(Closing {
            result: Bytes::new(),
            successor: successor.map(Box::new),
            note: String::new(),
        })
    }

    fn successor(&mut self, run: RunId) -> Option<NewRun> {
        let context = self.witness.state.run_context(run)?;
        (context.repetition() < 1).then(|| NewRun {
            repetition: context.repetition() + 1,
            previous: Some(run),
            conflict: context.conflict().map(str::to_owned),
            ..new_run()
        })
    }

    fn begin(&self, run: RunId, number: u32, elements: Option<(u32, u32)>) -> Begin {
        let (fates, known) = (self.model.fates, &self.model.runs[&run]);
        let (node, round) = (
            &known.nodes[number as usize],
            known.steps[number as usize].round,
        );
        assert!(is_asked(node), "the rules alone decide about step {number}");
        let items = fates.of_items(run, number, round);
        if let Some((from, count)) = elements {
            assert!(count > 0, "elements to start");
            return match items.breaks_at.is_some_and(|at| at < from + count) {
                true => Begin::Broken("broken".to_owned()),
                false => Begin::Elements(tasks(count)),
            };
        }
        match (fates.of_step(node, run, number, round), node.kind) {
            (Fate::LeftOut, _) => Begin::Skip,
            (Fate::Breaks, _) => Begin::Broken("broken".to_owned()),
            (_, NodeKind::Noop) => Begin::Noop,
            (_, NodeKind::Task) => Begin::Task(tasks(1)),
            (_, NodeKind::FanOut) => Begin::Fan {
                count: items.count,
                items: Bytes::from_static(b"[]"),
            },
        }
    }

    fn dispatch(&mut self) {
        while self.carry_out(Command::Dispatch) > 0 {}
    }

    /// An attempt ends as it is bound to.
    fn end_an_attempt(&mut self) {
        let leases: Vec<(Key, Attempt)> = self
            .witness
            .state
            .lease_tokens()
            .map(|(key, attempt, _)| (key, attempt))
            .collect();
        let Some((key, attempt)) = self.chance.one_of(&leases) else {
            return;
        };
        let outcome = match self.fate_of(key.task()) {
            Some(Fate::IsCancelled) => {
                let note = String::new();
                self.carry_out(Command::Cancel { key, note });
                return;
            }
            Some(Fate::Fails) => Outcome::Failed {
                reason: Reason::Error,
                fatal: false,
            },
            // Its task is over: it is being stopped.
            _ => Outcome::Succeeded,
        };
        self.carry_out(Command::Report(Report {
            key,
            attempt,
            outcome,
            output: Bytes::new(),
            value: Bytes::from_static(b"1"),
            usage: Usage::default(),
        }));
    }

    fn fate_of(&self, task: TaskId) -> Option<Fate> {
        let (run, step) = *self.model.tasks.get(&task)?;
        let (fates, known) = (self.model.fates, &self.model.runs[&run]);
        let round = known.steps[step as usize].round;
        let node = &known.nodes[step as usize];
        Some(match self.model.element_of(task) {
            Some(element) => fates.of_element(run, step, round, element),
            None => fates.of_step(node, run, step, round),
        })
    }

    fn put(&mut self, number: usize) {
        let (name, settings) = self.workflows[number].clone();
        let version = Box::new(version(&mut self.chance, &settings));
        self.carry_out(Command::PutWorkflow { name, version });
    }

    fn join(&mut self) {
        let running = self.witness.state.lease_tokens();
        let running = running.map(|(key, attempt, _)| (key, attempt)).collect();
        self.carry_out(Command::Join(Hello {
            name: "w1".to_owned(),
            incarnation: 1,
            host: "h1".to_owned(),
            build: String::new(),
            pod: "p1".to_owned(),
            pod_slots: Some(4),
            groups: vec!["etl".to_owned()],
            concurrency: 4,
            connection: 0,
            polling: false,
            remember: 0,
            affinity: Vec::new(),
            running,
        }));
    }

    fn start(&mut self) {
        let number = self.chance.below(3) as usize;
        let (workflow, settings) = self.workflows[number].clone();
        let chance = &mut self.chance;
        let which = match chance.percent(25) {
            true => Which::Given(Box::new(version(chance, &settings))),
            false => Which::Registered(None),
        };
        let run = NewRun {
            priority: 4 + chance.below(3) as u8,
            conflict: chance.maybe(25, |chance| format!("c{}", chance.below(2))),
            key: chance.maybe(20, |chance| RunKey {
                id: chance.below(10).into(),
                content: chance.below(2).into(),
            }),
            expected: match chance.percent(30) {
                true => (0..9).map(|_| chance.below(100) as u32).collect(),
                false => Vec::new(),
            },
            ..new_run()
        };
        let waits_for_conflict = self.chance.percent(70);
        self.carry_out(Command::StartRun(Box::new(StartRun {
            request: None,
            workflow,
            version: which,
            run,
            waits_for_conflict,
        })));
    }

    fn reopen(&mut self) {
        let runs: Vec<RunId> = self.model.runs.keys().copied().collect();
        let Some(run) = self.chance.one_of(&runs) else {
            return;
        };
        let steps = self.model.runs[&run].nodes.len() as u64;
        let chance = &mut self.chance;
        let names = chance.maybe(60, |chance| {
            let many = 1 + chance.below(2);
            (0..many)
                .map(|_| format!("s{}", chance.below(steps)))
                .collect()
        });
        let descendants = self.chance.percent(50);
        let archive = self.witness.archive(run);
        let events = self.carry_out(Command::Reopen(Reopening {
            run,
            archive,
            steps: names,
            descendants,
        }));
        self.reopened += u64::from(events > 0);
    }

    fn extend(&mut self) {
        let run = self.a_run();
        let Some(context) = self.witness.state.run_context(run) else {
            return;
        };
        let mut version: Version = context.version().clone();
        grow(&mut self.chance, &mut version.graph, 3);
        version.content = self.chance.next().into();
        let version = Box::new(version);
        let mut by = None;
        if self.chance.percent(50) {
            let leases = self.witness.state.lease_tokens();
            let tokens: Vec<_> = leases.map(|(key, attempt, _)| (key, attempt)).collect();
            by = self.chance.one_of(&tokens);
        }
        let may = by.is_none_or(|(key, attempt)| self.witness.state.runs_step(run, key, attempt));
        let events = self.carry_out(Command::ExtendRun { run, by, version });
        assert!(may || events == 0, "{by:?} does not run a step of {run}");
    }

    fn a_run(&mut self) -> RunId {
        let runs = self.witness.state.run_views();
        let runs: Vec<RunId> = runs.iter().map(|(run, _)| *run).collect();
        self.chance.one_of(&runs).unwrap_or(RunId(0))
    }
}

fn new_run() -> NewRun {
    NewRun {
        parameters: Bytes::new(),
        message: Bytes::new(),
        body: Bytes::new(),
        key: None,
        conflict: None,
        priority: limits::PRIORITY_DEFAULT,
        expected: Vec::new(),
        repetition: 0,
        previous: None,
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
        groups: vec!["etl".to_owned()],
        policies: vec![Policy::default()],
        tasks: vec![task; count as usize],
    }
}
