//! A workflow in the state: its versions, and what holds its runs back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::runs::Turn;
use crate::id::Key;
use crate::planted::{Bug, planted};
use crate::run::RunId;
use crate::time::Timestamp;
use crate::workflow::{Settings, Version};

/// A workflow, known as long as it is registered or has a run.
pub(crate) struct Workflow {
    pub(crate) name: String,
    /// The version that new runs follow.
    pub(crate) registered: Option<u32>,
    pub(crate) next_version: u32,
    pub(crate) versions: BTreeMap<u32, Followed>,
    /// Runs under way.
    pub(crate) running: u32,
    /// Runs that may begin as soon as there is room, the most urgent first.
    pub(crate) waiting: BTreeSet<(Reverse<u8>, RunId)>,
    /// Live tasks of steps.
    pub(crate) tasks: u32,
    /// Runs under way that have a step to start, whether there is room for its task or not.
    pub(crate) starting: BTreeSet<Turn>,
    /// The first of them, when there is room.
    pub(crate) head: Option<Turn>,
    /// Runs that are not over, also those that follow none of its versions.
    pub(crate) live: u32,
    /// Runs that failed in a row.
    pub(crate) failures: u32,
    /// New runs wait until then.
    pub(crate) held_until: Option<Timestamp>,
}

/// A version with the number of its runs.
pub(crate) struct Followed {
    pub(crate) plan: Arc<Plan>,
    pub(crate) runs: u32,
}

/// A workflow in the store; its versions are entries of their own.
#[derive(Serialize, Deserialize)]
pub(crate) struct WorkflowEntry {
    pub(crate) name: String,
    pub(crate) registered: Option<u32>,
    pub(crate) next_version: u32,
    pub(crate) failures: u32,
    pub(crate) held_until: Option<Timestamp>,
}

impl Workflow {
    pub(crate) fn new(name: String) -> Workflow {
        Workflow {
            name,
            registered: None,
            next_version: 1,
            versions: BTreeMap::new(),
            running: 0,
            waiting: BTreeSet::new(),
            tasks: 0,
            starting: BTreeSet::new(),
            head: None,
            live: 0,
            failures: 0,
            held_until: None,
        }
    }

    pub(crate) fn entry(&self) -> WorkflowEntry {
        WorkflowEntry {
            name: self.name.clone(),
            registered: self.registered,
            next_version: self.next_version,
            failures: self.failures,
            held_until: self.held_until,
        }
    }

    /// What holds for its runs: as its registered version says, or else its last one.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        let registered = self
            .registered
            .and_then(|number| self.versions.get(&number));
        let version = registered.or_else(|| self.versions.values().next_back())?;
        Some(&version.plan.version.settings)
    }

    /// The number of a version with this content.
    pub(crate) fn version_of(&self, content: u128) -> Option<u32> {
        let same = |(_, followed): &(&u32, &Followed)| followed.plan.version.content == content;
        self.versions.iter().find(same).map(|(number, _)| *number)
    }

    pub(crate) fn store(&mut self, number: u32, version: Version) {
        let plan = Plan::new(version);
        let runs = self.versions.get(&number).map_or(0, |known| known.runs);
        self.versions.insert(number, Followed { plan, runs });
        self.next_version = self.next_version.max(number.saturating_add(1));
    }

    /// Whether one more of its runs may begin.
    pub(crate) fn has_room_for_run(&self) -> bool {
        let max = self.settings().and_then(|settings| settings.max_runs);
        let held = self.held_until.is_some() && !planted(Bug::HoldOfRunsIgnored);
        !held && max.is_none_or(|max| self.running < max)
    }

    /// How many more tasks its steps may have.
    pub(crate) fn room_for_tasks(&self) -> u32 {
        let max = self.settings().and_then(|settings| settings.max_steps);
        max.map_or(u32::MAX, |max| max.saturating_sub(self.tasks))
    }

    /// How long new runs wait after its last failure.
    pub(crate) fn hold_from(&self, at: Timestamp) -> Option<Timestamp> {
        let hold = self.settings()?.hold?;
        let beyond = self.failures.checked_sub(hold.after)?;
        Some(
            at + hold
                .pause
                .pause(beyond.saturating_add(1), Key::from_raw(0), 0),
        )
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.registered.is_none() && self.versions.is_empty() && self.live == 0
    }
}
