//! What may be asked of the engine, and what it answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{Attempt, Key, TaskId, WorkerId};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::run::{Begin, Closing, Reopening, RunId, StartRun};
use crate::state::LimitsInForce;
use crate::time::{Span, Timestamp};
use crate::token::{NewToken, TokenId};
use crate::workflow::{Version, WorkflowId};

/// A request to the engine. Times and random numbers come in here, never from inside.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// A new leader takes over: the first command after replay.
    StartEpoch {
        /// Higher than every epoch before.
        epoch: u64,
        /// Which process leads.
        writer: String,
        /// The configured bounds, recorded so that replay evicts what the leader evicted.
        limits: LimitsInForce,
    },
    /// A leader with live leases had nothing to append for half a term: prove that it still leads.
    RenewTerm,
    /// New tasks, all or none.
    Submit(Submission),
    /// Accepts what an attempt submits beside itself.
    SubmitBeside {
        /// The attempt: it must hold its lease.
        by: (Key, Attempt),
        /// The tasks.
        submission: Submission,
    },
    /// End a task, array or element. A running attempt is told to stop.
    Cancel {
        /// Which.
        key: Key,
        /// What the caller gave as the reason, for the audit trail.
        note: String,
    },
    /// Opens the next round of an ended task.
    Retry(Revival),
    /// A worker's session begins or begins again.
    Join(Hello),
    /// A worker's connection ended; its leases live on until they expire.
    Detach {
        /// The session.
        worker: WorkerId,
    },
    /// A worker has nothing left and goes for good.
    Leave {
        /// The session.
        worker: WorkerId,
    },
    /// A worker's lease ran out: all its attempts are lost.
    LoseWorker {
        /// The session.
        worker: WorkerId,
    },
    /// A single lease ran out (REST workers hold each lease on its own).
    LoseLease {
        /// The task.
        key: Key,
        /// The attempt.
        attempt: Attempt,
    },
    /// A polling worker can take `max` attempts now. The same `poll` twice changes nothing.
    Poll {
        /// The session.
        worker: WorkerId,
        /// Chosen by the worker, so that a lost response can be asked for again.
        poll: u128,
        /// Attempts it can take.
        max: u32,
    },
    /// A poll ended without leases.
    EndPoll {
        /// The session.
        worker: WorkerId,
        /// Which poll.
        poll: u128,
    },
    /// A worker announces what it has at hand.
    Announce {
        /// The session.
        worker: WorkerId,
        /// Affinity keys, hashed with [`crate::Submission::affinity_hash`].
        keys: Vec<u64>,
    },
    /// An attempt runs.
    Start {
        /// The task.
        key: Key,
        /// The attempt.
        attempt: Attempt,
        /// How long before the report it began.
        ago: Span,
    },
    /// An attempt ended and its sandbox is gone.
    Report(Report),
    /// Changes a group; creates it when it is new.
    SetGroup {
        /// Its name.
        group: String,
        /// `Some(None)` lifts the bound.
        max_running: Option<Option<u32>>,
        /// Whether its tasks are held back.
        paused: Option<bool>,
    },
    /// Changes a pod; creates it when it is new.
    SetPod {
        /// Its name.
        pod: String,
        /// What changes.
        settings: PodSettings,
    },
    /// An operator vouches that the sandboxes of a held pod are gone.
    ReleasePod {
        /// Its name.
        pod: String,
    },
    /// A worker gets no new attempts.
    Drain {
        /// The session.
        worker: WorkerId,
        /// False lifts it.
        on: bool,
    },
    /// Makes a token.
    CreateToken(NewToken),
    /// Ends a token's validity.
    RevokeToken {
        /// Which.
        id: TokenId,
    },
    /// A command that is carried out once, however often it is sent under the same request id. A
    /// submission carries its own, because it answers with ids.
    Once {
        /// The id, and the hash of what was asked under it.
        request: Request,
        /// What is asked.
        command: Box<Command>,
    },
    /// A command with who asks for it, for the audit trail.
    By {
        /// The name of the caller's token.
        actor: String,
        /// What is asked.
        command: Box<Command>,
    },
    /// Registers a version of a workflow.
    PutWorkflow {
        /// Its name.
        name: String,
        /// The version.
        version: Box<Version>,
    },
    /// Forgets a registered workflow.
    RemoveWorkflow {
        /// Its name.
        name: String,
    },
    /// Lets runs begin again although the last ones failed.
    ClearHold {
        /// The workflow's name.
        name: String,
    },
    /// Starts a run.
    StartRun(Box<StartRun>),
    /// Holds back the steps of a run, or does not any more.
    PauseRun {
        /// Which.
        run: RunId,
        /// Whether they are held back.
        on: bool,
    },
    /// Ends a run with everything in it.
    CancelRun {
        /// Which.
        run: RunId,
        /// What the caller gave as the reason.
        note: String,
    },
    /// Runs steps once more.
    Reopen(Reopening),
    /// Adds steps to a run.
    ExtendRun {
        /// Which.
        run: RunId,
        /// The attempt of a step that asks: it must hold its lease. None when an operator asks.
        by: Option<(Key, Attempt)>,
        /// Its version with more steps at the end.
        version: Box<Version>,
    },
    /// [`crate::Due::Workflow`] asks for it.
    AdvanceWorkflow {
        /// Which.
        workflow: WorkflowId,
    },
    /// [`crate::Due::Run`] asks for it.
    AdvanceRun {
        /// Which.
        run: RunId,
    },
    /// [`crate::Due::Step`] asks for it.
    BeginStep {
        /// Which run.
        run: RunId,
        /// Which step.
        step: u32,
        /// What it is to do.
        begin: Begin,
    },
    /// [`crate::Due::End`] asks for it.
    EndRun {
        /// Which.
        run: RunId,
        /// What comes of it, or why that could not be worked out.
        closing: Result<Closing, String>,
    },
    /// Fires what is due.
    Tick,
    /// Leases the next task to the next worker, if any can be.
    Dispatch,
}

