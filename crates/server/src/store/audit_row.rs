//! A line of the audit trail, and what each kind of line is about.

use capataz_engine::{Attempt, GroupId, Key, Phase, PodId, RunId, Timestamp, WorkerId, WorkflowId};

/// What happened. The store keeps the place in [`Action::ALL`]: kinds are only added at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A run was accepted.
    RunStarted,
    /// A run is under way.
    RunBegan,
    /// Nothing of a run starts any more.
    RunPaused,
    /// It goes on.
    RunResumed,
    /// A caller cancelled a run; its end follows.
    RunCancelRequested,
    /// A run is over.
    RunEnded,
    /// Steps of a run are to run once more.
    RunReopened,
    /// Steps were added to a run.
    StepsAdded,
    /// The items of a fan-out are known.
    StepOpened,
    /// A step became a task.
    StepQueued,
    /// Elements of a fan-out became tasks.
    ElementsQueued,
    /// A step is decided.
    StepEnded,
    /// A step is to run once more.
    StepReopened,
    /// A scheduled task is due.
    TaskDue,
    /// A task was ended by a caller or by its expiry.
    TaskClosed,
    /// An ended task lives again.
    TaskRetried,
    /// An attempt was leased to a worker.
    AttemptLeased,
    /// An attempt runs.
    AttemptStarted,
    /// An attempt ended.
    AttemptEnded,
    /// An attempt ended whose task had been decided before.
    LeaseReleased,
    /// A caller changed a group.
    GroupSet,
    /// A caller changed a pod.
    PodSet,
    /// A caller freed the held slots of a pod.
    PodReleased,
    /// A caller drains a worker.
    WorkerDrained,
    /// A caller lets a worker have work again.
    WorkerResumed,
    /// A token was made.
    TokenCreated,
    /// A token was revoked.
    TokenRevoked,
    /// A version of a workflow was registered.
    WorkflowRegistered,
    /// A workflow is not registered any more.
    WorkflowRemoved,
    /// A caller lets runs of a workflow begin although the last ones failed.
    HoldCleared,
    /// A waiting task is held back with its run.
    TaskHeld,
    /// It waits for a worker again.
    TaskReleased,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 32] = [
        Action::RunStarted,
        Action::RunBegan,
        Action::RunPaused,
        Action::RunResumed,
        Action::RunCancelRequested,
        Action::RunEnded,
        Action::RunReopened,
        Action::StepsAdded,
        Action::StepOpened,
        Action::StepQueued,
        Action::ElementsQueued,
        Action::StepEnded,
        Action::StepReopened,
        Action::TaskDue,
        Action::TaskClosed,
        Action::TaskRetried,
        Action::AttemptLeased,
        Action::AttemptStarted,
        Action::AttemptEnded,
        Action::LeaseReleased,
        Action::GroupSet,
        Action::PodSet,
        Action::PodReleased,
        Action::WorkerDrained,
        Action::WorkerResumed,
        Action::TokenCreated,
        Action::TokenRevoked,
        Action::WorkflowRegistered,
        Action::WorkflowRemoved,
        Action::HoldCleared,
        Action::TaskHeld,
        Action::TaskReleased,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Action::RunStarted => "run_started",
            Action::RunBegan => "run_began",
            Action::RunPaused => "run_paused",
            Action::RunResumed => "run_resumed",
            Action::RunCancelRequested => "run_cancel_requested",
            Action::RunEnded => "run_ended",
            Action::RunReopened => "run_reopened",
            Action::StepsAdded => "steps_added",
            Action::StepOpened => "step_opened",
            Action::StepQueued => "step_queued",
            Action::ElementsQueued => "elements_queued",
            Action::StepEnded => "step_ended",
            Action::StepReopened => "step_reopened",
            Action::TaskDue => "task_due",
            Action::TaskClosed => "task_closed",
            Action::TaskRetried => "task_retried",
            Action::AttemptLeased => "attempt_leased",
            Action::AttemptStarted => "attempt_started",
            Action::AttemptEnded => "attempt_ended",
            Action::LeaseReleased => "lease_released",
            Action::GroupSet => "group_set",
            Action::PodSet => "pod_set",
            Action::PodReleased => "pod_released",
            Action::WorkerDrained => "worker_drained",
            Action::WorkerResumed => "worker_resumed",
            Action::TokenCreated => "token_created",
            Action::TokenRevoked => "token_revoked",
            Action::WorkflowRegistered => "workflow_registered",
            Action::WorkflowRemoved => "workflow_removed",
            Action::HoldCleared => "hold_cleared",
            Action::TaskHeld => "task_held",
            Action::TaskReleased => "task_released",
        }
    }
}

/// What a line is about that is neither a run nor a task. Names are looked up when it is written,
/// because what they belong to may be forgotten before the line is read.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) enum Subject {
    #[default]
    None,
    Group(GroupId),
    Pod(PodId),
    Worker(WorkerId),
    Workflow(WorkflowId),
    Named(String),
}

/// A line that is not written yet.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct AuditRow {
    pub(super) at: Timestamp,
    pub(super) action: Action,
    /// Who asked for it; none when it followed by the rules.
    pub(super) actor: Option<String>,
    pub(super) run: Option<RunId>,
    pub(super) step: Option<u32>,
    /// The element of a fan-out; of skipped steps the step that did not end as it had to; of steps
    /// that were added the number of steps before.
    pub(super) item: Option<u32>,
    pub(super) task: Option<Key>,
    pub(super) attempt: Option<Attempt>,
    pub(super) was: Option<Phase>,
    pub(super) now: Option<Phase>,
    pub(super) reason: &'static str,
    pub(super) subject: Subject,
    pub(super) note: String,
}

impl AuditRow {
    /// A line with nothing but its kind.
    pub(super) fn new(at: Timestamp, action: Action) -> AuditRow {
        AuditRow {
            at,
            action,
            actor: None,
            run: None,
            step: None,
            item: None,
            task: None,
            attempt: None,
            was: None,
            now: None,
            reason: "",
            subject: Subject::None,
            note: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_keep_their_places() {
        for (place, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action as usize, place, "{action:?}");
        }
    }
}
