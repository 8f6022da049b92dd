//! Connections between workers and the master: frames in order, delayed, held back, cut off.

use std::collections::{BTreeMap, VecDeque};

use capataz_api::proto;
use capataz_engine::WorkerId;

use crate::clock::{SECOND, Time};
use crate::figures::Fault;
use crate::world::{Happening, World};

/// How long a connection takes at the most until its first frame has arrived: longer than the ten
/// seconds after which a worker gives it up and makes another.
const SLOW_HELLO: Time = 20 * SECOND;

/// What travels to the master.
#[derive(Debug)]
pub(crate) enum Up {
    Frame(Box<proto::WorkerFrame>),
    Closed,
}

/// What travels to a worker.
#[derive(Debug)]
pub(crate) enum Down {
    Frame(Box<proto::MasterFrame>),
    Closed,
}

/// One connection. Each direction keeps its order.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) worker: usize,
    pub(crate) life: u64,
    up: VecDeque<(Time, Up)>,
    down: VecDeque<(Time, Down)>,
    /// The generation of the master that it leads to.
    pub(crate) master: u64,
    /// Who it is, once the master has said welcome.
    pub(crate) session: Option<WorkerId>,
    pub(crate) master_open: bool,
    /// Nothing new gets through.
    broken: bool,
}

/// What a worker's host can reach: until when each direction is blocked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) up_blocked: Time,
    pub(crate) down_blocked: Time,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) links: Vec<Link>,
    pub(crate) last: u64,
}

impl World {
    /// Opens a connection; the first frame is on its way.
    pub(crate) fn connect(&mut self, worker: usize, hello: proto::WorkerFrame) -> u64 {
        self.network.last += 1;
        let id = self.network.last;
        let master = self.any_master();
        let connection = Connection {
            worker,
            life: self.workers[worker].life,
            up: VecDeque::new(),
            down: VecDeque::new(),
            master,
            session: None,
            master_open: true,
            broken: false,
        };
        self.network.connections.insert(id, connection);
        if self.trouble() && self.chance.percent(4) {
            // It may arrive when its process has long been replaced.
            self.fault(
                Fault::SlowHello,
                format_args!("connection {id} of w{worker}"),
            );
            let at = self.now + self.chance.below(SLOW_HELLO);
            if let Some(connection) = self.network.connections.get_mut(&id) {
                connection.up.push_back((at, Up::Frame(Box::new(hello))));
            }
            self.plan(at, Happening::Pump(id));
            return id;
        }
        self.send_up(id, Up::Frame(Box::new(hello)));
        id
    }

    fn delay(&mut self) -> Time {
        self.chance.between(50, self.options.delay_max)
    }

    pub(crate) fn send_up(&mut self, id: u64, message: Up) {
        let at = self.now + self.delay();
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if connection.broken {
            return;
        }
        let at = at.max(connection.up.back().map_or(0, |(last, _)| *last));
        connection.broken |= matches!(message, Up::Closed);
        connection.up.push_back((at, message));
        self.plan(at, Happening::Pump(id));
    }

    pub(crate) fn send_down(&mut self, id: u64, message: Down) {
        let at = self.now + self.delay();
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if connection.broken {
            return;
        }
        let at = at.max(connection.down.back().map_or(0, |(last, _)| *last));
        connection.down.push_back((at, message));
        self.plan(at, Happening::Pump(id));
    }

    /// The master's end closes: the worker hears of it after all that was said before.
    pub(crate) fn close_at_master(&mut self, id: u64) {
        self.send_down(id, Down::Closed);
        if let Some(connection) = self.network.connections.get_mut(&id) {
            connection.master_open = false;
            connection.broken = true;
        }
    }

    /// A connection breaks: part of what was on its way arrives, and each end finds out by itself.
    pub(crate) fn break_connection(&mut self, id: u64) {
        let (up_at, down_at) = (
            self.now + self.chance.below(3_000_000),
            self.now + self.chance.below(3_000_000),
        );
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        let keep_up = self.chance.index(connection.up.len() + 1);
        let keep_down = self.chance.index(connection.down.len() + 1);
        connection.up.truncate(keep_up);
        connection.down.truncate(keep_down);
        let up_at = up_at.max(connection.up.back().map_or(0, |(last, _)| *last));
        let down_at = down_at.max(connection.down.back().map_or(0, |(last, _)| *last));
        connection.up.push_back((up_at, Up::Closed));
        connection.down.push_back((down_at, Down::Closed));
        connection.broken = true;
        self.plan(up_at, Happening::Pump(id));
        self.plan(down_at, Happening::Pump(id));
    }

    /// The master's process is gone, and all its connections with it.
    pub(crate) fn break_all(&mut self, generation: u64, longest: Time) {
        let connections = self.network.connections.iter();
        let ids: Vec<u64> = connections
            .filter(|(_, connection)| connection.master == generation)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let at = self.now + self.chance.below(longest);
            let Some(connection) = self.network.connections.get_mut(&id) else {
                continue;
            };
            let keep = self.chance.index(connection.down.len() + 1);
            connection.up.clear();
            connection.down.truncate(keep);
            let at = at.max(connection.down.back().map_or(0, |(last, _)| *last));
            connection.down.push_back((at, Down::Closed));
            (connection.master_open, connection.broken) = (false, true);
            self.plan(at, Happening::Pump(id));
        }
    }

    /// Delivers what is due on a connection and can get through.
    pub(crate) fn pump(&mut self, id: u64) {
        loop {
            let Some(connection) = self.network.connections.get(&id) else {
                return;
            };
            let worker = connection.worker;
            let link = self.network.links[worker];
            let up = connection.up.front().map(|(at, _)| *at);
            let asleep = match connection.master == self.rival.generation {
                true => self.rival.paused_until,
                false => self.master.paused_until,
            };
            let up = up.map(|at| at.max(link.up_blocked).max(asleep));
            let down = connection.down.front().map(|(at, _)| *at);
            let asleep = self.workers[worker].asleep_until();
            let down = down.map(|at| at.max(link.down_blocked).max(asleep));
            if up.is_some_and(|at| at <= self.now) {
                self.deliver_up(id);
            } else if down.is_some_and(|at| at <= self.now) {
                self.deliver_down(id);
            } else {
                let Some(next) = [up, down].into_iter().flatten().min() else {
                    return;
                };
                return self.plan(next, Happening::Pump(id));
            }
        }
    }

    fn deliver_up(&mut self, id: u64) {
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        let Some((_, message)) = connection.up.pop_front() else {
            return;
        };
        if !connection.master_open {
            return;
        }
        let generation = connection.master;
        match self.lives(generation) {
            true => self.with_master(generation, |world| world.master_takes(id, message)),
            // Nobody listens there.
            false => self.close_at_master(id),
        }
    }

    fn deliver_down(&mut self, id: u64) {
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        let (worker, life) = (connection.worker, connection.life);
        let Some((_, message)) = connection.down.pop_front() else {
            return;
        };
        if let Down::Closed = message
            && !connection.master_open
        {
            self.network.connections.remove(&id);
        }
        self.worker_takes(worker, life, id, message);
    }
}
