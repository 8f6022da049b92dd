//! What goes wrong, and how it is put right again.

use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Arc;

use capataz_journal::disk::Disk;
use capataz_journal::disk::faulty::Operation;
use capataz_journal::{FileJournal, OpenError};
use capataz_server::owner::Token;

use crate::client::{CallId, Kind};
use crate::clock::{SECOND, Time};
use crate::figures::Fault;
use crate::recovery::file_options;
use crate::world::{Happening, World};

/// Kinds that the agenda draws from, with their weights; the others follow from options and tasks.
const DRAWN: [(Fault, u64); 25] = [
    (Fault::MasterPowerCut, 8),
    (Fault::MasterKill, 8),
    (Fault::MasterPause, 5),
    (Fault::FailedSync, 3),
    (Fault::FailedWrite, 3),
    (Fault::DiskFull, 3),
    (Fault::SlowAppend, 4),
    (Fault::SlowStore, 4),
    (Fault::Rival, 2),
    (Fault::WorkerKill, 8),
    (Fault::WorkerPause, 8),
    (Fault::WorkerGone, 1),
    (Fault::PollerKill, 3),
    (Fault::PollerPause, 4),
    (Fault::HostFreeze, 5),
    (Fault::WorkerDrain, 4),
    (Fault::PartitionUp, 6),
    (Fault::PartitionDown, 6),
    (Fault::PartitionBoth, 6),
    (Fault::PartitionTwice, 5),
    (Fault::ConnectionBreak, 10),
    (Fault::RetryStorm, 4),
    (Fault::ClockJump, 4),
    (Fault::CrashInAppend, 5),
    (Fault::Takeover, 8),
];
/// How far a clock jumps at the most: beyond what a leader follows.
const JUMP: i64 = 3_600 * SECOND as i64;

/// How long a disk is full at the most: longer than it takes to fill what is left of a segment.
const FULL: Time = 60 * SECOND;
/// How long a REST worker stands still at the most.
const FORGOTTEN: Time = 150 * SECOND;
/// Calls that each client repeats in a storm.
const STORMED: usize = 20;

impl World {
    /// Whether faults may happen now.
    pub(crate) fn trouble(&self) -> bool {
        self.started && self.calm_since.is_none()
    }

    /// Counts a fault that somebody meets.
    pub(crate) fn fault(&mut self, fault: Fault, victim: impl Display) {
        self.figures.count(fault);
        self.say(|| format!("fault: {} of {victim}", fault.name()));
    }

    /// The master that something happens to.
    pub(crate) fn this_master(&self) -> String {
        format!("master {}", self.master.generation)
    }

    /// Counts what the master's disk has done to it.
    pub(crate) fn count_disk_faults(&mut self) {
        let met = self.master.disk.take_met();
        let kinds = [
            (Fault::FailedSync, met.failed_syncs),
            (Fault::FailedWrite, met.failed_writes),
            (Fault::LostWrite, met.losses),
            (Fault::TornWrite, met.tears),
        ];
        for (fault, times) in kinds {
            (0..times).for_each(|_| self.fault(fault, "the disk"));
        }
    }

    /// The next fault, and when the one after comes.
    pub(crate) fn next_fault(&mut self) {
        if !self.trouble() {
            return;
        }
        let total = DRAWN.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.chance.below(total);
        for (fault, weight) in DRAWN {
            if drawn < weight {
                self.strike(fault);
                break;
            }
            drawn -= weight;
        }
        let pause = self.chance.below(self.options.fault_pause * 2);
        self.plan(self.now + pause, Happening::Fault);
    }

    fn strike(&mut self, fault: Fault) {
        let worker = self.chance.index(self.workers.len());
        match fault {
            Fault::WorkerKill
            | Fault::WorkerPause
            | Fault::WorkerGone
            | Fault::HostFreeze
            | Fault::WorkerDrain
            | Fault::PartitionUp
            | Fault::PartitionDown
            | Fault::PartitionBoth
            | Fault::PartitionTwice => self.strike_worker(fault, worker),
            Fault::PollerKill | Fault::PollerPause => self.strike_poller(fault),
            Fault::ConnectionBreak => self.strike_connection(),
            Fault::RetryStorm => self.storm(),
            Fault::ClockJump => {
                let by = self.chance.below(JUMP as u64 * 2) as i64 - JUMP;
                if let Some(process) = &mut self.master.process {
                    process.pace.jumps += 1;
                    self.fault(fault, self.this_master());
                }
                self.master.clock.offset += if self.chance.percent(50) {
                    by
                } else {
                    by / 200
                };
            }
            _ if self.master.process.is_none() => {}
            _ => self.strike_master(fault),
        }
    }

