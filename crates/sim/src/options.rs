//! What a seed draws: how large its world is, and how bad.

use crate::chance::Chance;
use crate::clock::{MS, SECOND, Time};

/// What clocks may be fast or slow by where masters take over from each other, in millionths: the
/// margin must cover three of them then. Real ones are fifty times better.
const SHARED_DRIFT: i64 = 10_000;

/// Seeds, in a hundred, in which clients start runs of workflows besides tasks.
const FLOW_PERCENT: u64 = 40;

/// Live tasks where states stay small: more would only wait.
const FEW: u64 = 60;
/// Calm seeds, in a hundred, in which thousands of tasks live at a time: each of them takes as long
/// as twenty others.
const CROWDED_PERCENT: u64 = 40;
/// Until when clients ask for more in those: long enough to fill them more than once.
const CROWDED_UNTIL: Time = 100 * SECOND;

/// One simulation's parameters, all drawn from its seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which simulation.
    pub seed: u64,
    /// Runs long with hardly any faults, so that state grows.
    pub calm: bool,
    /// Workers, each on a host of its own.
    pub workers: usize,
    /// Workers that have nothing but an HTTP client.
    pub pollers: usize,
    /// Pods; workers are dealt out over them.
    pub pods: usize,
    /// Slots of each pod.
    pub slots: u32,
    /// Attempts that each worker takes at once.
    pub concurrency: u32,
    /// Groups; every worker serves all.
    pub groups: usize,
    /// Clients.
    pub clients: usize,
    /// The mean pause between two calls of a client, in microseconds.
    pub call_pause: Time,
    /// When faults and calls stop, in microseconds.
    pub until: Time,
    /// The mean pause between two faults, in microseconds.
    pub fault_pause: Time,
    /// A worker's lease, in microseconds.
    pub lease_ttl: Time,
    /// The longest that a message travels, in microseconds.
    pub delay_max: Time,
    /// The size of the journal's segments, in bytes.
    pub segment_bytes: u64,
    /// How far clocks may be fast or slow, in millionths.
    pub drift: i64,
    /// In how many of a hundred cases a call or its answer is lost.
    pub loss: u64,
    /// The longest sync, in microseconds.
    pub sync_max: Time,
    /// Bytes that the store may lag behind before new tasks are refused.
    pub lag_max: usize,
    /// Two masters contend for a journal that both can reach, instead of one with a file.
    pub shared: bool,
    /// Workflows whose runs clients start, besides tasks.
    pub flows: usize,
    /// Live tasks from which on clients submit no more.
    pub live_most: u64,
}

impl Options {
    /// Those of a seed.
    pub fn draw(seed: u64) -> Options {
        let chance = &mut Chance::new(seed ^ 0x0b71_0125);
        // Neighbouring seeds shall not begin alike.
        chance.next();
        let calm = chance.percent(12);
        let choose = |chance: &mut Chance, values: &[u64]| values[chance.index(values.len())];
        let pods = chance.between(1, 3) as usize;
        let mut options = Options {
            seed,
            calm,
            workers: pods + chance.below(3) as usize,
            pods,
            slots: chance.between(1, 3) as u32,
            concurrency: chance.between(1, 4) as u32,
            groups: chance.between(1, 3) as usize,
            clients: chance.between(1, 3) as usize,
            call_pause: choose(chance, &[150 * MS, 500 * MS, 2 * SECOND]),
            until: match calm {
                true => chance.between(200, 600) * SECOND,
                false => chance.between(40, 150) * SECOND,
            },
            fault_pause: match calm {
                true => 120 * SECOND,
                false => choose(chance, &[SECOND, 3 * SECOND, 8 * SECOND]),
            },
            lease_ttl: choose(chance, &[SECOND, 3 * SECOND, 15 * SECOND]),
            delay_max: choose(chance, &[2 * MS, 20 * MS, 150 * MS]),
            segment_bytes: choose(chance, &[8 << 10, 32 << 10, 256 << 10]),
            drift: [0, 10_000, 40_000][chance.index(3)],
            loss: if calm { 0 } else { chance.below(25) },
            sync_max: choose(chance, &[MS, 5 * MS, 40 * MS]),
            lag_max: choose(chance, &[4 << 10, 64 << 10, 256 << 20]) as usize,
            shared: chance.percent(30),
            pollers: chance.below(6).saturating_sub(3) as usize,
            flows: 0,
            live_most: FEW,
        };
        if chance.percent(FLOW_PERCENT) {
            options.flows = chance.between(1, 3) as usize;
        }
        if calm && chance.percent(CROWDED_PERCENT) {
            options.live_most = chance.between(2_000, 5_000);
            options.until = CROWDED_UNTIL;
        }
        if options.shared {
            options.drift = options.drift.min(SHARED_DRIFT);
        }
        options
    }

    /// Whether thousands of tasks live at a time.
    pub fn crowded(&self) -> bool {
        self.live_most > FEW
    }

    /// How long the leader may act on an unconfirmed leadership.
    pub fn term(&self) -> Time {
        self.lease_ttl * 2 / 15
    }

    /// What clocks may differ by while a lease lasts. It covers the drift of both sides.
    pub fn margin(&self) -> Time {
        self.lease_ttl / 15
    }
}
