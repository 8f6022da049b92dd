//! Why a command was refused. A refusal changes nothing.

use crate::id::{Attempt, Key};
use crate::run::RunId;
use crate::token::TokenId;

/// A refusal by the rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The engine knows no live task of that id: it ended, or never was.
    #[error("no live task {key}")]
    NotLive {
        /// Which.
        key: Key,
    },
    /// The task is not over, so there is no next round to open.
    #[error("task {key} has not ended; only an ended task can be retried")]
    StillLive {
        /// Which.
        key: Key,
    },
    /// The attempt's lease is not current: it ended, expired or was never given.
    #[error("attempt {attempt} of task {key} holds no lease")]
    StaleLease {
        /// The task.
        key: Key,
        /// The attempt.
        attempt: Attempt,
    },
    /// No such worker session.
    #[error("worker session {worker} is not known; join again")]
    UnknownWorker {
        /// The number that came.
        worker: u32,
    },
    /// Another worker of that name is connected from another host.
    #[error("the worker name {name:?} is in use by a worker on host {host:?}")]
    WorkerNameTaken {
        /// The name.
        name: String,
        /// Where it is in use.
        host: String,
    },
    /// An older incarnation tries to come back after a newer one joined.
    #[error("worker {name:?} was replaced by a newer incarnation")]
    WorkerReplaced {
        /// The name.
        name: String,
    },
    /// Its process has said hello on a later connection: what this one says of it is out of date.
    #[error("worker {name:?} has said hello on a later connection")]
    LateHello {
        /// The name.
        name: String,
    },
    /// The worker still holds leases.
    #[error("worker {name:?} still holds {leases} leases")]
    WorkerBusy {
        /// The name.
        name: String,
        /// How many.
        leases: u32,
    },
    /// No such pod.
    #[error("no pod {name:?}")]
    UnknownPod {
        /// The name.
        name: String,
    },
    /// No such token.
    #[error("no token {id}")]
    UnknownToken {
        /// Its number.
        id: TokenId,
    },
    /// A token of that number is on record.
    #[error("a token {id} exists")]
    TokenExists {
        /// Its number.
        id: TokenId,
    },
    /// The dedup key stands for a different task.
    #[error("tasks[{index}].dedup_key is in use by task {existing}, which is a different request")]
    DedupConflict {
        /// Index in the submission.
        index: usize,
        /// The task that holds the key.
        existing: Key,
    },
    /// Two tasks of one submission have the same dedup key.
    #[error("tasks[{index}].dedup_key is the same as that of tasks[{first}]")]
    DuplicateInBatch {
        /// Index of the second.
        index: usize,
        /// Index of the first.
        first: usize,
    },
    /// The request id stands for a different request.
    #[error("the request id was used for a different request")]
    RequestConflict,
    /// A field is outside its bounds.
    #[error("{field} must be between {min} and {max}, got {got}")]
    OutOfRange {
        /// Which.
        field: String,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
        /// What came.
        got: u64,
    },
    /// A bound on how much the namespace keeps is reached.
    #[error("the namespace is full: {what} (limit {limit})")]
    Full {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// No such workflow is registered.
    #[error("no workflow {name:?}")]
    UnknownWorkflow {
        /// The name that came.
        name: String,
    },
    /// The version named is not the registered one.
    #[error("version {got} is not the registered one, {current}")]
    StaleVersion {
        /// The registered one.
        current: u32,
        /// What came.
        got: u32,
    },
    /// The engine knows no live run of that id: it ended, or never was.
    #[error("no live run {run}")]
    RunNotLive {
        /// Which.
        run: RunId,
    },
    /// Another run holds the conflict key.
    #[error("run {holder} holds the conflict key")]
    RunConflict {
        /// Which run.
        holder: RunId,
    },
    /// The run's key stands for a different run.
    #[error("the key is in use by run {existing}, which is a different request")]
    RunKeyConflict {
        /// The run that has it.
        existing: RunId,
    },
    /// The step does not wait to begin.
    #[error("step {step} of run {run} does not wait to begin")]
    StepNotReady {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
    },
    /// Steps of the run are not over.
    #[error("run {run} has steps that are not over")]
    RunNotFinished {
        /// Which.
        run: RunId,
    },
    /// Steps can only be added at the end of what a live run has.
    #[error("run {run} takes no such steps: it is being cancelled, or they do not follow its own")]
    RunNotExtended {
        /// Which.
        run: RunId,
    },
    /// No such step.
    #[error("run {run} has no step {step:?}")]
    UnknownStep {
        /// Which run.
        run: RunId,
        /// The name that came.
        step: String,
    },
    /// A step that is to run again is not over.
    #[error("step {step:?} of run {run} is not over; only an ended step can run again")]
    StepNotOver {
        /// Which run.
        run: RunId,
        /// Its name.
        step: String,
    },
    /// Nothing of the run failed.
    #[error("run {run} has nothing to run again; name the steps to begin from")]
    NothingToRunAgain {
        /// Which.
        run: RunId,
    },
    /// The epoch is not above the one in force.
    #[error("epoch {got} is not above the epoch in force, {current}")]
    StaleEpoch {
        /// In force.
        current: u64,
        /// What came.
        got: u64,
    },
}
