//! What was done in simulations: events, what runs did, and faults by kind.

use std::collections::BTreeMap;
use std::fmt;

use crate::covered::{Counts, Covered};

/// Seeds from which on every kind of fault must have occurred: fewer may miss one by chance.
const REPRESENTATIVE: u64 = 200;

/// So many tasks must have lived at a time in them: states that stay small prove nothing about what
/// only a large one does.
const MANY: u64 = 2_000;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Fault {
    MasterPowerCut,
    MasterKill,
    MasterPause,
    CrashInAppend,
    CrashInRecovery,
    CrashInTrim,
    LateLanding,
    UnknownAppend,
    RefusedAppend,
    Takeover,
    Conflict,
    LostElection,
    FailedSync,
    FailedWrite,
    LostWrite,
    TornWrite,
    DiskFull,
    Rot,
    SlowAppend,
    SlowStore,
    Rival,
    WorkerKill,
    WorkerPause,
    WorkerGone,
    PollerKill,
    PollerPause,
    HostFreeze,
    WorkerDrain,
    Poison,
    PartitionUp,
    PartitionDown,
    PartitionBoth,
    PartitionTwice,
    ConnectionBreak,
    SlowHello,
    LostCall,
    DoubledCall,
    Reordered,
    RetryStorm,
    ClockJump,
    ClockDrift,
    StreamGap,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 42] = [
        Fault::MasterPowerCut,
        Fault::MasterKill,
        Fault::MasterPause,
        Fault::CrashInAppend,
        Fault::CrashInRecovery,
        Fault::CrashInTrim,
        Fault::LateLanding,
        Fault::UnknownAppend,
        Fault::RefusedAppend,
        Fault::Takeover,
        Fault::Conflict,
        Fault::LostElection,
        Fault::FailedSync,
        Fault::FailedWrite,
        Fault::LostWrite,
        Fault::TornWrite,
        Fault::DiskFull,
        Fault::Rot,
        Fault::SlowAppend,
        Fault::SlowStore,
        Fault::Rival,
        Fault::WorkerKill,
        Fault::WorkerPause,
        Fault::WorkerGone,
        Fault::PollerKill,
        Fault::PollerPause,
        Fault::HostFreeze,
        Fault::WorkerDrain,
        Fault::Poison,
        Fault::PartitionUp,
        Fault::PartitionDown,
        Fault::PartitionBoth,
        Fault::PartitionTwice,
        Fault::ConnectionBreak,
        Fault::SlowHello,
        Fault::LostCall,
        Fault::DoubledCall,
        Fault::Reordered,
        Fault::RetryStorm,
        Fault::ClockJump,
        Fault::ClockDrift,
        Fault::StreamGap,
    ];

    /// The name in figures and traces.
    pub fn name(self) -> String {
        snake(&format!("{self:?}"))
    }
}

/// The name of a variant as it is printed.
pub(crate) fn snake(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Sums over seeds. Printed, it is the closing line: no time and no rate, so that two runs of the
/// same seeds print the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Simulations.
    pub seeds: u64,
    /// Things that happened.
    pub events: u64,
    /// Records that became durable.
    pub records: u64,
    /// Tasks whose submission was answered.
    pub acknowledged: u64,
    /// Attempts whose sandbox ran.
    pub attempts: u64,
    /// Most tasks that lived at a time, arrays counted once.
    pub live_most: u64,
    /// What runs and their steps did, by kind.
    pub covered: BTreeMap<Covered, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
}

impl Figures {
    /// Counts a fault.
    pub fn count(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Adds what runs did.
    pub(crate) fn cover(&mut self, counts: &Counts) {
        for (kind, count) in counts {
            *self.covered.entry(*kind).or_default() += count;
        }
    }

    /// How often something occurred.
    pub fn of(&self, kind: Covered) -> u64 {
        self.covered.get(&kind).copied().unwrap_or(0)
    }

    /// Adds those of further seeds.
    pub fn add(&mut self, other: &Figures) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.records += other.records;
        self.acknowledged += other.acknowledged;
        self.attempts += other.attempts;
        self.live_most = self.live_most.max(other.live_most);
        self.cover(&other.covered);
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }

    /// What should have occurred and did not, by name: seeds that prove nothing about it.
    pub fn missing(&self) -> Vec<String> {
        if self.seeds < REPRESENTATIVE {
            return Vec::new();
        }
        let absent = |fault: &Fault| !self.faults.contains_key(fault);
        let faults = Fault::ALL.into_iter().filter(absent).map(Fault::name);
        let kinds = Covered::ALL.into_iter();
        let of_runs = kinds.filter(|kind| self.of(*kind) == 0).map(Covered::name);
        let small = (self.live_most < MANY).then(|| format!("{MANY} live tasks"));
        faults.chain(of_runs).chain(small).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seeds={} events={} records={} acknowledged={} attempts={} live_most={}",
            self.seeds, self.events, self.records, self.acknowledged, self.attempts, self.live_most
        )?;
        for kind in Covered::ALL {
            write!(f, " {}={}", kind.name(), self.of(kind))?;
        }
        for fault in Fault::ALL {
            let count = self.faults.get(&fault).copied().unwrap_or(0);
            write!(f, " {}={count}", fault.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of so many seeds in which everything has occurred.
    fn complete(seeds: u64) -> Figures {
        Figures {
            seeds,
            live_most: MANY,
            faults: Fault::ALL.iter().map(|kind| (*kind, 1)).collect(),
            covered: Covered::ALL.iter().map(|kind| (*kind, 1)).collect(),
            ..Figures::default()
        }
    }

    #[test]
    fn nothing_is_missing_where_everything_occurred() {
        assert!(complete(REPRESENTATIVE).missing().is_empty());
    }

    #[test]
    fn a_kind_that_never_occurred_is_missing_from_so_many_seeds_on() {
        for (seeds, names) in [(199, vec![]), (200, vec!["torn_write", "run_again"])] {
            let mut figures = complete(seeds);
            figures.faults.remove(&Fault::TornWrite);
            figures.covered.remove(&Covered::RunAgain);
            assert_eq!(figures.missing(), names, "{seeds} seeds");
        }
    }

    #[test]
    fn states_that_stayed_small_are_told() {
        let mut figures = complete(REPRESENTATIVE);
        figures.live_most = MANY - 1;
        assert_eq!(figures.missing(), ["2000 live tasks"]);
    }
}