    fn strike_worker(&mut self, fault: Fault, index: usize) {
        let until = self.now + self.span();
        let others = self.workers.iter().filter(|worker| !worker.gone).count() - 1;
        let worker = &mut self.workers[index];
        let link = &mut self.network.links[index];
        match fault {
            Fault::WorkerPause if worker.process.is_some() => worker.paused_until = until,
            Fault::HostFreeze => {
                worker.frozen_until = until;
                for sandbox in worker.sandboxes.values_mut() {
                    sandbox.frozen = true;
                }
            }
            Fault::PartitionUp => link.up_blocked = until,
            Fault::PartitionDown => link.down_blocked = until,
            // Late answers get through, and then nothing at all.
            Fault::PartitionTwice => {
                let pause = self.chance.below(self.options.lease_ttl / 2);
                link.down_blocked = self.now + pause;
                self.plan(self.now + pause + SECOND / 10, Happening::CutOff(index));
            }
            Fault::PartitionBoth => (link.up_blocked, link.down_blocked) = (until, until),
            Fault::WorkerKill if worker.process.is_some() => {
                self.fault(fault, format_args!("w{index}"));
                return self.kill_worker(index);
            }
            // Somebody has to be left to do the work.
            Fault::WorkerGone if worker.process.is_some() && others > 0 => {
                worker.gone = true;
                self.fault(fault, format_args!("w{index}"));
                return self.kill_worker(index);
            }
            Fault::WorkerDrain if worker.process.is_some() && worker.asleep_until() <= self.now => {
                self.fault(fault, format_args!("w{index}"));
                let patience = std::time::Duration::from_micros(self.chance.below(5 * SECOND));
                return self.drain_worker(index, patience);
            }
            _ => return,
        }
        self.fault(fault, format_args!("w{index}"));
    }

    /// A worker's host can reach nobody for longer than a lease.
    pub(crate) fn cut_off(&mut self, index: usize) {
        if self.trouble() {
            let until = self.now + self.options.lease_ttl * 2;
            let link = &mut self.network.links[index];
            (link.up_blocked, link.down_blocked) = (until, until);
        }
    }

    /// A time that is often shorter and often longer than a lease.
    fn span(&mut self) -> Time {
        let ttl = self.options.lease_ttl;
        match self.chance.percent(50) {
            true => self.chance.below(ttl),
            false => self.chance.below(ttl * 3),
        }
    }

    /// All clients repeat what they asked for lately, answered or not, many times at once.
    fn storm(&mut self) {
        self.fault(Fault::RetryStorm, "all clients");
        for client in 0..self.clients.len() {
            let calls = self.clients[client].calls.len();
            for call in calls.saturating_sub(STORMED)..calls {
                for _ in 0..self.chance.between(2, 8) {
                    let at = self.now + self.chance.below(self.options.delay_max);
                    self.plan(at, Happening::CallArrives(CallId { client, call }));
                }
            }
        }
    }

    fn strike_poller(&mut self, fault: Fault) {
        if self.pollers.is_empty() {
            return;
        }
        let index = self.chance.index(self.pollers.len());
        self.fault(fault, format_args!("r{index}"));
        match fault {
            Fault::PollerKill => self.kill_poller(index),
            _ => {
                let pause = match self.chance.percent(30) {
                    // Longer than the master remembers who polls.
                    true => self.chance.below(FORGOTTEN),
                    false => self.span(),
                };
                match self.chance.percent(50) {
                    true => self.pollers[index].pause_next = Some(pause),
                    false => self.pollers[index].pause(self.now + pause),
                }
            }
        }
    }

    fn strike_connection(&mut self) {
        let open: Vec<u64> = self.network.connections.keys().copied().collect();
        if open.is_empty() {
            return;
        }
        let id = open[self.chance.index(open.len())];
        let worker = self.network.connections[&id].worker;
        self.fault(
            Fault::ConnectionBreak,
            format_args!("{id}, that of w{worker}"),
        );
        self.break_connection(id);
    }

