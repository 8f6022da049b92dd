//! The attempts that run in this process, and the watch over their leases.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::clock::Boottime;
use crate::executor::{AttemptId, Reports};
use crate::logs::{LogChunk, LogTail, Stream, StreamBudget};
use crate::outcome::{Finished, Outcome};

/// How often deadlines are compared with the clock. A lease has seconds; a tenth of one is well
/// inside the margin that a master adds before it gives the task away.
const LEASE_CHECK: Duration = Duration::from_millis(100);

/// What is shared by one attempt's handler, its task and those who may stop it.
pub(super) struct Control {
    pub(super) id: AttemptId,
    reports: Arc<dyn Reports>,
    started: Instant,
    cancelled: AtomicBool,
    wake: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The outcome to report when the handler is dropped before its end.
    when_dropped: Option<Outcome>,
    over: bool,
    logs: Option<Box<Logs>>,
}

#[derive(Default)]
struct Logs {
    stdout: StreamBudget,
    stderr: StreamBudget,
    tail: LogTail,
}

impl Control {
    pub(super) fn new(id: AttemptId, reports: Arc<dyn Reports>) -> Control {
        Control {
            id,
            reports,
            started: Instant::now(),
            cancelled: AtomicBool::new(false),
            wake: Notify::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) async fn cancelled(&self) {
        let wake = self.wake.notified();
        if !self.is_cancelled() {
            wake.await;
        }
    }

    /// Asks the handler to end; `outcome` is reported if it has to be dropped.
    pub(super) fn cancel(&self, outcome: Outcome) {
        lock(&self.state).when_dropped = Some(outcome);
        self.cancelled.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    pub(super) fn log(&self, stream: Stream, text: &[u8]) {
        let mut state = lock(&self.state);
        if state.over {
            return;
        }
        let logs = state.logs.get_or_insert_default();
        let budget = match stream {
            Stream::Stdout => &mut logs.stdout,
            Stream::Stderr => &mut logs.stderr,
        };
        if let Some((offset, head)) = budget.take(text) {
            let chunk = LogChunk {
                stream,
                offset,
                bytes: Bytes::copy_from_slice(head),
            };
            logs.tail.push(chunk.clone());
            self.reports.log(self.id, chunk);
        }
    }

    /// Reports the end, once; later calls do nothing.
    pub(super) fn finish(&self, outcome: Outcome, output: Option<Bytes>) {
        let log_tail = {
            let mut state = lock(&self.state);
            if std::mem::replace(&mut state.over, true) {
                return;
            }
            state
                .logs
                .take()
                .map_or_else(LogTail::default, |logs| self.flush(*logs))
        };
        let mut finished = Finished {
            output,
            log_tail,
            ..Finished::bare(outcome)
        };
        finished.usage.wall = self.started.elapsed();
        self.reports.finished(self.id, finished);
    }

    fn flush(&self, mut logs: Logs) -> LogTail {
        let ends = [
            (Stream::Stdout, logs.stdout.finish()),
            (Stream::Stderr, logs.stderr.finish()),
        ];
        for (stream, end) in ends {
            if let Some((offset, bytes)) = end {
                let chunk = LogChunk {
                    stream,
                    offset,
                    bytes: bytes.into(),
                };
                logs.tail.push(chunk.clone());
                self.reports.log(self.id, chunk);
            }
        }
        logs.tail
    }

    fn dropped_outcome(&self) -> Outcome {
        lock(&self.state).when_dropped.take().unwrap_or_else(|| {
            Outcome::failed(
                crate::FailReason::Killed,
                "the worker shut down while it ran",
            )
        })
    }
}

/// Reports the end of an attempt even when its task is dropped: hold it for the task's life.
pub(super) struct Ending {
    pub(super) control: Arc<Control>,
    pub(super) table: Arc<Table>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.table.entries).running.remove(&self.control.id);
        // Does nothing when the handler came to its end and said so.
        self.control.finish(self.control.dropped_outcome(), None);
    }
}

/// All running attempts of one executor.
#[derive(Default)]
pub(super) struct Table {
    entries: Mutex<Entries>,
    watch: Notify,
}

#[derive(Default)]
struct Entries {
    running: HashMap<AttemptId, Entry>,
    watched: bool,
}

struct Entry {
    control: Arc<Control>,
    lease: Boottime,
    task: AbortHandle,
}

impl Table {
    /// Adds an attempt whose task `spawn` starts. The table is held meanwhile, so that a task that
    /// ends at once finds its entry to remove.
    pub(super) fn insert(
        &self,
        control: Arc<Control>,
        lease: Boottime,
        spawn: impl FnOnce() -> AbortHandle,
    ) {
        let mut entries = lock(&self.entries);
        let task = spawn();
        entries.running.insert(
            control.id,
            Entry {
                control,
                lease,
                task,
            },
        );
        if !std::mem::replace(&mut entries.watched, true) {
            self.watch.notify_one();
        }
    }

    pub(super) fn extend(&self, attempts: &[AttemptId], lease: Boottime) {
        let mut entries = lock(&self.entries);
        for id in attempts {
            if let Some(entry) = entries.running.get_mut(id) {
                entry.lease = entry.lease.max(lease);
            }
        }
    }

    /// Asks an attempt to end; false when it is unknown.
    pub(super) fn cancel(&self, id: AttemptId, outcome: Outcome) -> bool {
        let control = lock(&self.entries)
            .running
            .get(&id)
            .map(|entry| entry.control.clone());
        control.map(|control| control.cancel(outcome)).is_some()
    }

    /// Drops an attempt's handler where it stands.
    pub(super) fn abort(&self, id: AttemptId) {
        if let Some(entry) = lock(&self.entries).running.get(&id) {
            entry.task.abort();
        }
    }

    fn abort_overdue(&self) {
        let now = Boottime::now();
        for entry in lock(&self.entries).running.values() {
            if entry.lease <= now {
                entry.control.cancel(Outcome::LeaseLost);
                entry.task.abort();
            }
        }
    }

    /// True when nothing runs; the next insert then wakes the watch.
    fn rests(&self) -> bool {
        let mut entries = lock(&self.entries);
        entries.watched = !entries.running.is_empty();
        !entries.watched
    }
}

/// Aborts attempts whose lease has passed, until the table is gone. It sleeps while nothing runs.
pub(super) async fn watch(table: Weak<Table>) {
    let mut tick = tokio::time::interval(LEASE_CHECK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while let Some(table) = table.upgrade() {
        if table.rests() {
            // An insert always comes through an executor, whose drop wakes the watch as well.
            table.watch.notified().await;
        }
        table.abort_overdue();
        drop(table);
        tick.tick().await;
    }
}

impl Table {
    /// Wakes the watch so that it can see that its executor is gone.
    pub(super) fn wake(&self) {
        self.watch.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these is held leaves plain data behind, all of it usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
