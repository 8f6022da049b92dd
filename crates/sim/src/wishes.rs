//! What clients ask for about tasks.

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Key, TaskId};
use prost::Message;

use crate::client::Kind;
use crate::clock::SECOND;
use crate::work::{Deed, Work};
use crate::world::World;

/// Dedup keys that clients choose from: few, so that they meet.
const DEDUP_KEYS: u64 = 40;
/// Tasks that clients submit at once where thousands live at a time.
const CROWD: u64 = 800;
/// Elements that an array has there at the most.
const ELEMENTS: u64 = 2_000;
/// Calls about runs in a hundred, where there are workflows.
const RUN_PERCENT: u64 = 35;
/// Payload numbers from here on belong to dedup keys.
const DEDUP_NUMBERS: u64 = 1 << 40;

impl World {
    pub(crate) fn draw_call(&mut self, client: usize) -> Kind {
        if !self.flows.is_empty() && self.chance.percent(RUN_PERCENT) {
            return self.draw_run_call(client);
        }
        let known = &self.clients[client].known;
        let task = (!known.is_empty()).then(|| known[self.chance.index(known.len())]);
        // More than can be done soon would only wait.
        let most = if self.is_busy() { 32 } else { 100 };
        match (self.chance.below(most), task) {
            (0..12, Some(task)) => Kind::Cancel { task },
            (12..20, Some(task)) => Kind::Retry {
                key: self.draw_unit(task),
            },
            (20..23, _) => Kind::SetGroup {
                group: self.chance.index(self.options.groups),
                paused: self.chance.percent(30),
                max_running: self
                    .chance
                    .percent(50)
                    .then(|| 1 + self.chance.below(4) as u32),
            },
            (23..26, _) => Kind::Count,
            (26..32, Some(_)) => self.draw_wait(client),
            _ if self.options.crowded() && self.chance.percent(40) => self.draw_crowd(),
            _ => {
                let count = self.chance.between(1, 4);
                let bodies = (0..count).map(|_| self.draw_task());
                Kind::Submit {
                    bodies: bodies.collect(),
                }
            }
        }
    }

    /// Whether more would only wait.
    pub(crate) fn is_busy(&self) -> bool {
        let live = self.master.process.as_ref();
        live.is_none_or(|process| process.owner.state().live_tasks() > self.options.live_most)
    }

    /// The task itself, or an element if it is an array.
    fn draw_unit(&mut self, task: u64) -> Key {
        let id = TaskId(task);
        match self.ledger.elements(task) {
            Some(count) => id.element(self.chance.below(u64::from(count)) as u32),
            None => id.key(),
        }
    }

    /// Many tasks at once that take no time, some of which nobody needs any more after a while; or
    /// a large array of them.
    fn draw_crowd(&mut self) -> Kind {
        let array = self.chance.percent(10);
        let count = if array {
            1
        } else {
            self.chance.between(1, CROWD)
        };
        let group = format!("g{}", self.chance.index(self.options.groups));
        let bodies = (0..count).map(|_| {
            self.last_number += 1;
            self.ledger.expect(self.last_number);
            let work = Work {
                number: self.last_number,
                deed: Deed::Succeed,
                millis: 0,
            };
            let expires = array || self.chance.percent(70);
            let spec = proto::TaskSpec {
                group: group.clone(),
                count: array.then(|| self.chance.between(1, ELEMENTS) as u32),
                expires_in_us: expires.then(|| self.chance.between(1, 40 * SECOND)),
                payload: Some(work.payload()),
                ..proto::TaskSpec::default()
            };
            spec.encode_to_vec().into()
        });
        Kind::Submit {
            bodies: bodies.collect(),
        }
    }

    fn draw_task(&mut self) -> Bytes {
        let chance = &mut self.chance;
        let mut spec = proto::TaskSpec {
            group: format!("g{}", chance.index(self.options.groups)),
            priority: Some(chance.between(1, 9) as u32),
            max_attempts: Some(chance.between(1, 3) as u32),
            max_lost: Some(chance.below(4) as u32),
            ..proto::TaskSpec::default()
        };
        if chance.percent(15) {
            // The content follows from the key, most of the time.
            let (key, variant) = (chance.below(DEDUP_KEYS), u64::from(chance.percent(10)));
            let number = DEDUP_NUMBERS + key * 2 + variant;
            let mut own = crate::chance::Chance::new(number);
            spec.group = "g0".to_owned();
            (spec.priority, spec.max_attempts) = (None, None);
            spec.dedup_key = Some(format!("key {key}"));
            spec.payload = Some(Work::draw(&mut own, number, false).payload());
            self.ledger.expect(number);
            return spec.encode_to_vec().into();
        }
        if chance.percent(10) {
            spec.delay_us = Some(chance.below(20 * SECOND));
        }
        if chance.percent(5) {
            spec.expires_in_us = Some(chance.between(1, 60 * SECOND));
        }
        if chance.percent(8) {
            spec.count = Some(chance.between(1, 6) as u32);
        }
        self.last_number += 1;
        let work = Work::draw(chance, self.last_number, !self.options.calm);
        spec.payload = Some(work.payload());
        self.ledger.expect(work.number);
        spec.encode_to_vec().into()
    }
}