/// New tasks. Groups and policies are named once and referred to by index.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Submission {
    /// Makes the call repeatable.
    pub request: Option<Request>,
    /// Names of the groups used.
    pub groups: Vec<String>,
    /// The policies used.
    pub policies: Vec<Policy>,
    /// The tasks, in accept order.
    pub tasks: Vec<NewTask>,
}

/// A request id with what was asked under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Hash of the id, or the id itself.
    pub id: u128,
    /// Hash of what was asked.
    pub content: u128,
}

/// One task of a [`Submission`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NewTask {
    /// Index into [`Submission::groups`].
    pub group: u32,
    /// Index into [`Submission::policies`].
    pub policy: u32,
    /// 1 to 9, 9 most urgent.
    pub priority: u8,
    /// Elements, when the task is an array.
    pub count: Option<u32>,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// Not before this long after it was accepted; on record it has become `not_before`.
    pub delay: Option<Span>,
    /// Fails when it has not started by then.
    pub expires_at: Option<Timestamp>,
    /// Fails when it has not started this long after it was accepted; on record it has become
    /// `expires_at`.
    pub expires_in: Option<Span>,
    /// Hashes of the dedup key and of the task as it was sent.
    pub dedup: Option<(u128, u128)>,
    /// Hashed affinity keys.
    pub affinity: Vec<u64>,
    /// Everything the engine does not look at.
    pub body: Bytes,
}

/// An ended task that an operator retries, as the store remembers it.
#[derive(Clone, PartialEq, Debug)]
pub struct Revival {
    /// Which: a task, or one element of an array.
    pub key: Key,
    /// Its group.
    pub group: String,
    /// Its policy.
    pub policy: Policy,
    /// Its priority.
    pub priority: u8,
    /// Its hashed affinity keys.
    pub affinity: Vec<u64>,
    /// When it was first accepted.
    pub submitted_at: Timestamp,
    /// Attempts made so far: numbering goes on.
    pub attempts: u32,
    /// Rounds ended so far.
    pub rounds: u32,
    /// Hash of its dedup key.
    pub dedup: Option<u128>,
}

/// How a worker introduces itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Unique in the namespace at any time.
    pub name: String,
    /// New with every start of the process.
    pub incarnation: u128,
    /// Which of the process's connections says it, counted from 1; 0 when nobody counts. It is on
    /// record, so that a hello that comes late is known for one by the next leader, too.
    pub connection: u64,
    /// Where it runs.
    pub host: String,
    /// Its build version.
    pub build: String,
    /// The pod it belongs to.
    pub pod: String,
    /// Slots it proposes for a pod that nobody has set.
    pub pod_slots: Option<u32>,
    /// The groups it serves.
    pub groups: Vec<String>,
    /// Attempts it can run at once; ignored for a polling worker.
    pub concurrency: u32,
    /// True for a REST worker: its credit comes from its polls.
    pub polling: bool,
    /// How many affinity keys of its last tasks count as announced.
    pub remember: u32,
    /// Hashed affinity keys it announces.
    pub affinity: Vec<u64>,
    /// Attempts that it runs or has results of.
    pub running: Vec<(Key, Attempt)>,
}

