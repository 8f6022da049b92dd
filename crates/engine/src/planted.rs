//! Bugs that the simulation plants to see that its checkers catch them.
//!
//! Without the feature `planted`, which the simulation alone asks for, there are none: [`planted`]
//! is a constant false, and the compiler removes whatever asks it. A build of the whole workspace
//! has the simulation in it and so the feature; nothing but the simulation ever plants one there.

/// A planted bug. Where it sits says `planted(Bug::...)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Lost attempts are not counted against `max_lost`.
    LostBudgetNotCounted,
    /// An attempt that wants to be called again counts as a failure.
    AgainCountsAsFailure,
    /// A failure for good is tried again all the same.
    FatalRetried,
    /// Attempt numbers are missing from the store: they start anew after a restart.
    AttemptsNotStored,
    /// An operator's retry numbers attempts from 1 again.
    RetryResetsAttempts,
    /// A retry does not wait for the cancelled attempt that is still on its way out.
    RetryBesideLease,
    /// A report that comes after a cancel still decides the task.
    CancelLosesToCompletion,
    /// A cancel frees the slot before the sandbox is gone.
    CancelFreesSlot,
    /// A cancel of what has ended ends it once more.
    EndedTwice,
    /// A restart forgets how many tasks of a group may run.
    LimitForgottenAtRestart,
    /// The count of a group's running tasks drifts away from its leases.
    GroupCountDrifts,
    /// A pod that holds frees its slot when the lease runs out.
    HeldSlotFreedByExpiry,
    /// A polling worker that asks for work, or is silent for long, frees what its pod holds.
    PollVouches,
    /// A dedup key is forgotten when its task ends.
    DedupForgottenAtEnd,
    /// A dedup key stands for its task whatever is submitted under it.
    DedupContentIgnored,
    /// The id of a submit's request is not recorded with its tasks.
    RequestNotJournaled,
    /// A task that must not start any more waits on.
    ExpiredDispatched,
    /// A delay is forgotten when the task is accepted.
    DelayIgnored,
    /// A restart turns the order of priorities round.
    PriorityInvertedAtRestart,
    /// Tasks that come back wait behind all that are new.
    RetriesGoLast,
    /// A worker that reconnects loses what it runs.
    RejoinForgetsRunning,
    /// A message of a worker's older process replaces the newer one.
    OldIncarnationAccepted,
    /// A hello counts although its process has connected again since.
    LateHelloHeard,
    /// A draining worker is given work.
    DrainedGetsWork,
    /// A leader that may have been replaced answers heartbeats.
    HeartbeatAfterTerm,
    /// A refusal does not wait for what it was computed from.
    RefusalBeforeSync,
    /// A count does not wait for what it was computed from.
    CountBeforeSync,
    /// A heartbeat keeps an attempt alive whose lease has ended.
    StaleTouchAccepted,
    /// An attempt is sent although its lease ended in the same turn.
    EndedLeaseSent,
    /// A new leader does not watch the leases that it finds.
    LeasesNotRearmed,
    /// A stream goes on after history that is gone, and does not say so.
    GapNotTold,
    /// Timers follow a jump of the wall clock.
    JumpFollowed,
    /// A join counts a step that it comes after twice.
    JoinCountsTwice,
    /// A fan-out is over with the first of its elements that ends.
    FanOutDecidedEarly,
    /// A step whose task lives is stored as one that did not begin.
    StepRepeatedAtRestart,
    /// A run that is being cancelled has lost its conflict key already.
    ConflictKeyFreedEarly,
    /// The cancel of a run is recorded and has no effect.
    CancelledRunGoesOn,
    /// Tasks of a paused run wait for workers.
    PausedStepQueued,
    /// A run's key is not recorded with it.
    RunKeyForgotten,
    /// The id of the request that started a run is not recorded with it.
    RunRequestNotJournaled,
    /// Runs begin although the last ones failed.
    HoldOfRunsIgnored,
    /// A restart does not count the runs that are under way.
    RunsUncountedAtRestart,
    /// Steps that were added to a run are missing from the store.
    AddedStepsNotStored,
    /// The id of the request that added steps to a run is not recorded.
    AdditionNotJournaled,
    /// A run that repeats is started twice.
    SuccessorStartedTwice,
    /// Runs repeat beyond their bound.
    RepeatedWithoutEnd,
    /// What an attempt that failed returned is kept for other steps.
    LosingOutputKept,
    /// The message that a step has altered is missing from the store.
    MessageNotStored,
    /// Elements of a fan-out that returned nothing are left out of what it returned.
    FanOutputsClosedUp,
    /// Whoever waits for tasks hears of their end before that is durable.
    EndToldBeforeSync,
    /// Whoever waits for tasks is told how they ended before they were retried.
    OldEndTold,
}

#[cfg(feature = "planted")]
mod chosen {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, instead of the one before.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }

    /// Whether that bug is planted in this thread.
    pub fn planted(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub use chosen::{plant, planted};

/// Whether that bug is planted: never in a build for users.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}
