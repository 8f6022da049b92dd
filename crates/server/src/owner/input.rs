//! What wakes the owner, and what it says in return. This list is closed: nothing else reaches
//! the state.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use capataz_engine::{
    Answer, Attempt, Command, Hello, Key, Rejection, Report, Span, State, WorkerId,
};
use capataz_journal::Position;

use super::EndsCall;

/// A task's attempt.
pub type Token = (Key, Attempt);

/// Tells a caller how its call ended, once that is durable.
pub type Reply<T> = Box<dyn FnOnce(Result<T, CallError>) + Send>;

/// Reads the state and returns what to do with what it read.
pub type Question = Box<dyn FnOnce(&State, Position) -> Box<dyn FnOnce() + Send> + Send>;

/// One thing that happened outside.
pub enum Input {
    /// A client's or an operator's command.
    Command(Command, Reply<Called>),
    /// A question: the closure reads the state and returns what to do once that state is durable.
    Query(Question),
    /// A worker's session begins. Its refusal goes to the session.
    Join(Hello, Session),
    /// Attempts of a worker started or ended.
    Reports {
        /// Whose.
        worker: WorkerId,
        /// Attempts that run, with how long.
        started: Vec<(Token, Span)>,
        /// Attempts that ended.
        ended: Vec<Report>,
    },
    /// A worker lives.
    Heartbeat {
        /// Which.
        worker: WorkerId,
        /// Its session's number.
        session: u64,
        /// The worker's number for it.
        sequence: u64,
    },
    /// A session's connection ended.
    Gone {
        /// Whose.
        worker: WorkerId,
        /// Its session's number: a later session of the same worker is not touched.
        session: u64,
        /// Whether the worker said that it goes for good.
        goodbye: bool,
    },
    /// A REST worker asks for attempts.
    Poll(PollCall),
    /// Somebody waits for tasks to end.
    AwaitEnds(EndsCall),
    /// A REST worker's attempt lives.
    Touch(Token, Reply<()>),
    /// Records up to there are durable.
    Durable(Position),
    /// The store has reached a position and can take more.
    Projected(Position),
    /// The journal has room for its next segment, or has not.
    JournalRoom(bool),
    /// The store is within its quota and its disk has room, or not.
    StoreRoom(bool),
}

/// A REST worker's call for attempts.
pub struct PollCall {
    /// Who asks.
    pub hello: Hello,
    /// Chosen by the worker, repeated when it did not get the answer.
    pub poll: u128,
    /// Attempts it can take.
    pub max: u32,
    /// How long it will wait for the first.
    pub wait: Duration,
    /// What it gets: empty when nothing came up.
    pub reply: Reply<Vec<LeasedTask>>,
}

/// A leased attempt as it is sent to a worker.
#[derive(Clone, Debug)]
pub struct LeasedTask {
    /// Which.
    pub token: Token,
    /// The encoded task spec; `None` when it must be read from the store.
    pub body: Option<Bytes>,
}

/// A worker's connection, as the owner sees it.
pub struct Session {
    /// Unique in this process.
    pub number: u64,
    /// Takes what the worker is told, in order. It must not block.
    pub send: Box<dyn Fn(SessionMessage) + Send>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.number)
    }
}

/// What a worker is told.
#[derive(Debug)]
pub enum SessionMessage {
    /// It has joined.
    Welcome {
        /// Its session number in the state.
        worker: WorkerId,
        /// Attempts it must stop.
        stop: Vec<Token>,
    },
    /// It has not.
    Refused(CallError),
    /// Its lease runs from when it sent that heartbeat.
    Heartbeat(u64),
    /// New attempts.
    Work(Vec<LeasedTask>),
    /// Reports that are durable, or that nothing waits for any more.
    Acknowledged(Vec<Token>),
    /// Attempts to stop.
    Stop(Vec<Token>),
    /// No more work will come.
    Drain,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// What it answers.
    pub answer: Answer,
    /// The position at which it is true.
    pub position: Position,
}

/// Why a call was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The rules refuse it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There is no room for new tasks: on disk, or because the store lags behind.
    #[error("{what}; try again in {} ms", retry_after.as_millis())]
    Overloaded {
        /// What is full.
        what: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk or its quota is full.
    #[error("the disk or its quota is full: new tasks are refused until there is room")]
    StorageFull,
    /// The server stops, or does not lead this namespace.
    #[error("the server is stopping or does not lead this namespace")]
    NotLeading,
    /// A later call took this one's place.
    #[error("a later poll of the same worker took the place of this one")]
    Superseded,
    /// Nobody knows whether it happened: ask again with the same request id.
    #[error("the server stopped before the outcome was known; repeat with the same request id")]
    UnknownOutcome,
}