    fn strike_master(&mut self, fault: Fault) {
        let of_disk = [
            Fault::CrashInAppend,
            Fault::FailedSync,
            Fault::FailedWrite,
            Fault::DiskFull,
            Fault::Rival,
        ];
        if self.shared.is_some() && of_disk.contains(&fault) {
            return;
        }
        let until = self.now + self.span();
        match fault {
            Fault::MasterPowerCut | Fault::MasterKill => {
                self.fault(fault, self.this_master());
                self.stop_master(fault == Fault::MasterPowerCut);
            }
            // The next append is cut somewhere.
            Fault::CrashInAppend => self.crash_next = true,
            Fault::MasterPause => {
                self.fault(fault, self.this_master());
                self.master.paused_until = until;
            }
            // Whatever follows counts when somebody meets it.
            Fault::FailedSync | Fault::FailedWrite => {
                let operation = match fault {
                    Fault::FailedSync => Operation::Sync,
                    _ => Operation::Write,
                };
                let nth = self.chance.between(1, 6);
                self.master.disk.fail(operation, nth, ErrorKind::Other);
            }
            Fault::DiskFull => self.fill_disk(),
            Fault::SlowAppend => self.master.slow_appends_until = until,
            Fault::SlowStore => self.master.slow_store_until = until,
            Fault::Rival => self.knock(),
            Fault::Takeover => self.take_over(),
            _ => {}
        }
    }

    fn fill_disk(&mut self) {
        let disk = &self.master.disk;
        let used: usize = disk
            .list()
            .into_iter()
            .flatten()
            .filter_map(|name| disk.contents(&name).ok())
            .map(|contents| contents.len())
            .sum();
        let room = self.chance.below(self.options.segment_bytes);
        disk.set_capacity(Some(used as u64 + room));
        let pause = self.chance.below(FULL);
        self.plan(self.now + pause, Happening::RoomAgain);
    }

    /// Another process wants to lead on the same disk: the lock refuses it, and nothing changes.
    fn knock(&mut self) {
        self.fault(Fault::Rival, self.this_master());
        let options = file_options(self.options.segment_bytes);
        let changes = self.master.disk.changes();
        let opened = FileJournal::open_on(Arc::new(self.master.disk.clone()), options);
        if !matches!(opened, Err(OpenError::Locked { .. })) {
            self.violate("a rival opened a journal that is in use".to_owned());
        }
        if self.master.disk.changes() != changes {
            self.violate("a rival that was refused changed the disk".to_owned());
        }
    }

    /// Faults stop; clients make no new calls and are answered those they have made.
    pub(crate) fn calm_down(&mut self) {
        self.say(|| "faults stop".to_owned());
        self.calm_since = Some(self.now);
        self.master.disk.heal();
        self.master.disk.set_capacity(None);
        (self.master.slow_appends_until, self.master.slow_store_until) = (0, 0);
        (self.rival.slow_appends_until, self.rival.slow_store_until) = (0, 0);
        self.crash_next = false;
        for index in 0..self.pollers.len() {
            let latest = self.now + self.options.lease_ttl * 3;
            let poller = &mut self.pollers[index];
            poller.pause_next = None;
            if poller.paused_until > latest {
                poller.paused_until = latest;
                self.plan_look(index, latest);
            }
        }
    }

    /// Operators lift what holds tasks back, when no earlier call can undo it.
    pub(crate) fn tidy_up(&mut self) {
        self.tidied = true;
        for group in 0..self.options.groups {
            let kind = Kind::SetGroup {
                group,
                paused: false,
                max_running: None,
            };
            self.call(0, kind);
        }
        for run in self.ledger.paused_runs() {
            self.call(0, Kind::PauseRun { run, on: false });
        }
    }

    /// Operators look after pods whose worker never comes back: when nothing of its attempts is
    /// left they say so.
    pub(crate) fn release_pods(&mut self) {
        for (pod, held) in self.ledger.held() {
            let sandboxes = self.workers.iter();
            let sandboxes = sandboxes.flat_map(|worker| worker.sandboxes.values());
            let polled = self.pollers.iter().flat_map(|poller| poller.running(true));
            let mut tokens: Vec<Token> = polled.collect();
            tokens.extend(sandboxes.map(|sandbox| (sandbox.key, sandbox.attempt)));
            if !tokens.iter().any(|token| held.contains(token)) {
                self.call(0, Kind::ReleasePod { pod });
            }
        }
    }
}
