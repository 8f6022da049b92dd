//! An engine at work without the rest of a server.

use std::collections::VecDeque;

use bytes::Bytes;
use capataz_engine::{
    Attempt, Change, Command, Hello, Key, NewTask, Outcome, Policy, Report, State, Submission,
    Timestamp, Usage, apply, decide, limits,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
/// Tasks of one submission, and of one measurement.
pub(crate) const BATCH: u64 = 1_000;
/// The store is handed the changed entries after so many events.
const HANDOUT: usize = 1_000;

/// Who works: the shapes that stress different indexes.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) groups: u32,
    pub(crate) workers: u32,
    pub(crate) slots: u32,
}

/// The engine with its workers.
pub(crate) struct Desk {
    pub(crate) state: State,
    shape: Shape,
    running: VecDeque<(Key, Attempt)>,
    events: usize,
    /// Bytes handed to the store.
    pub(crate) stored: usize,
}

impl Desk {
    pub(crate) fn new(shape: Shape) -> Desk {
        let (state, running) = (State::default(), VecDeque::new());
        let mut desk = Desk {
            state,
            shape,
            running,
            events: 0,
            stored: 0,
        };
        for number in 0..shape.workers {
            desk.carry_out(Command::Join(Hello {
                name: format!("w{number}"),
                incarnation: 1,
                connection: 0,
                host: "host".to_owned(),
                build: "1".to_owned(),
                pod: format!("p{number}"),
                pod_slots: Some(shape.slots),
                groups: (0..shape.groups).map(|group| format!("g{group}")).collect(),
                concurrency: shape.slots,
                polling: false,
                remember: 0,
                affinity: Vec::new(),
                running: Vec::new(),
            }));
        }
        desk
    }

    /// With `tasks` waiting.
    pub(crate) fn with_queue(shape: Shape, tasks: u64) -> Desk {
        let mut desk = Desk::new(shape);
        for _ in 0..tasks.div_ceil(BATCH) {
            desk.submit();
        }
        desk
    }

    pub(crate) fn carry_out(&mut self, command: Command) {
        let decision = decide(&self.state, NOW, command).expect("nothing here is refused");
        for event in &decision.events {
            apply(&mut self.state, event);
            if let Change::Leased { key, attempt, .. } = event.change {
                self.running.push_back((key, attempt));
            }
        }
        self.events += decision.events.len();
        if self.events >= HANDOUT {
            self.hand_out();
        }
    }

    pub(crate) fn hand_out(&mut self) {
        self.events = 0;
        let values = self
            .state
            .take_dirty()
            .into_iter()
            .filter_map(|(_, value)| value);
        self.stored += values.map(|value| value.len()).sum::<usize>();
    }

    pub(crate) fn submit(&mut self) {
        let task = |number: u64| NewTask {
            group: number as u32 % self.shape.groups,
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
        self.carry_out(Command::Submit(Submission {
            request: None,
            groups: (0..self.shape.groups)
                .map(|group| format!("g{group}"))
                .collect(),
            policies: vec![Policy::default()],
            tasks: (0..BATCH).map(task).collect(),
        }));
        self.hand_out();
    }

    pub(crate) fn lease(&mut self) {
        for _ in 0..BATCH {
            self.carry_out(Command::Dispatch);
        }
    }

    pub(crate) fn complete(&mut self) {
        while let Some((key, attempt)) = self.running.pop_front() {
            self.carry_out(Command::Report(Report {
                key,
                attempt,
                outcome: Outcome::Succeeded,
                output: Bytes::new(),
                value: bytes::Bytes::new(),
                usage: Usage::default(),
            }));
        }
    }
}
