//! What goes wrong, and how it is put right again.

use std::io::ErrorKind;
use std::sync::Arc;

use capataz_journal::disk::Disk;
use capataz_journal::disk::faulty::Operation;
use capataz_journal::{FileJournal, FileOptions, OpenError};

use crate::client::Kind;
use crate::clock::{SECOND, Time};
use crate::figures::Fault;
use crate::world::{Happening, World};

/// Kinds that the agenda draws from, with their weights; the others follow from options and tasks.
const DRAWN: [(Fault, u64); 19] = [
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
    (Fault::HostFreeze, 5),
    (Fault::WorkerDrain, 4),
    (Fault::PartitionUp, 6),
    (Fault::PartitionDown, 6),
    (Fault::PartitionBoth, 6),
    (Fault::ConnectionBreak, 10),
    (Fault::ClockJump, 4),
    (Fault::CrashInAppend, 5),
];
/// How far a clock jumps at the most: beyond what a leader follows.
const JUMP: i64 = 3_600 * SECOND as i64;

impl World {
    /// Whether faults may happen now.
    pub(crate) fn trouble(&self) -> bool {
        self.started && self.calm_since.is_none()
    }

    /// Counts a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.figures.count(fault);
        self.say(|| format!("fault: {}", fault.name()));
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
            | Fault::HostFreeze
            | Fault::WorkerDrain
            | Fault::PartitionUp
            | Fault::PartitionDown
            | Fault::PartitionBoth => self.strike_worker(fault, worker),
            Fault::ConnectionBreak => self.strike_connection(),
            Fault::ClockJump => {
                self.fault(fault);
                let by = self.chance.below(JUMP as u64 * 2) as i64 - JUMP;
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
            Fault::PartitionBoth => (link.up_blocked, link.down_blocked) = (until, until),
            Fault::WorkerKill if worker.process.is_some() => {
                self.fault(fault);
                return self.kill_worker(index);
            }
            Fault::WorkerDrain if worker.process.is_some() && worker.asleep_until() <= self.now => {
                self.fault(fault);
                let patience = std::time::Duration::from_micros(self.chance.below(5 * SECOND));
                return self.drain_worker(index, patience);
            }
            _ => return,
        }
        self.fault(fault);
    }

    /// A time that is often shorter and often longer than a lease.
    fn span(&mut self) -> Time {
        let ttl = self.options.lease_ttl;
        match self.chance.percent(50) {
            true => self.chance.below(ttl),
            false => self.chance.below(ttl * 3),
        }
    }

    fn strike_connection(&mut self) {
        let open: Vec<u64> = self.network.connections.keys().copied().collect();
        if open.is_empty() {
            return;
        }
        self.fault(Fault::ConnectionBreak);
        let id = open[self.chance.index(open.len())];
        self.break_connection(id);
    }

    fn strike_master(&mut self, fault: Fault) {
        let until = self.now + self.span();
        match fault {
            Fault::MasterPowerCut | Fault::MasterKill => {
                self.fault(fault);
                self.stop_master(fault == Fault::MasterPowerCut);
            }
            // The next append is cut somewhere.
            Fault::CrashInAppend => self.crash_next = true,
            Fault::MasterPause => {
                self.fault(fault);
                self.master.paused_until = until;
            }
            Fault::FailedSync | Fault::FailedWrite => {
                self.fault(fault);
                let operation = match fault {
                    Fault::FailedSync => Operation::Sync,
                    _ => Operation::Write,
                };
                let nth = self.chance.between(1, 6);
                self.master.disk.fail(operation, nth, ErrorKind::Other);
            }
            Fault::DiskFull => self.fill_disk(until),
            Fault::SlowAppend => {
                self.fault(fault);
                self.master.slow_appends_until = until;
            }
            Fault::SlowStore => {
                self.fault(fault);
                self.master.slow_store_until = until;
            }
            Fault::Rival => self.rival(),
            _ => {}
        }
    }

    fn fill_disk(&mut self, until: Time) {
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
        self.fault(Fault::DiskFull);
        self.plan(until, Happening::RoomAgain);
    }

    /// Another process wants to lead on the same disk: the lock refuses it, and nothing changes.
    fn rival(&mut self) {
        self.fault(Fault::Rival);
        let options = FileOptions {
            segment_bytes: self.options.segment_bytes,
            ..FileOptions::default()
        };
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
        self.crash_next = false;
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
    }
}
