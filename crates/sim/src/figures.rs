//! What was done in simulations: events, and faults by kind.

use std::collections::BTreeMap;
use std::fmt;

/// Seeds from which on every kind of fault must have occurred: fewer may miss one by chance.
const REPRESENTATIVE: u64 = 200;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Fault {
    MasterPowerCut,
    MasterKill,
    MasterPause,
    CrashInAppend,
    LateLanding,
    UnknownAppend,
    Takeover,
    Conflict,
    FailedSync,
    FailedWrite,
    DiskFull,
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
    RetryStorm,
    ClockJump,
    ClockDrift,
    StreamGap,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 34] = [
        Fault::MasterPowerCut,
        Fault::MasterKill,
        Fault::MasterPause,
        Fault::CrashInAppend,
        Fault::LateLanding,
        Fault::UnknownAppend,
        Fault::Takeover,
        Fault::Conflict,
        Fault::FailedSync,
        Fault::FailedWrite,
        Fault::DiskFull,
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
        Fault::RetryStorm,
        Fault::ClockJump,
        Fault::ClockDrift,
        Fault::StreamGap,
    ];

    /// The name in figures and traces.
    pub fn name(self) -> String {
        let camel = format!("{self:?}");
        let mut name = String::new();
        for letter in camel.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
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
    /// Runs of workflows on record.
    pub runs: u64,
    /// Steps that were decided.
    pub steps: u64,
    /// Fan-outs that were opened.
    pub fan_outs: u64,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
}

impl Figures {
    /// Counts a fault.
    pub fn count(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Adds those of further seeds.
    pub fn add(&mut self, other: &Figures) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.records += other.records;
        self.acknowledged += other.acknowledged;
        self.attempts += other.attempts;
        self.runs += other.runs;
        self.steps += other.steps;
        self.fan_outs += other.fan_outs;
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
        let of_runs = [
            ("runs", self.runs),
            ("steps", self.steps),
            ("fan_outs", self.fan_outs),
        ];
        let of_runs = of_runs.into_iter().filter(|(_, count)| *count == 0);
        faults
            .chain(of_runs.map(|(name, _)| name.to_owned()))
            .collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seeds={} events={} records={} acknowledged={} attempts={}",
            self.seeds, self.events, self.records, self.acknowledged, self.attempts
        )?;
        let (runs, steps, fan_outs) = (self.runs, self.steps, self.fan_outs);
        write!(f, " runs={runs} steps={steps} fan_outs={fan_outs}")?;
        for fault in Fault::ALL {
            let count = self.faults.get(&fault).copied().unwrap_or(0);
            write!(f, " {}={count}", fault.name())?;
        }
        Ok(())
    }
}
