//! Random commands, nonsense included, against a model that shares no code with the engine.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use capataz_engine::{Answer, Command, Key, Span, TaskId, Timestamp, outstanding};

use crate::chance::Chance;
use crate::model::{Model, Stand};
use crate::orders::Orders;
use crate::witness::Witness;

/// Commands in one run.
const COMMANDS: u64 = 250;
/// The state is restored from its entries after so many of them: a restore reads everything.
const CHECK_EVERY: u64 = 8;
/// Events shown when a run fails.
const TRAIL: usize = 12;
const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);

struct Run {
    orders: Orders,
    model: Model,
    witness: Witness,
    now: Timestamp,
    /// The last things that happened, for whoever has to find out why it failed.
    trail: VecDeque<String>,
}

impl Run {
    fn new(seed: u64, affinity: bool) -> Run {
        Run {
            orders: Orders {
                chance: Chance::new(seed),
                affinity,
                epoch: 0,
            },
            model: Model::default(),
            witness: Witness::default(),
            now: BEGIN,
            trail: VecDeque::new(),
        }
    }

    fn go(&mut self) {
        for step in 0..COMMANDS {
            self.let_time_pass();
            let command = self.orders.next(self.now, &self.model);
            self.carry_out(command);
            if self.orders.chance.percent(70) {
                self.settle();
            }
            if step % CHECK_EVERY == 0 {
                self.witness.check();
                if !self.orders.affinity {
                    self.witness.check_next_lease();
                }
            }
            if self.orders.chance.percent(2) {
                self.witness.restart();
            }
        }
        self.witness.check();
    }

    /// Mostly seconds, now and then an hour, sometimes backwards.
    fn let_time_pass(&mut self) {
        let chance = &mut self.orders.chance;
        let passed = match chance.below(100) {
            0..60 => Span::millis(chance.below(20)),
            60..97 => Span::secs(chance.below(15)),
            _ => Span::secs(4_000),
        };
        self.now = self.now + passed;
        if chance.percent(2) {
            self.now = Timestamp(self.now.0 - 1_000_000);
        }
    }

    /// What the owner of a state does after a command: fire what is due, then lease what can be.
    fn settle(&mut self) {
        self.carry_out(Command::Tick);
        let again = self.carry_out(Command::Tick);
        assert_eq!(again, 0, "a tick fires all that is due");
        let most = if self.orders.chance.percent(80) {
            u64::MAX
        } else {
            1
        };
        let mut leased = 0;
        while leased < most && self.model.can_lease() {
            assert_eq!(
                self.carry_out(Command::Dispatch),
                1,
                "what can be leased is leased"
            );
            leased += 1;
        }
        if !self.model.can_lease() {
            assert_eq!(self.carry_out(Command::Dispatch), 0, "nobody can be served");
        }
    }

    /// The number of events; a refusal is none.
    fn carry_out(&mut self, command: Command) -> usize {
        let Ok(outcome) = self.witness.carry_out(self.now, command) else {
            return 0;
        };
        for event in &outcome.events {
            self.trail.push_back(format!("{event:?}"));
            if self.trail.len() > TRAIL {
                self.trail.pop_front();
            }
            self.model.fold(event);
        }
        self.check_answer(&outcome.answer);
        for effect in &outcome.effects {
            // A new leader performs what nothing has confirmed: so it must know of every effect.
            let known = outstanding(&self.witness.state).contains(effect);
            assert!(known, "{effect:?} would be lost with its leader");
        }
        if !outcome.events.is_empty() {
            self.model.compare(&self.witness.state);
        }
        outcome.events.len()
    }
}

impl Run {
    fn check_answer(&self, answer: &Answer) {
        match answer {
            Answer::Done | Answer::Run(_) | Answer::Version(_) | Answer::TokenCreated(_) => {}
            Answer::Submitted(ids) => {
                let known = |id: TaskId| self.model.units.keys().any(|key| key.task() == id);
                assert!(
                    ids.iter().all(known),
                    "only what is on record is acknowledged"
                );
            }
            Answer::Joined { worker, stop } => {
                assert!(
                    self.model.workers.contains_key(worker),
                    "a session is on record"
                );
                let holds = |token| {
                    let lease = self.model.leases.get(token);
                    lease.is_some_and(|lease| lease.worker == *worker)
                };
                let running = |(key, attempt): &(Key, u32)| {
                    let unit = self.model.units.get(key);
                    unit.is_some_and(|unit| unit.stand == Stand::Running(*attempt))
                };
                let valid = stop.iter().any(|token| holds(token) && running(token));
                assert!(!valid, "nothing that is leased to it is stopped");
            }
            Answer::Leases(leases) => {
                let current = leases
                    .iter()
                    .all(|token| self.model.leases.contains_key(token));
                assert!(current, "a repeated poll names leases in force");
            }
        }
    }
}

fn run_many(seeds: std::ops::Range<u64>, affinity: bool) {
    let (mut leased, mut ended) = (0, 0);
    for seed in seeds {
        let mut run = Run::new(seed, affinity);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run.go())) {
            println!("seed {seed}, affinity {affinity}, after {:#?}", run.trail);
            resume_unwind(panic);
        }
        leased += run.model.leased;
        ended += run.model.ended;
    }
    assert!(
        leased > 1_000 && ended > 1_000,
        "too little happened: {leased} {ended}"
    );
}

#[test]
fn promises_hold_for_random_commands() {
    run_many(0..60, false);
}

#[test]
fn promises_hold_for_random_commands_with_affinity() {
    run_many(1_000..1_030, true);
}
