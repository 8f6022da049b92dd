//! A consumer group.

use super::{Level, Rank};
use crate::limits;

/// A group with its queues. Never forgotten.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) max_running: Option<u32>,
    pub(crate) paused: bool,
    /// When it was last served, on the clock that counts leases.
    pub(crate) last_served: u64,
    /// Leases in force, revoked ones included.
    pub(crate) running: u32,
    pub(crate) queued: u64,
    pub(crate) scheduled: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    levels: Vec<Level>,
    /// Classes of workers that serve it, by index.
    pub(crate) classes: Vec<u32>,
    /// Where it stands in the index of ready groups; `None` when it is not ready.
    pub(crate) rank: Option<Rank>,
}

impl Group {
    pub(crate) fn new(name: String) -> Group {
        Group {
            name,
            max_running: None,
            paused: false,
            last_served: 0,
            running: 0,
            queued: 0,
            scheduled: 0,
            succeeded: 0,
            failed: 0,
            cancelled: 0,
            levels: Vec::new(),
            classes: Vec::new(),
            rank: None,
        }
    }

    pub(crate) fn level(&self, priority: u8) -> Option<&Level> {
        self.levels.get(usize::from(priority))
    }

    pub(crate) fn level_mut(&mut self, priority: u8) -> &mut Level {
        let index = usize::from(priority.min(limits::PRIORITY_MAX));
        if self.levels.len() <= index {
            self.levels.resize_with(index + 1, Level::default);
        }
        &mut self.levels[index]
    }

    /// The most urgent priority at which something waits.
    pub(crate) fn top(&self) -> Option<u8> {
        let index = self.levels.iter().rposition(|level| !level.is_empty())?;
        Some(index as u8)
    }

    pub(crate) fn at_limit(&self) -> bool {
        self.max_running.is_some_and(|max| self.running >= max)
    }
}

impl Group {
    pub(crate) fn count_end(&mut self, phase: crate::reason::Phase, units: u64) {
        use crate::reason::Phase;
        match phase {
            Phase::Succeeded => self.succeeded += units,
            Phase::Failed => self.failed += units,
            Phase::Cancelled => self.cancelled += units,
            Phase::Skipped | Phase::Blocked | Phase::Scheduled | Phase::Queued | Phase::Running => {
            }
        }
    }
}
