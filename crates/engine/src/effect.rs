//! What the caller must do once an event is durable. Effects are data; only the owner of the
//! state performs them, and every one may be performed twice.

use crate::event::{Change, Event};
use crate::id::{Attempt, Key, WorkerId};
use crate::state::State;

/// I/O that the engine asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Send the attempt to its worker.
    Dispatch {
        /// To whom.
        worker: WorkerId,
        /// Which task.
        key: Key,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Tell the worker to stop the attempt.
    Stop {
        /// Whom.
        worker: WorkerId,
        /// Which task.
        key: Key,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Tell the worker to finish what it has and to leave.
    Drain {
        /// Whom.
        worker: WorkerId,
    },
}

/// The effects of one event, asked for right after it was applied.
pub fn effects(state: &State, event: &Event) -> Vec<Effect> {
    match &event.change {
        Change::Leased {
            key,
            attempt,
            worker,
        } => {
            vec![Effect::Dispatch {
                worker: *worker,
                key: *key,
                attempt: *attempt,
            }]
        }
        Change::Closed { key, .. } => state
            .leases_of(*key)
            .filter(|(_, lease)| lease.revoked)
            .map(|((key, attempt), lease)| Effect::Stop {
                worker: lease.worker,
                key,
                attempt,
            })
            .collect(),
        Change::Joined { worker, .. } => outstanding_of(state, *worker),
        Change::DrainSet { worker, on: true } => vec![Effect::Drain { worker: *worker }],
        Change::EpochStarted { .. }
        | Change::TermRenewed
        | Change::GroupCreated { .. }
        | Change::GroupSet { .. }
        | Change::PodCreated { .. }
        | Change::PodSet { .. }
        | Change::PodReleased { .. }
        | Change::SlotReleased { .. }
        | Change::PodForgotten { .. }
        | Change::Submitted { .. }
        | Change::Due { .. }
        | Change::Started { .. }
        | Change::AttemptEnded { .. }
        | Change::LeaseReleased { .. }
        | Change::Revived { .. }
        | Change::Detached { .. }
        | Change::Left { .. }
        | Change::PollOpened { .. }
        | Change::PollClosed { .. }
        | Change::Announced { .. }
        | Change::Answered { .. }
        | Change::DrainSet { on: false, .. }
        | Change::TokenCreated { .. }
        | Change::TokenRevoked { .. }
        | Change::Acted { .. }
        | Change::WorkflowCreated { .. }
        | Change::VersionStored { .. }
        | Change::VersionRegistered { .. }
        | Change::WorkflowRemoved { .. }
        | Change::HoldCleared { .. }
        | Change::HoldOver { .. }
        | Change::RunStarted { .. }
        | Change::RunBegan { .. }
        | Change::RunPaused { .. }
        | Change::RunCancelled { .. }
        | Change::FanOpened { .. }
        | Change::StepStarted { .. }
        | Change::StepReturned { .. }
        | Change::StepDecided { .. }
        | Change::StepsAdded { .. }
        | Change::RunReopened { .. }
        | Change::RunEnded { .. } => Vec::new(),
    }
}

/// Every effect that no event has confirmed yet. A new leader performs them for each worker that
/// attaches; a worker that has an attempt already ignores the second copy.
pub fn outstanding(state: &State) -> Vec<Effect> {
    state
        .workers()
        .flat_map(|(worker, _)| outstanding_of(state, worker))
        .collect()
}

fn outstanding_of(state: &State, worker: WorkerId) -> Vec<Effect> {
    let mut effects: Vec<Effect> = state
        .leases_held_by(worker)
        .filter_map(
            |((key, attempt), lease)| match (lease.revoked, lease.started) {
                (true, _) => Some(Effect::Stop {
                    worker,
                    key,
                    attempt,
                }),
                (false, false) => Some(Effect::Dispatch {
                    worker,
                    key,
                    attempt,
                }),
                (false, true) => None,
            },
        )
        .collect();
    if state.worker(worker).is_some_and(|w| w.draining) {
        effects.push(Effect::Drain { worker });
    }
    effects
}
