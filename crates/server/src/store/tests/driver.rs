//! A namespace without a server: the engine, and a store that follows it.

use std::sync::Arc;

use bytes::Bytes;
use capataz_api::proto::TaskSpec;
use capataz_engine::{
    Answer, Attempt, Command, Event, Hello, Ids, Key, NewTask, Outcome, Policy, Rejection, Report,
    Span, State, Submission, TaskId, Timestamp, Usage, WorkerId, apply, decide,
};
use capataz_journal::{JournalId, Position};
use prost::Message;
use tempfile::TempDir;

use crate::store::{Batch, Options, Projector, Reader, Store};

pub(crate) const JOURNAL: JournalId = JournalId::from_bytes([7; 16]);

/// The engine with a clock that moves by a millisecond with each command.
#[derive(Default)]
pub(crate) struct Driver {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) position: Position,
    events: Vec<Event>,
}

impl Driver {
    pub(crate) fn new() -> Driver {
        let mut driver = Driver {
            now: Timestamp(1_700_000_000_000_000),
            ..Driver::default()
        };
        let epoch = Command::StartEpoch {
            epoch: 1,
            writer: "test".into(),
            limits: Default::default(),
        };
        driver.run(epoch);
        driver
    }

    pub(crate) fn try_run(&mut self, command: Command) -> Result<Answer, Rejection> {
        self.now = self.now + Span::millis(1);
        let decision = decide(&self.state, self.now, command)?;
        for event in decision.events {
            apply(&mut self.state, &event);
            self.events.push(event);
        }
        Ok(decision.answer)
    }

    pub(crate) fn run(&mut self, command: Command) -> Answer {
        self.try_run(command)
            .expect("the test asks for what is possible")
    }

    /// Everything that happened since the last cut; with entries it is a commit point.
    pub(crate) fn cut(&mut self, with_entries: bool) -> Batch {
        self.position = self.position.advance(1);
        Batch {
            end: self.position,
            events: Arc::new(std::mem::take(&mut self.events)),
            entries: with_entries.then(|| self.state.take_dirty()),
            bytes: 1,
        }
    }

    pub(crate) fn submit(&mut self, spec: &TaskSpec, edit: impl Fn(&mut NewTask)) -> TaskId {
        self.submit_many(spec, 1, edit)
    }

    pub(crate) fn submit_many(
        &mut self,
        spec: &TaskSpec,
        count: usize,
        edit: impl Fn(&mut NewTask),
    ) -> TaskId {
        let mut task = NewTask {
            group: 0,
            policy: 0,
            priority: 5,
            count: spec.count,
            not_before: None,
            delay: None,
            expires_at: None,
            expires_in: None,
            dedup: None,
            affinity: Vec::new(),
            body: Bytes::from(spec.encode_to_vec()),
        };
        edit(&mut task);
        let submission = Submission {
            request: None,
            groups: vec![spec.group.clone()],
            policies: vec![Policy {
                max_attempts: spec.max_attempts.unwrap_or(1),
                ..Policy::default()
            }],
            tasks: vec![task; count],
        };
        match self.run(Command::Submit(submission)) {
            Answer::Submitted(Ids::Range { first, .. }) => first,
            other => panic!("expected new tasks, got {other:?}"),
        }
    }

    pub(crate) fn join(&mut self, name: &str, concurrency: u32, groups: &[&str]) -> WorkerId {
        let hello = Hello {
            name: name.into(),
            incarnation: 1,
            connection: 0,
            host: format!("host-of-{name}"),
            build: "1.0".into(),
            pod: format!("pod-of-{name}"),
            pod_slots: Some(concurrency),
            groups: groups.iter().map(|group| group.to_string()).collect(),
            concurrency,
            polling: false,
            remember: 0,
            affinity: Vec::new(),
            running: Vec::new(),
        };
        match self.run(Command::Join(hello)) {
            Answer::Joined { worker, .. } => worker,
            other => panic!("expected a session, got {other:?}"),
        }
    }

    /// Leases what can be leased and returns it.
    pub(crate) fn dispatch(&mut self) -> Vec<(Key, Attempt)> {
        let before: Vec<_> = self.leases();
        self.dispatch_all();
        let mut new = self.leases();
        new.retain(|lease| !before.contains(lease));
        new
    }

    pub(crate) fn dispatch_all(&mut self) {
        while self.state.can_dispatch() {
            self.run(Command::Dispatch);
        }
    }

    pub(crate) fn leases(&self) -> Vec<(Key, Attempt)> {
        self.state
            .lease_tokens()
            .map(|(key, attempt, _)| (key, attempt))
            .collect()
    }

    pub(crate) fn report(&mut self, (key, attempt): (Key, Attempt), outcome: Outcome) {
        self.run(Command::Report(Report {
            key,
            attempt,
            outcome,
            output: Bytes::from(format!("output of {key}")),
            value: Bytes::new(),
            usage: Usage {
                wall: Span(100),
                cpu: Span(50),
                peak_memory: 4096,
            },
        }));
    }
}

/// A store in a directory that goes away with it.
pub(crate) struct TestStore {
    pub(crate) dir: TempDir,
    pub(crate) projector: Projector,
    pub(crate) reader: Reader,
}

impl TestStore {
    pub(crate) fn new() -> TestStore {
        TestStore::open(tempfile::tempdir().expect("a directory"))
    }

    fn open(dir: TempDir) -> TestStore {
        let opened = Store::open(dir.path(), JOURNAL, Options::default()).expect("a store");
        let projector = opened.store.projector().expect("a projector");
        let reader = opened.store.reader();
        TestStore {
            dir,
            projector,
            reader,
        }
    }

    pub(crate) fn project(&mut self, batch: Batch) {
        self.projector.project([batch]).expect("there is room");
    }

    /// Closes and opens again, and loads what is in it.
    pub(crate) fn reopen(self) -> (TestStore, Position, State) {
        let dir = self.dir;
        drop((self.projector, self.reader));
        let opened = Store::open(dir.path(), JOURNAL, Options::default()).expect("a store");
        let mut state = State::default();
        opened
            .store
            .load_entries(&mut state)
            .expect("whole entries");
        let position = opened.position;
        (TestStore::open(dir), position, state)
    }
}

pub(crate) fn spec(group: &str) -> TaskSpec {
    TaskSpec {
        group: group.into(),
        payload: Some(vec![1, 2, 3].into()),
        ..TaskSpec::default()
    }
}
