//! Opening a namespace: what the store has, then what the journal has beyond it, then a new
//! leadership on top.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use capataz_engine::State;
use capataz_journal::disk::create_folders;
use capataz_journal::{
    Append, FileJournal, FileOptions, Journal, JournalId, MemoryJournal, Position, ReadError,
    Writer,
};
use tokio::sync::{Semaphore, oneshot, watch};

use super::appender::Appender;
use super::gauges::Gauges;
use super::handle::{ADMITTED_BYTES, Inner, Namespace};
use super::journal_thread::JournalThread;
use super::owner_thread::OwnerThread;
use super::store_thread::StoreThread;
use super::tokens::TokenKeeper;
use crate::clock::HostClock;
use crate::feed::Feed;
use crate::owner::{Owner, OwnerOptions, ToAppend};
use crate::record::{self, RecordError};
use crate::store::{self, Batch, LogStore, Projector, Store};

/// Bytes of journal that are replayed between two transactions of the store.
const REPLAY_BYTES: usize = 32 << 20;

/// The journal's folder, in the namespace's.
pub(super) const JOURNAL: &str = "journal";

/// How a namespace is set up.
#[derive(Clone, Debug, Default)]
pub struct NamespaceOptions {
    /// Leases, limits and back-pressure.
    pub owner: OwnerOptions,
    /// What is kept, and for how long.
    pub retention: Retention,
    /// Keeps the journal in memory: everything is lost with the process.
    pub in_memory: bool,
}

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Finished tasks older than this are deleted.
    pub max_age: Duration,
    /// Finished tasks beyond this number are deleted, the oldest first.
    pub max_finished: u64,
    /// Ended runs beyond this number are deleted, the oldest first, each with its steps, tasks and
    /// lines of the audit trail.
    pub max_runs: u64,
    /// Bytes on disk beyond which new tasks are refused.
    pub quota: u64,
    /// Bytes that are to stay free on the disk; below it new tasks are refused.
    pub reserve: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            max_age: Duration::from_secs(30 * 24 * 3600),
            max_finished: 50_000_000,
            // At some kilobytes each, a few gigabytes beside the tasks.
            max_runs: 1_000_000,
            quota: 200 << 30,
            reserve: 512 << 20,
        }
    }
}

