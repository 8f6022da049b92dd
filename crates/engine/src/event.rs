//! What has happened. Events are what the journal keeps: this file is a persisted format, so
//! variants and fields are only ever added at the end, under a new format version.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::command::{Ended, Hello, Ids, NewTask, Outcome, PodSettings, Request, Usage};
use crate::id::{Attempt, GroupId, Key, PodId, TaskId, WorkerId};
use crate::policy::Policy;
use crate::reason::{Phase, Reason};
use crate::run::{NewRun, RunId, RunPhase, RunReason, StepOutcome};
use crate::state::LimitsInForce;
use crate::time::Timestamp;
use crate::token::{Token, TokenId};
use crate::workflow::{Version, WorkflowId};

/// A recorded fact with the time it carries for ever: replay takes times from here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// By the leader's clock.
    pub at: Timestamp,
    /// What changed.
    pub change: Change,
}

/// One kind of change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// A leadership began. All workers are detached by it.
    EpochStarted {
        /// Its number.
        epoch: u64,
        /// Who leads.
        writer: String,
        /// The bounds in force.
        limits: LimitsInForce,
    },
    /// The leader proved that it still leads.
    TermRenewed,
    /// A group got its number.
    GroupCreated {
        /// Its number.
        group: GroupId,
        /// Its name.
        name: String,
    },
    /// A group's settings changed.
    GroupSet {
        /// Which.
        group: GroupId,
        /// `Some(None)` lifts the bound.
        max_running: Option<Option<u32>>,
        /// Whether its tasks are held back.
        paused: Option<bool>,
    },
    /// A pod got its number.
    PodCreated {
        /// Its number.
        pod: PodId,
        /// Its name.
        name: String,
        /// Slots proposed by its first worker.
        slots: u32,
    },
    /// An operator changed a pod.
    PodSet {
        /// Which.
        pod: PodId,
        /// What changed.
        settings: PodSettings,
    },
    /// All held slots of a pod are free: an operator vouches for it.
    PodReleased {
        /// Which.
        pod: PodId,
    },
    /// One held slot is free: the sandbox of that attempt is gone.
    SlotReleased {
        /// Which pod.
        pod: PodId,
        /// The lost attempt's task.
        key: Key,
        /// The lost attempt.
        attempt: Attempt,
    },
    /// A pod was empty for long.
    PodForgotten {
        /// Which.
        pod: PodId,
    },
    /// Tasks were accepted.
    Submitted {
        /// The id of the first; the others follow.
        first: TaskId,
        /// The call, with what it was told.
        request: Option<(Request, Ids)>,
        /// The policies referred to.
        policies: Vec<Policy>,
        /// The tasks.
        tasks: Vec<Accepted>,
    },
    /// A scheduled task is due.
    Due {
        /// Which.
        key: Key,
    },
    /// A task was leased to a worker.
    Leased {
        /// Which.
        key: Key,
        /// The attempt's number.
        attempt: Attempt,
        /// To whom.
        worker: WorkerId,
    },
    /// An attempt runs.
    Started {
        /// Which task.
        key: Key,
        /// Which attempt.
        attempt: Attempt,
        /// Since when.
        since: Timestamp,
    },
    /// An attempt ended.
    AttemptEnded {
        /// Which task.
        key: Key,
        /// Which attempt.
        attempt: Attempt,
        /// Who says so.
        ended: Ended,
        /// What came of it.
        outcome: Outcome,
        /// What becomes of the task.
        next: Next,
        /// What it took.
        usage: Usage,
        /// What it returned.
        output: Bytes,
    },
    /// A lease whose task had been decided before ended: its slot is free.
    LeaseReleased {
        /// Which task.
        key: Key,
        /// Which attempt.
        attempt: Attempt,
        /// Who says so.
        ended: Ended,
    },
    /// A task, an array with all that is unfinished in it, or an element was ended by a caller or
    /// by its expiry. Running attempts keep their slots until their sandboxes are gone.
    Closed {
        /// Which.
        key: Key,
        /// Cancelled or failed.
        phase: Phase,
        /// Requested or expired.
        reason: Reason,
        /// What the caller gave as the reason.
        note: String,
    },
    /// An ended task lives again.
    Revived {
        /// Which.
        key: Key,
        /// Its group.
        group: GroupId,
        /// Its policy.
        policy: Policy,
        /// Its priority.
        priority: u8,
        /// Its hashed affinity keys.
        affinity: Vec<u64>,
        /// When it was first accepted.
        submitted_at: Timestamp,
        /// Attempts made so far.
        attempts: u32,
        /// Rounds ended so far.
        rounds: u32,
        /// Hash of its dedup key.
        dedup: Option<u128>,
    },
    /// A worker's session began, or went on after a break with the same number.
    Joined {
        /// Its number.
        worker: WorkerId,
        /// Its pod.
        pod: PodId,
        /// Its groups.
        groups: Vec<GroupId>,
        /// What it said. `running` is empty on record.
        hello: Hello,
    },
    /// A worker's connection ended.
    Detached {
        /// Which.
        worker: WorkerId,
    },
    /// A worker is gone; it holds no lease.
    Left {
        /// Which.
        worker: WorkerId,
        /// Whether its lease ran out.
        lost: bool,
    },
    /// A poll waits for work.
    PollOpened {
        /// Whose.
        worker: WorkerId,
        /// Which.
        poll: u128,
        /// For how much.
        max: u32,
    },
    /// A poll ended.
    PollClosed {
        /// Whose.
        worker: WorkerId,
    },
    /// A worker announced what it has at hand.
    Announced {
        /// Which.
        worker: WorkerId,
        /// Hashed affinity keys.
        keys: Vec<u64>,
    },
    /// A worker gets no new attempts, or gets them again.
    DrainSet {
        /// Which.
        worker: WorkerId,
        /// Whether it drains.
        on: bool,
    },
    /// A call was carried out: under its request id it will not be again.
    Answered {
        /// The call.
        request: Request,
    },
    /// A token was made.
    TokenCreated {
        /// Its number.
        id: TokenId,
        /// Everything but its secret.
        token: Token,
    },
    /// A token is not good for anything any more.
    TokenRevoked {
        /// Which.
        id: TokenId,
    },
    /// The next events are a caller's doing.
    Acted {
        /// Whose: the name of a token.
        actor: String,
        /// How many events.
        events: u32,
    },
    /// A workflow got its number.
    WorkflowCreated {
        /// Its number.
        workflow: WorkflowId,
        /// Its name.
        name: String,
    },
    /// A workflow got a version.
    VersionStored {
        /// Which workflow.
        workflow: WorkflowId,
        /// The version's number.
        number: u32,
        /// The version.
        version: Box<Version>,
    },
    /// New runs of a workflow follow a version.
    VersionRegistered {
        /// Which workflow.
        workflow: WorkflowId,
        /// The version's number.
        number: u32,
    },
    /// A workflow is not registered any more. Its runs go on.
    WorkflowRemoved {
        /// Which.
        workflow: WorkflowId,
    },
    /// Runs of a workflow may begin again although the last ones failed: an operator says so, or
    /// the pause is over.
    HoldCleared {
        /// Which.
        workflow: WorkflowId,
    },
    /// The pause after failed runs is over; the failures still count.
    HoldOver {
        /// Of which workflow.
        workflow: WorkflowId,
    },
    /// A run was accepted.
    RunStarted {
        /// Its id.
        run: RunId,
        /// Its workflow.
        workflow: WorkflowId,
        /// The version it follows.
        version: u32,
        /// The call, with what it was told.
        request: Option<(Request, Ids)>,
        /// The run.
        new: Box<NewRun>,
    },
    /// A run is under way.
    RunBegan {
        /// Which.
        run: RunId,
    },
    /// Steps of a run are held back, or not any more.
    RunPaused {
        /// Which.
        run: RunId,
        /// Whether they are.
        on: bool,
    },
    /// A run was cancelled by a caller: its tasks and steps follow.
    RunCancelled {
        /// Which.
        run: RunId,
        /// What the caller gave as the reason.
        note: String,
    },
    /// A fan-out has its items.
    FanOpened {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
        /// How many items.
        count: u32,
        /// The items as a JSON list.
        items: Bytes,
    },
    /// A step, or elements of it, became tasks.
    StepStarted {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
        /// The first of the elements, of a fan-out.
        element: Option<u32>,
        /// The id of the first task; the others follow.
        first: TaskId,
        /// The policies referred to.
        policies: Vec<Policy>,
        /// The tasks.
        tasks: Vec<Accepted>,
    },
    /// What a task of a step returned is kept for other steps. The end of its attempt follows.
    StepReturned {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
        /// Which element, of a fan-out.
        element: Option<u32>,
        /// What it returned.
        value: Bytes,
    },
    /// A step is over in this round.
    StepDecided {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
        /// How it ended.
        outcome: StepOutcome,
        /// What there is to say about it.
        note: String,
    },
    /// Steps were added to a run.
    StepsAdded {
        /// Which run.
        run: RunId,
        /// What it follows from now on.
        version: Box<Version>,
    },
    /// Steps of a run are to run once more.
    RunReopened {
        /// Which run.
        run: RunId,
        /// Its workflow.
        workflow: WorkflowId,
        /// The run as it was kept, when it had ended.
        archive: Option<Bytes>,
        /// Which steps.
        steps: Vec<u32>,
    },
    /// A run is over.
    RunEnded {
        /// Which.
        run: RunId,
        /// How.
        phase: RunPhase,
        /// Why.
        reason: RunReason,
        /// What there is to say about it.
        note: String,
        /// What it returned, as JSON; empty without a result.
        result: Bytes,
    },
}

/// An accepted task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Its group.
    pub group: GroupId,
    /// The task as it was asked for; its own `group` index has lost its meaning.
    pub task: NewTask,
}

/// What becomes of a task after an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Next {
    /// It is over.
    Over {
        /// How.
        phase: Phase,
        /// Why.
        reason: Reason,
    },
    /// It waits in its group again, in its old place.
    Queued,
    /// It comes back later.
    Scheduled {
        /// When.
        until: Timestamp,
        /// Why.
        reason: Reason,
    },
}
