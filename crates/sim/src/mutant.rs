//! Planted bugs: they show that the checkers catch what they are there for. Those of the rules sit
//! in the production code, behind `capataz_engine::planted`, and those of the journal behind
//! `capataz_journal::planted`; those of what surrounds them sit in the simulation's own shell, where
//! a careless server or worker would have them.

use capataz_engine::planted::{self, Bug};
use capataz_journal::planted as in_journal;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Replies and work go out before their record is durable.
    AckBeforeSync,
    /// A sync says that it is done and does nothing.
    SyncSkipped,
    /// A new file's name is never synced.
    FolderNotSynced,
    /// A sync that failed is done once more, and believed.
    FailedSyncRetried,
    /// A report's attempt number is not checked: whoever reports ends the current attempt.
    StaleTokenAccepted,
    /// A pod that is to hold its lost slots frees them by time.
    HoldIgnored,
    /// Workers are told a longer lease than the master keeps.
    LeaseLongerThanExpiry,
    /// A worker counts its lease from when its heartbeat was answered.
    LeaseCountsFromAnswer,
    /// The guard does not kill what outlives its lease.
    GuardIgnoresDeadline,
    /// A worker that starts leaves alone what the one before it left running.
    OrphansLeftRunning,
    /// A worker reports the end of an attempt when it has told it to stop.
    EndReportedEarly,
    /// Dedup keys of ended tasks and of runs are missing from the store.
    DedupNotStored,
    /// Answered request ids are missing from the store.
    RequestsNotStored,
    /// A restart serves what the store has and forgets the journal's tail.
    TailNotReplayed,
    /// A restart applies the store's last record once more.
    RecordReplayedTwice,
    /// The journal is trimmed below what is durable, not below what the store has.
    TrimAboveStore,
    /// The journal is trimmed below what the store has and may still lose.
    TrimBeforeStoreSync,
    /// A leader that meets a conflict reads the tail again and goes on.
    RetryAfterConflict,
    /// An append of which nobody knows what came of it is done once more.
    UnknownTakenForRefused,
    /// Work that was on its way when a connection broke is not sent again.
    EffectsLostAtTakeover,
    /// A cancel is answered and not carried out.
    CancelAnsweredOnly,
    /// What steps returned is missing from the store.
    OutputNotStored,
    /// Ended runs are missing from the store.
    ArchiveNotStored,
    /// A count of tasks counts what runs once more.
    LeasesCountedAsTasks,
    /// A retry is refused without a look at whether the task lives.
    RetryRefusedBlindly,
    /// New tasks are refused although the store does not lag.
    OverloadedBlindly,
    /// A bug in the production code.
    Planted(Bug),
    /// A bug in the journal.
    InJournal(in_journal::Bug),
}

use Mutant::{InJournal, Planted};

