//! Soft affinity pays: workers that remember what they had stay with it, and nobody starves.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use capataz_engine::{
    Attempt, Change, Command, Decision, Hello, Key, NewTask, Outcome, Policy, Report, State,
    Submission, Timestamp, Usage, WorkerId, apply, decide, limits,
};

use crate::chance::Chance;

const TASKS: usize = 5_000;
const CURVES: u64 = 50;
const WORKERS: usize = 10;
const REMEMBERED: usize = 5;
const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

#[derive(Default)]
struct Desk {
    state: State,
    curves: BTreeMap<Key, u64>,
    waiting: BTreeMap<Key, u32>,
    running: Vec<(Key, Attempt)>,
    /// The last keys of each worker, as a cache of its own would hold them.
    remembered: BTreeMap<WorkerId, VecDeque<u64>>,
    hits: usize,
    most_skips: u32,
}

impl Desk {
    fn new() -> Desk {
        let mut desk = Desk::default();
        for number in 0..WORKERS {
            desk.carry_out(Command::Join(Hello {
                name: format!("w{number}"),
                incarnation: 1,
                connection: 0,
                host: String::new(),
                build: String::new(),
                pod: format!("p{number}"),
                pod_slots: None,
                groups: vec!["grid".to_owned()],
                concurrency: 1,
                polling: false,
                remember: REMEMBERED as u32,
                affinity: Vec::new(),
                running: Vec::new(),
            }));
        }
        desk
    }

    fn carry_out(&mut self, command: Command) {
        let decided = decide(&self.state, NOW, command);
        let Decision { events, .. } = decided.expect("nothing here is refused");
        for event in &events {
            apply(&mut self.state, event);
            if let Change::Leased {
                key,
                attempt,
                worker,
            } = event.change
            {
                self.note(key, attempt, worker);
            }
        }
    }

    fn submit(&mut self, curves: &[u64]) {
        let first = self.state.next_task().0;
        for (offset, curve) in curves.iter().enumerate() {
            let key = capataz_engine::TaskId(first + offset as u64).key();
            self.curves.insert(key, *curve);
            self.waiting.insert(key, 0);
        }
        self.submit_tasks(curves.iter().map(|curve| task(*curve, None)).collect());
    }

    fn submit_array(&mut self, curve: u64, count: u32) {
        let id = self.state.next_task();
        let elements = (0..count).map(|index| (id.element(index), curve));
        self.curves.extend(elements);
        self.submit_tasks(vec![task(curve, Some(count))]);
    }

    fn submit_tasks(&mut self, tasks: Vec<NewTask>) {
        self.carry_out(Command::Submit(Submission {
            request: None,
            groups: vec!["grid".to_owned()],
            policies: vec![Policy::default()],
            tasks,
        }));
    }

    fn note(&mut self, key: Key, attempt: Attempt, worker: WorkerId) {
        self.waiting.remove(&key);
        for (_, skips) in self.waiting.range_mut(..key) {
            *skips += 1;
            self.most_skips = self.most_skips.max(*skips);
        }
        let curve = self.curves[&key];
        let keys = self.remembered.entry(worker).or_default();
        self.hits += usize::from(keys.contains(&curve));
        keys.retain(|known| *known != curve);
        keys.push_front(curve);
        keys.truncate(REMEMBERED);
        self.running.push((key, attempt));
    }

    fn dispatch(&mut self) {
        while self.state.can_dispatch() {
            self.carry_out(Command::Dispatch);
        }
    }

    fn complete(&mut self, chance: &mut Chance) {
        let at = chance.below(self.running.len() as u64) as usize;
        let (key, attempt) = self.running.swap_remove(at);
        self.carry_out(Command::Report(Report {
            key,
            attempt,
            outcome: Outcome::Succeeded,
            output: Bytes::new(),
            value: bytes::Bytes::new(),
            usage: Usage::default(),
        }));
    }

    fn hit_rate(&self) -> f64 {
        assert!(
            self.waiting.is_empty() && self.running.is_empty(),
            "all is done"
        );
        self.hits as f64 / TASKS as f64
    }
}

