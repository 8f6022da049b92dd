//! The thread that projects batches into the store. One transaction takes all that has come in
//! while the last one ran.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use capataz_journal::Position;
use tokio::sync::watch;

use super::gauges::Gauges;
use super::journal_thread::JournalRequest;
use super::open::Retention;
use super::owner_thread::Message;
use crate::clock::HostClock;
use crate::owner::Input;
use crate::store::{Batch, Keep, ProjectError, Projector};

/// How long the thread sleeps when nothing comes.
const IDLE: Duration = Duration::from_millis(500);
/// How long a transaction waits for more to come: replies and dispatches of what has just become
/// durable have the processor first.
const GATHER: Duration = Duration::from_millis(2);
/// How long it waits before it tries again on a full disk.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of batches that one transaction takes: readers see progress, and memory is bounded.
const TRANSACTION_BYTES: usize = 32 << 20;
/// How often the store is synced, verified and the journal trimmed below it.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// How often retention is looked at.
const RETENTION: Duration = Duration::from_secs(60);

pub(super) struct StoreThread {
    pub(super) projector: Projector,
    pub(super) batches: Receiver<Batch>,
    pub(super) owner: Sender<Message>,
    pub(super) journal: Sender<JournalRequest>,
    pub(super) projected: watch::Sender<Position>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) retention: Retention,
    pub(super) clock: HostClock,
    pub(super) checkpointed: Instant,
    pub(super) retained: Instant,
    /// Something was projected since the last checkpoint.
    pub(super) dirty: bool,
    /// Retention has more to do.
    pub(super) retaining: bool,
}

impl StoreThread {
    /// Runs until no batch will come any more; a failure is told to the owner.
    pub(super) fn run(mut self) {
        if let Err(error) = self.serve() {
            let reason = format!("the store failed: {error}");
            // The owner may be gone already; then nobody is left to tell.
            let _ = self.owner.send(Message::Fatal(reason));
        }
    }

    fn serve(&mut self) -> Result<(), ProjectError> {
        self.check_quota()?;
        loop {
            let mut batches = Vec::new();
            let over = match self.batches.recv_timeout(self.patience()) {
                Ok(batch) => {
                    std::thread::sleep(GATHER);
                    self.fill(batch, &mut batches);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            self.project(batches)?;
            self.checkpoint(over)?;
            self.retain()?;
            if over {
                return Ok(());
            }
        }
    }

    /// While retention has more to do its next step follows at once.
    fn patience(&self) -> Duration {
        if self.retaining { Duration::ZERO } else { IDLE }
    }

    fn fill(&mut self, first: Batch, batches: &mut Vec<Batch>) {
        let mut bytes = first.bytes;
        batches.push(first);
        while bytes < TRANSACTION_BYTES {
            let Ok(batch) = self.batches.try_recv() else {
                break;
            };
            bytes += batch.bytes;
            batches.push(batch);
        }
    }

    /// Projects batches, trying again for as long as the disk is full.
    fn project(&mut self, batches: Vec<Batch>) -> Result<(), ProjectError> {
        if batches.is_empty() {
            return Ok(());
        }
        let oldest = batches.iter().find_map(|batch| batch.events.first());
        Gauges::set(
            &self.gauges.oldest_unprojected,
            oldest.map_or(0, |event| event.at.0),
        );
        let mut result = self.projector.project(batches);
        while let Err(ProjectError::NoSpace { .. }) = result {
            self.set_full(true);
            if self.gauges.stopped.load(Ordering::Acquire) {
                // The journal has it all: the next start goes on from there.
                return Ok(());
            }
            std::thread::sleep(FULL_PAUSE);
            result = self.projector.project(Vec::new());
        }
        let position = result?;
        self.dirty = true;
        Gauges::set(&self.gauges.oldest_unprojected, 0);
        Gauges::set(&self.gauges.store_position, position.get());
        self.projected.send_replace(position);
        let _ = self.owner.send(Message::Input(Input::Projected(position)));
        Ok(())
    }

    /// Syncs and verifies the store now and then, lets the journal go below it, and looks whether
    /// there is room: also when nothing happens, or a namespace that was full would stay so.
    fn checkpoint(&mut self, now: bool) -> Result<(), ProjectError> {
        if !now && self.checkpointed.elapsed() < CHECKPOINT {
            return Ok(());
        }
        self.checkpointed = Instant::now();
        if self.dirty {
            let result = self.projector.checkpoint();
            let Some(trimmable) = self.unless_full(result)? else {
                return Ok(());
            };
            self.dirty = false;
            if let Some(trimmable) = trimmable {
                // Fails only while the namespace stops.
                let _ = self.journal.send(JournalRequest::Trim(trimmable));
            }
        }
        self.check_quota()
    }

    fn retain(&mut self) -> Result<(), ProjectError> {
        if !self.retaining && self.retained.elapsed() < RETENTION {
            return Ok(());
        }
        let Retention {
            max_age,
            max_finished: max_tasks,
            max_runs,
            ..
        } = self.retention;
        let keep = Keep {
            max_age,
            max_tasks,
            max_runs,
        };
        let now = self.clock.now().wall;
        // One bounded step at a time: batches that come meanwhile do not wait for all of it.
        let result = self.projector.retain(now, &keep);
        let done = self.unless_full(result)?.unwrap_or(true);
        self.retaining = !done;
        if done {
            self.retained = Instant::now();
        }
        Ok(())
    }

    /// A full disk is no failure: what could not be done now is done later.
    fn unless_full<T>(&self, result: Result<T, ProjectError>) -> Result<Option<T>, ProjectError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(ProjectError::NoSpace { .. }) => {
                self.set_full(true);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn check_quota(&mut self) -> Result<(), ProjectError> {
        let used = self.projector.disk_bytes()?;
        let free = rustix::fs::statvfs(self.projector.dir())
            .map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
            .unwrap_or(u64::MAX);
        let journal = folder_bytes(&self.projector.dir().join(super::open::JOURNAL));
        Gauges::set(&self.gauges.disk_bytes, used);
        Gauges::set(&self.gauges.disk_quota, self.retention.quota);
        Gauges::set(&self.gauges.journal_bytes, journal);
        Gauges::set(&self.gauges.disk_free, free);
        let over_quota = used.saturating_add(journal) > self.retention.quota;
        self.set_full(over_quota || free < self.retention.reserve);
        Ok(())
    }

    fn set_full(&self, full: bool) {
        let before = self.gauges.store_full.swap(full, Ordering::Relaxed);
        if before != full {
            if full {
                tracing::error!("the disk or its quota is full: new tasks are refused");
            }
            let _ = self.owner.send(Message::Input(Input::StoreRoom(!full)));
        }
    }
}

/// Bytes of the files in a folder; 0 when there is no such folder.
fn folder_bytes(dir: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = |file: std::fs::DirEntry| file.metadata().map_or(0, |file| file.len());
    files.map(bytes).sum()
}