/// Every planted bug with its name.
const ALL: &[(&str, Mutant)] = &[
    ("ack_before_sync", Mutant::AckBeforeSync),
    ("refusal_before_sync", Planted(Bug::RefusalBeforeSync)),
    ("count_before_sync", Planted(Bug::CountBeforeSync)),
    ("leases_counted_as_tasks", Mutant::LeasesCountedAsTasks),
    ("retry_refused_blindly", Mutant::RetryRefusedBlindly),
    ("overloaded_blindly", Mutant::OverloadedBlindly),
    ("sync_skipped", Mutant::SyncSkipped),
    ("folder_not_synced", Mutant::FolderNotSynced),
    ("failed_sync_retried", Mutant::FailedSyncRetried),
    (
        "cut_at_first_bad_record",
        InJournal(in_journal::Bug::CutAtFirstBadRecord),
    ),
    (
        "header_checksum_ignored",
        InJournal(in_journal::Bug::HeaderChecksumIgnored),
    ),
    ("tail_not_replayed", Mutant::TailNotReplayed),
    ("record_replayed_twice", Mutant::RecordReplayedTwice),
    ("trim_above_store", Mutant::TrimAboveStore),
    ("trim_before_store_sync", Mutant::TrimBeforeStoreSync),
    ("dedup_not_stored", Mutant::DedupNotStored),
    ("requests_not_stored", Mutant::RequestsNotStored),
    ("attempts_not_stored", Planted(Bug::AttemptsNotStored)),
    (
        "limit_forgotten_at_restart",
        Planted(Bug::LimitForgottenAtRestart),
    ),
    (
        "priority_inverted_at_restart",
        Planted(Bug::PriorityInvertedAtRestart),
    ),
    ("request_not_journaled", Planted(Bug::RequestNotJournaled)),
    ("dedup_forgotten_at_end", Planted(Bug::DedupForgottenAtEnd)),
    ("dedup_content_ignored", Planted(Bug::DedupContentIgnored)),
    ("retry_after_conflict", Mutant::RetryAfterConflict),
    ("unknown_taken_for_refused", Mutant::UnknownTakenForRefused),
    (
        "epoch_not_checked",
        InJournal(in_journal::Bug::EpochNotChecked),
    ),
    ("effects_lost_at_takeover", Mutant::EffectsLostAtTakeover),
    ("leases_not_rearmed", Planted(Bug::LeasesNotRearmed)),
    ("heartbeat_after_term", Planted(Bug::HeartbeatAfterTerm)),
    ("gap_not_told", Planted(Bug::GapNotTold)),
    ("jump_followed", Planted(Bug::JumpFollowed)),
    ("stale_token_accepted", Mutant::StaleTokenAccepted),
    ("stale_touch_accepted", Planted(Bug::StaleTouchAccepted)),
    ("poll_vouches", Planted(Bug::PollVouches)),
    ("ended_lease_sent", Planted(Bug::EndedLeaseSent)),
    ("rejoin_forgets_running", Planted(Bug::RejoinForgetsRunning)),
    (
        "old_incarnation_accepted",
        Planted(Bug::OldIncarnationAccepted),
    ),
    ("late_hello_heard", Planted(Bug::LateHelloHeard)),
    ("drained_gets_work", Planted(Bug::DrainedGetsWork)),
    ("hold_ignored", Mutant::HoldIgnored),
    (
        "held_slot_freed_by_expiry",
        Planted(Bug::HeldSlotFreedByExpiry),
    ),
    ("lease_longer_than_expiry", Mutant::LeaseLongerThanExpiry),
    ("lease_counts_from_answer", Mutant::LeaseCountsFromAnswer),
    ("guard_ignores_deadline", Mutant::GuardIgnoresDeadline),
    ("orphans_left_running", Mutant::OrphansLeftRunning),
    ("end_reported_early", Mutant::EndReportedEarly),
    ("cancel_answered_only", Mutant::CancelAnsweredOnly),
    ("cancel_frees_slot", Planted(Bug::CancelFreesSlot)),
    (
        "cancel_loses_to_completion",
        Planted(Bug::CancelLosesToCompletion),
    ),
    ("ended_twice", Planted(Bug::EndedTwice)),
    ("retry_resets_attempts", Planted(Bug::RetryResetsAttempts)),
    ("retry_beside_lease", Planted(Bug::RetryBesideLease)),
    (
        "lost_budget_not_counted",
        Planted(Bug::LostBudgetNotCounted),
    ),
    (
        "again_counts_as_failure",
        Planted(Bug::AgainCountsAsFailure),
    ),
    ("fatal_retried", Planted(Bug::FatalRetried)),
    ("expired_dispatched", Planted(Bug::ExpiredDispatched)),
    ("delay_ignored", Planted(Bug::DelayIgnored)),
    ("retries_go_last", Planted(Bug::RetriesGoLast)),
    ("group_count_drifts", Planted(Bug::GroupCountDrifts)),
    ("join_counts_twice", Planted(Bug::JoinCountsTwice)),
    ("fan_out_decided_early", Planted(Bug::FanOutDecidedEarly)),
    (
        "step_repeated_at_restart",
        Planted(Bug::StepRepeatedAtRestart),
    ),
    ("output_not_stored", Mutant::OutputNotStored),
    ("archive_not_stored", Mutant::ArchiveNotStored),
    (
        "conflict_key_freed_early",
        Planted(Bug::ConflictKeyFreedEarly),
    ),
    ("cancelled_run_goes_on", Planted(Bug::CancelledRunGoesOn)),
    ("paused_step_queued", Planted(Bug::PausedStepQueued)),
    ("run_key_forgotten", Planted(Bug::RunKeyForgotten)),
    (
        "run_request_not_journaled",
        Planted(Bug::RunRequestNotJournaled),
    ),
    ("hold_of_runs_ignored", Planted(Bug::HoldOfRunsIgnored)),
    (
        "runs_uncounted_at_restart",
        Planted(Bug::RunsUncountedAtRestart),
    ),
    ("added_steps_not_stored", Planted(Bug::AddedStepsNotStored)),
    ("addition_not_journaled", Planted(Bug::AdditionNotJournaled)),
    (
        "successor_started_twice",
        Planted(Bug::SuccessorStartedTwice),
    ),
    ("repeated_without_end", Planted(Bug::RepeatedWithoutEnd)),
    ("losing_output_kept", Planted(Bug::LosingOutputKept)),
    ("message_not_stored", Planted(Bug::MessageNotStored)),
    ("fan_outputs_closed_up", Planted(Bug::FanOutputsClosedUp)),
    ("end_told_before_sync", Planted(Bug::EndToldBeforeSync)),
    ("old_end_told", Planted(Bug::OldEndTold)),
];

impl Mutant {
    /// Every planted bug with its name.
    pub const ALL: &[(&str, Mutant)] = ALL;

    /// The planted bug of that name.
    pub fn named(name: &str) -> Option<Mutant> {
        let found = ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, mutant)| *mutant)
    }

    /// Its name.
    pub fn name(self) -> Option<&'static str> {
        let found = ALL.iter().find(|(_, known)| *known == self);
        found.map(|(name, _)| *name)
    }

    /// Plants it where the production code looks, or makes sure that nothing is planted there.
    pub(crate) fn plant(mutant: Option<Mutant>) {
        planted::plant(match mutant {
            Some(Planted(bug)) => Some(bug),
            _ => None,
        });
        in_journal::plant(match mutant {
            Some(InJournal(bug)) => Some(bug),
            _ => None,
        });
    }
}
