//! What the tasks of a measurement look like: all of them different, none of them compressible.

use capataz_api::client::{Client, ClientError};
use capataz_api::limits::BATCH_TASKS;
use capataz_api::proto::TaskSpec;
use tokio::task::JoinSet;

/// Bytes of each payload.
pub(crate) const PAYLOAD_BYTES: usize = 100;

/// Priorities, from 1 up.
const PRIORITIES: u64 = 9;

/// Batches under way at once: one is read while another is synced.
const BATCHES_IN_FLIGHT: usize = 4;

/// How tasks are made of their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// The names of their groups, dealt at random.
    pub(crate) groups: Vec<String>,
    /// Whether each has a dedup key.
    pub(crate) keyed: bool,
}

impl Recipe {
    /// `count` groups whose names begin with `prefix`.
    pub(crate) fn of_groups(prefix: &str, count: u32) -> Recipe {
        Recipe {
            groups: (0..count)
                .map(|number| format!("{prefix}-{number:04}"))
                .collect(),
            keyed: false,
        }
    }

    /// The task with a number; the same whenever it is asked for.
    pub(crate) fn task(&self, number: u64) -> TaskSpec {
        let mut random = number;
        let group = scramble(&mut random) as usize % self.groups.len();
        let priority = 1 + scramble(&mut random) % PRIORITIES;
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES + 8);
        payload.extend_from_slice(&number.to_le_bytes());
        while payload.len() < PAYLOAD_BYTES {
            payload.extend_from_slice(&scramble(&mut random).to_le_bytes());
        }
        payload.truncate(PAYLOAD_BYTES);
        TaskSpec {
            group: self.groups[group].clone(),
            priority: Some(priority as u32),
            payload: Some(payload.into()),
            dedup_key: self.keyed.then(|| format!("bench-key-{number:016x}")),
            ..TaskSpec::default()
        }
    }

    /// Submits the tasks with the numbers `from` to `to` in the largest batches there are, and
    /// returns when all are acknowledged.
    pub(crate) async fn load(&self, client: &Client, from: u64, to: u64) -> Result<(), Broken> {
        let mut next = from;
        let mut under_way = JoinSet::new();
        while next < to || !under_way.is_empty() {
            if next < to && under_way.len() < BATCHES_IN_FLIGHT {
                let numbers = next..to.min(next + BATCH_TASKS as u64);
                next = numbers.end;
                let (client, recipe) = (client.clone(), self.clone());
                under_way.spawn(async move {
                    let batch = numbers.map(|number| recipe.task(number)).collect();
                    client.submit_batch(batch).await.map(drop)
                });
            } else if let Some(ended) = under_way.join_next().await {
                ended??;
            }
        }
        Ok(())
    }
}

/// Why not all tasks were submitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Panicked(#[from] tokio::task::JoinError),
}

impl From<Broken> for super::trial::TrialError {
    fn from(broken: Broken) -> super::trial::TrialError {
        match broken {
            Broken::Client(error) => error.into(),
            Broken::Panicked(error) => error.into(),
        }
    }
}

/// The next of a row of numbers that look like chance (splitmix64).
fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tasks_differ_and_use_every_group_and_priority() {
        let recipe = Recipe {
            keyed: true,
            ..Recipe::of_groups("g", 10)
        };
        let tasks: Vec<TaskSpec> = (0..2_000).map(|number| recipe.task(number)).collect();
        let payloads: BTreeSet<_> = tasks.iter().map(|task| task.payload.clone()).collect();
        let keys: BTreeSet<_> = tasks.iter().map(|task| task.dedup_key.clone()).collect();
        let groups: BTreeSet<_> = tasks.iter().map(|task| task.group.clone()).collect();
        let priorities: BTreeSet<_> = tasks.iter().map(|task| task.priority).collect();
        assert_eq!((payloads.len(), keys.len()), (2_000, 2_000));
        assert_eq!((groups.len(), priorities.len()), (10, 9));
        let whole = |task: &TaskSpec| task.payload.as_ref().map(|p| p.len()) == Some(100);
        assert!(tasks.iter().all(whole));
        assert_eq!(recipe.task(7), recipe.task(7));
    }
}