/// A connection of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life {
    /// Which process.
    pub incarnation: u128,
    /// Which of its connections, counted from 1; 0 when nobody counts.
    pub connection: u64,
}

impl Hello {
    /// The connection that says it.
    pub fn life(&self) -> Life {
        Life {
            incarnation: self.incarnation,
            connection: self.connection,
        }
    }

    /// Whether the same process has said hello on a later connection: this one is given up.
    pub fn came_before(&self, later: Life) -> bool {
        self.connection > 0
            && self.incarnation == later.incarnation
            && self.connection < later.connection
    }
}

/// What is left of a pod when its worker is lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// Its slots are free when lease, term and margin have passed.
    Time,
    /// Its slots are held until the worker or an operator says that the sandboxes are gone.
    Hold,
}

/// Changes to a pod; `None` leaves a setting as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PodSettings {
    /// Attempts that may run in it at once.
    pub slots: Option<u32>,
    /// What happens when its worker is lost.
    pub on_lost: Option<OnLost>,
    /// Whether it gets no new attempts.
    pub paused: Option<bool>,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The task.
    pub key: Key,
    /// The attempt: with the task, the fencing token.
    pub attempt: Attempt,
    /// What came of it.
    pub outcome: Outcome,
    /// What it returned, unseen by the engine.
    pub output: Bytes,
    /// The part of it that later steps of a run may refer to.
    pub value: Bytes,
    /// What it took.
    pub usage: Usage,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed {
        /// Why.
        reason: Reason,
        /// True if a further attempt is pointless.
        fatal: bool,
    },
    /// It wants to be called again: no failure.
    Again {
        /// After this pause.
        after: Span,
    },
    /// Handed back without having run, by a worker that drains: no budget is touched.
    Released,
    /// Nobody knows: the lease ran out. Only the engine says so, never a worker.
    Lost,
}

/// What an attempt took, as its worker measured it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// From the start of the attempt to its end.
    pub wall: Span,
    /// Processor time, user and system.
    pub cpu: Span,
    /// Peak resident memory in bytes.
    pub peak_memory: u64,
}

/// How an attempt ended, on record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ended {
    /// Its worker says so: by a report, or by joining again without it.
    Reported,
    /// Its lease ran out: its sandbox may still run.
    Lost,
}

/// What the engine decided.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decision {
    /// What happened, in order; empty when the command changes nothing.
    pub events: Vec<Event>,
    /// What to tell the caller once the events are durable.
    pub answer: Answer,
}

/// What a command's caller is told.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Answer {
    /// It is done.
    #[default]
    Done,
    /// The ids of the submitted tasks, in order.
    Submitted(Ids),
    /// The worker's session number, and the attempts it must stop.
    Joined {
        /// The session.
        worker: WorkerId,
        /// Attempts that it listed and does not hold a lease of.
        stop: Vec<(Key, Attempt)>,
    },
    /// A poll that was asked before: the leases it got.
    Leases(Vec<(Key, Attempt)>),
    /// The token is on record.
    TokenCreated(TokenId),
    /// The run is on record.
    Run(RunId),
    /// The number of the workflow's version.
    Version(u32),
}

/// Task ids in the order of a submission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ids {
    /// `count` ids from `first` on.
    Range {
        /// The first.
        first: TaskId,
        /// How many.
        count: u32,
    },
    /// Single ids: some tasks were there already.
    List(Vec<TaskId>),
}

impl Ids {
    /// How many tasks were submitted.
    pub fn len(&self) -> usize {
        match self {
            Ids::Range { count, .. } => *count as usize,
            Ids::List(ids) => ids.len(),
        }
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids in order.
    pub fn iter(&self) -> impl Iterator<Item = TaskId> + '_ {
        let (range, list) = match self {
            Ids::Range { first, count } => (first.0..first.0 + u64::from(*count), &[][..]),
            Ids::List(ids) => (0..0, &ids[..]),
        };
        range.map(TaskId).chain(list.iter().copied())
    }
}

impl Submission {
    /// The number under which the engine knows an affinity key (FNV-1a). Two keys with one number
    /// would only cost a missed preference.
    pub fn affinity_hash(key: &str) -> u64 {
        key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}