fn task(curve: u64, count: Option<u32>) -> NewTask {
    NewTask {
        group: 0,
        policy: 0,
        priority: limits::PRIORITY_DEFAULT,
        count,
        not_before: None,
        delay: None,
        expires_at: None,
        expires_in: None,
        dedup: None,
        affinity: vec![curve],
        body: Bytes::new(),
    }
}

fn curves(chance: &mut Chance, many: usize) -> Vec<u64> {
    (0..many).map(|_| chance.below(CURVES)).collect()
}

fn all_up_front(seed: u64) -> Desk {
    let (mut desk, mut chance) = (Desk::new(), Chance::new(seed));
    desk.submit(&curves(&mut chance, TASKS));
    while !desk.waiting.is_empty() || !desk.running.is_empty() {
        desk.dispatch();
        desk.complete(&mut chance);
    }
    desk
}

/// Tasks come one by one, so that about `backlog` of them wait, or some workers, when it is 0.
fn arriving(seed: u64, backlog: usize) -> Desk {
    let (mut desk, mut chance) = (Desk::new(), Chance::new(seed));
    let mut submitted = 0;
    while submitted < TASKS || !desk.waiting.is_empty() || !desk.running.is_empty() {
        let wanted = match backlog {
            0 => WORKERS / 2,
            backlog => WORKERS + backlog,
        };
        while submitted < TASKS && desk.waiting.len() + desk.running.len() < wanted {
            desk.submit(&curves(&mut chance, 1));
            desk.dispatch();
            submitted += 1;
        }
        desk.complete(&mut chance);
        desk.dispatch();
    }
    desk
}

#[test]
fn a_full_queue_is_served_by_who_knows_it() {
    for seed in 0..2 {
        let desk = all_up_front(seed);
        let (rate, skips) = (desk.hit_rate(), desk.most_skips);
        println!("up front, seed {seed}: hits {rate:.3}, most skips {skips}");
        assert!(rate >= 0.9, "hit rate {rate}");
        assert!(
            skips <= u32::from(limits::AFFINITY_SKIPS),
            "one task was skipped {skips} times"
        );
    }
}

#[test]
fn arriving_tasks_find_who_knows_them() {
    // With half of the workers idle, half of the keys are with busy ones: waiting for them would
    // cost more than a miss. With a backlog of a few tasks for each worker the bar holds.
    for (backlog, bar) in [(0, 0.45), (10, 0.5), (50, 0.9), (300, 0.9), (1_000, 0.9)] {
        let desk = arriving(7, backlog);
        let (rate, skips) = (desk.hit_rate(), desk.most_skips);
        println!("arriving, backlog {backlog}: hits {rate:.3}, most skips {skips}");
        assert!(
            skips <= u32::from(limits::AFFINITY_SKIPS),
            "one task was skipped {skips} times"
        );
        assert!(rate >= bar, "hit rate {rate} with a backlog of {backlog}");
    }
}

/// An array that nobody knows is passed over as a whole, so often and no more; then one element
/// goes and the count begins again. (It once never did: all elements went first from then on.)
#[test]
fn an_array_is_skipped_in_its_turn() {
    let (mut desk, mut chance) = (Desk::new(), Chance::new(1));
    for worker in 1..WORKERS as u32 {
        let worker = WorkerId(worker);
        desk.carry_out(Command::Drain { worker, on: true });
    }
    let (known, unknown) = (1, 2);
    desk.submit(&[known]);
    desk.dispatch();
    desk.submit_array(unknown, 10);
    desk.submit(&[known; 600]);
    let bound = usize::from(limits::AFFINITY_SKIPS);
    for turn in 0..600 {
        // It would remember the array's key, too.
        let (worker, keys) = (WorkerId(0), vec![known]);
        desk.carry_out(Command::Announce { worker, keys });
        desk.complete(&mut chance);
        desk.dispatch();
        let is_element = desk.running[0].0.index().is_some();
        let is_due = turn % (bound + 1) == bound;
        assert_eq!(is_element, is_due, "lease {turn}");
    }
}
