//! What runs did besides running steps, counted from the records: seeds in which something of it
//! never occurred prove nothing about it.

use std::collections::BTreeMap;

/// A kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Covered {
    Runs,
    Steps,
    FanOuts,
    AddedSteps,
    AdditionsRefused,
    Successors,
    LastOfARepetition,
    MessagesAltered,
    MessagesTold,
    OutputsTold,
    FanOutsTold,
    GapsTold,
    Results,
    StickyAtHome,
    StickyElsewhere,
    RetriedInPlace,
    RunAgain,
    EndsTold,
    EndsToldOfSeveral,
}

/// How often each kind occurred.
pub(crate) type Counts = BTreeMap<Covered, u64>;

impl Covered {
    /// Every kind.
    pub const ALL: [Covered; 19] = [
        Covered::Runs,
        Covered::Steps,
        Covered::FanOuts,
        Covered::AddedSteps,
        Covered::AdditionsRefused,
        Covered::Successors,
        Covered::LastOfARepetition,
        Covered::MessagesAltered,
        Covered::MessagesTold,
        Covered::OutputsTold,
        Covered::FanOutsTold,
        Covered::GapsTold,
        Covered::Results,
        Covered::StickyAtHome,
        Covered::StickyElsewhere,
        Covered::RetriedInPlace,
        Covered::RunAgain,
        Covered::EndsTold,
        Covered::EndsToldOfSeveral,
    ];

    /// The name in figures.
    pub fn name(self) -> String {
        crate::figures::snake(&format!("{self:?}"))
    }
}