/// Why a namespace does not open. Nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal is damaged, foreign or in use.
    #[error("the journal cannot be opened: {0}")]
    Journal(#[from] capataz_journal::OpenError),
    /// The journal cannot be read back.
    #[error("the journal cannot be replayed: {0}")]
    Replay(#[from] ReadError),
    /// A record cannot be understood.
    #[error("the journal's record at position {position} cannot be replayed: {cause}")]
    Record {
        /// Which.
        position: Position,
        /// What is wrong.
        cause: RecordError,
    },
    /// The store is damaged or foreign, and the journal does not reach back far enough to make it
    /// anew.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] store::OpenError),
    /// The store and the journal do not fit.
    #[error(transparent)]
    Position(#[from] store::PositionError),
    /// What the store holds is damaged.
    #[error("the store's entries cannot be loaded: {0}")]
    Load(#[from] store::LoadError),
    /// The replayed records cannot be written into the store.
    #[error("the store cannot catch up: {0}")]
    Project(#[from] store::ProjectError),
    /// The logs' file cannot be opened.
    #[error("the logs cannot be opened: {0}")]
    Logs(#[from] store::LogError),
    /// A damaged store could not be moved aside.
    #[error(transparent)]
    Aside(#[from] store::SetAsideError),
    /// The new leadership could not be recorded.
    #[error("the new leadership could not be recorded: {0}")]
    Epoch(String),
    /// A thread could not be started, or a folder not be made.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

/// A namespace with its threads.
pub struct RunningNamespace {
    handle: Namespace,
    owner: Option<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    failed: Option<oneshot::Receiver<Result<(), String>>>,
    /// The store's folder of a namespace in memory.
    _scratch: Option<tempfile::TempDir>,
}

impl RunningNamespace {
    /// Opens the namespace in `dir`. Blocks until everything acknowledged before is back.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(
        name: &str,
        dir: &Path,
        options: NamespaceOptions,
    ) -> Result<RunningNamespace, OpenError> {
        let scratch = options.in_memory.then(tempfile::tempdir).transpose()?;
        let dir: PathBuf = scratch
            .as_ref()
            .map_or(dir, |scratch| scratch.path())
            .to_owned();
        if !options.in_memory {
            // What is acknowledged in a folder is only as durable as the names above it.
            if let Some(namespaces) = dir.parent() {
                create_folders(namespaces)?;
            }
            create_folders(&dir)?;
        }
        let journal: Box<dyn Journal> = match options.in_memory {
            true => Box::new(MemoryJournal::new(JournalId::random())),
            false => Box::new(FileJournal::open(
                dir.join(JOURNAL),
                FileOptions::default(),
            )?),
        };
        let logs = LogStore::open(&dir)?;
        let recovered = Recovered::from_disk(&dir, journal)?;
        recovered.start(name, options, logs, scratch)
    }

    /// The handle.
    pub fn handle(&self) -> Namespace {
        self.handle.clone()
    }

    /// Waits until the namespace cannot go on, and says why.
    pub async fn failed(&mut self) -> String {
        let Some(failed) = self.failed.as_mut() else {
            return std::future::pending().await;
        };
        let result = failed.await;
        self.failed = None;
        match result {
            Ok(Err(reason)) => reason,
            Ok(Ok(())) => std::future::pending().await,
            Err(_) => "the owner's thread panicked".to_owned(),
        }
    }

    /// Stops when everything on its way is durable and projected. Blocks.
    ///
    /// # Errors
    ///
    /// Why it could not; what was acknowledged is safe all the same.
    pub fn close(mut self) -> Result<(), String> {
        self.handle.send_stop();
        self.join();
        match self.failed.take().map(oneshot::Receiver::blocking_recv) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(reason))) => Err(reason),
            Some(Err(_)) => Err("the owner's thread panicked".to_owned()),
        }
    }

    fn join(&mut self) {
        for thread in self.owner.take().into_iter().chain(self.others.drain(..)) {
            if thread.join().is_err() {
                tracing::error!("a thread of the namespace panicked");
            }
        }
    }
}

impl Drop for RunningNamespace {
    fn drop(&mut self) {
        self.handle.send_stop();
        self.join();
    }
}

/// A namespace as it was left, with nobody leading it.
struct Recovered {
    journal: Box<dyn Journal>,
    store: Store,
    projector: Projector,
    state: State,
    position: Position,
}

impl Recovered {
    fn from_disk(dir: &Path, journal: Box<dyn Journal>) -> Result<Recovered, OpenError> {
        match Recovered::load(dir, journal.as_ref()) {
            Ok((store, projector, state, position)) => {
                let mut recovered = Recovered {
                    journal,
                    store,
                    projector,
                    state,
                    position,
                };
                recovered.replay()?;
                Ok(recovered)
            }
            // A journal that goes back to the beginning makes the store anew; nothing is guessed,
            // and the damaged file stays beside it.
            Err(error) if journal.first() == Position::ZERO && error.is_damage() => {
                let aside = store::set_aside(dir)?;
                tracing::error!(%error, aside = %aside.display(), "the store is made anew");
                let (store, projector, state, position) = Recovered::load(dir, journal.as_ref())?;
                let mut recovered = Recovered {
                    journal,
                    store,
                    projector,
                    state,
                    position,
                };
                recovered.replay()?;
                Ok(recovered)
            }
            Err(error) => Err(error),
        }
    }

    fn load(
        dir: &Path,
        journal: &dyn Journal,
    ) -> Result<(Store, Projector, State, Position), OpenError> {
        let opened = Store::open(dir, journal.journal_id(), store::Options::default())?;
        store::check_position(opened.position, journal.first(), journal.tail())?;
        match opened.store.check_whole() {
            // Nothing that is live hangs on it, and nobody could make it anew: what lists may miss
            // is said, not kept from everybody.
            Err(error) if journal.first() > Position::ZERO => {
                tracing::error!(%error, "lists of ended tasks may miss some");
            }
            other => other?,
        }
        let mut state = State::default();
        opened.store.load_entries(&mut state)?;
        let projector = opened.store.projector()?;
        Ok((opened.store, projector, state, opened.position))
    }

    /// Applies what the journal has beyond the store, and gives it to the store.
    fn replay(&mut self) -> Result<(), OpenError> {
        let started = Instant::now();
        let from = self.position;
        let mut reader = self.journal.reader();
        while self.position < self.journal.tail() {
            let mut batches = Vec::new();
            let mut bytes = 0;
            while bytes < REPLAY_BYTES && self.position < self.journal.tail() {
                for entry in reader.read(self.position, REPLAY_BYTES)? {
                    let events =
                        record::decode(&entry.payload).map_err(|cause| OpenError::Record {
                            position: entry.position,
                            cause,
                        })?;
                    for event in &events {
                        capataz_engine::apply(&mut self.state, event);
                    }
                    self.position = entry.position.advance(1);
                    bytes += entry.payload.len();
                    let (end, size) = (self.position, entry.payload.len());
                    let events = Arc::new(events);
                    batches.push(Batch {
                        end,
                        events,
                        entries: None,
                        bytes: size,
                    });
                }
            }
            if let Some(last) = batches.last_mut() {
                last.entries = Some(self.state.take_dirty());
            }
            self.projector.project(batches)?;
        }
        let records = self.position.get() - from.get();
        let tasks = self.state.live_tasks();
        tracing::info!(records, tasks, elapsed = ?started.elapsed(), "the journal is replayed");
        Ok(())
    }

    fn start(
        mut self,
        name: &str,
        options: NamespaceOptions,
        logs: LogStore,
        scratch: Option<tempfile::TempDir>,
    ) -> Result<RunningNamespace, OpenError> {
        let clock = HostClock::default();
        let gauges = Arc::new(Gauges::default());
        let epoch = self.journal.last_writer().epoch.max(self.state.epoch()) + 1;
        let id = uuid::Uuid::new_v4();
        let writer = Writer {
            epoch,
            id: id.into_bytes(),
        };
        let feed = Feed::new(self.journal.reader(), self.position);
        let (batches, batch_receiver) = channel();
        let (keeper, tokens) = TokenKeeper::new(&self.state);
        let sink = sink(feed.clone(), keeper, batches);
        let mut owner = Owner::new(
            self.state,
            self.position,
            clock.now(),
            options.owner,
            Box::new(sink),
        );
        let append = owner.start_epoch(clock.now(), epoch, id.to_string());
        let append = append.ok_or_else(|| OpenError::Epoch("it made no record".to_owned()))?;
        let tail = record_epoch(self.journal.as_mut(), writer, &append)?;
        owner.durable(tail);
        Gauges::set(&gauges.journal_position, tail.get());
        Gauges::set(&gauges.store_position, self.position.get());
        let (projected, projected_receiver) = watch::channel(self.position);
        let (sender, messages) = channel();
        let (journal_sender, journal_requests) = channel();
        let (result, failed) = oneshot::channel();
        let appender = Appender::new(self.journal, writer, Arc::clone(&gauges));
        let appender = Arc::new(Mutex::new(appender));
        let journal_thread = JournalThread {
            appender: Arc::clone(&appender),
            requests: journal_requests,
            owner: sender.clone(),
        };
        let store_thread = StoreThread {
            projector: self.projector,
            batches: batch_receiver,
            owner: sender.clone(),
            journal: journal_sender.clone(),
            projected,
            gauges: Arc::clone(&gauges),
            retention: options.retention,
            clock: clock.clone(),
            checkpointed: Instant::now(),
            retained: Instant::now(),
            dirty: false,
            retaining: false,
        };
        let owner_thread = OwnerThread {
            owner,
            clock,
            messages,
            appender,
            journal: journal_sender,
            gauges: gauges.clone(),
        };
        let others = vec![
            spawn("journal", move || journal_thread.run())?,
            spawn("store", move || store_thread.run())?,
        ];
        let owner = spawn("owner", move || {
            // The receiver is gone when the namespace was dropped without being closed.
            let _ = result.send(owner_thread.run());
        })?;
        let inner = Inner {
            name: name.to_owned(),
            sender,
            admission: Arc::new(Semaphore::new(ADMITTED_BYTES)),
            projected: projected_receiver,
            reader: self.store.reader(),
            feed,
            tokens,
            gauges,
            logs,
        };
        Ok(RunningNamespace {
            handle: Namespace {
                inner: Arc::new(inner),
            },
            owner: Some(owner),
            others,
            failed: Some(failed),
            _scratch: scratch,
        })
    }
}

impl OpenError {
    /// Whether the journal is to blame.
    pub fn is_journal(&self) -> bool {
        matches!(
            self,
            OpenError::Journal(_) | OpenError::Replay(_) | OpenError::Record { .. }
        )
    }

    /// Whether the store is to blame and could be made anew.
    fn is_damage(&self) -> bool {
        match self {
            OpenError::Store(error) => error.is_damage(),
            OpenError::Load(error) => error.is_damage(),
            _ => false,
        }
    }
}

/// Gives durable batches to the feed and to the store, and what they say of tokens to whoever
/// checks those: before anybody is told that it is done.
fn sink(feed: Feed, tokens: TokenKeeper, batches: Sender<Batch>) -> impl FnMut(Batch) + Send {
    move |batch: Batch| {
        tokens.follow(&batch.events);
        if !batch.events.is_empty() {
            feed.push(batch.end, Arc::clone(&batch.events), batch.bytes);
        }
        // Fails only after the store's thread failed, which the owner is told.
        let _ = batches.send(batch);
    }
}

/// The first record of a leadership, which fences the one before.
fn record_epoch(
    journal: &mut dyn Journal,
    writer: Writer,
    append: &ToAppend,
) -> Result<Position, OpenError> {
    match journal.append(
        append.expected,
        writer,
        std::slice::from_ref(&append.record),
    ) {
        Append::Committed { tail } => Ok(tail),
        other => Err(OpenError::Epoch(format!("{other:?}"))),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(format!("capataz-{name}"))
        .spawn(run)
}
