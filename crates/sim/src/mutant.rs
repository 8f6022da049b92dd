//! Planted bugs. Each sits in the simulation's own shell around the production code, where a
//! careless server would have it: they show that the checkers catch what they are there for.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Replies and work go out before their record is durable.
    AckBeforeSync,
    /// A sync says that it is done and does nothing.
    SyncSkipped,
    /// A report's attempt number is not checked: whoever reports ends the current attempt.
    StaleTokenAccepted,
    /// A pod that is to hold its lost slots frees them by time.
    HoldIgnored,
    /// Workers are told a longer lease than the master keeps.
    LeaseLongerThanExpiry,
    /// The guard does not kill what outlives its lease.
    GuardIgnoresDeadline,
    /// Dedup keys are missing from the store.
    DedupNotStored,
    /// Answered request ids are missing from the store.
    RequestsNotStored,
    /// A restart serves what the store has and forgets the journal's tail.
    TailNotReplayed,
    /// Work that was on its way when a connection broke is not sent again.
    EffectsLostAtTakeover,
    /// A cancel is answered and not carried out.
    CancelAnsweredOnly,
}

impl Mutant {
    /// Every planted bug with its name.
    pub const ALL: [(&'static str, Mutant); 11] = [
        ("ack_before_sync", Mutant::AckBeforeSync),
        ("sync_skipped", Mutant::SyncSkipped),
        ("stale_token_accepted", Mutant::StaleTokenAccepted),
        ("hold_ignored", Mutant::HoldIgnored),
        ("lease_longer_than_expiry", Mutant::LeaseLongerThanExpiry),
        ("guard_ignores_deadline", Mutant::GuardIgnoresDeadline),
        ("dedup_not_stored", Mutant::DedupNotStored),
        ("requests_not_stored", Mutant::RequestsNotStored),
        ("tail_not_replayed", Mutant::TailNotReplayed),
        ("effects_lost_at_takeover", Mutant::EffectsLostAtTakeover),
        ("cancel_answered_only", Mutant::CancelAnsweredOnly),
    ];

    /// The planted bug of that name.
    pub fn named(name: &str) -> Option<Mutant> {
        let found = Mutant::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, mutant)| *mutant)
    }
}
