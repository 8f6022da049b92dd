//! What happens, as a stream.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{Params, QueryText};
use super::{Query, TaskState};
use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// One thing that happened: the data of a server-sent event whose id is `cursor`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its place: a stream that is asked for what comes after it begins with the next one.
    pub cursor: String,
    /// When, by the leader's clock.
    pub at: Timestamp,
    /// What happened.
    pub r#type: EventType,
    /// The task or element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The state that the task, step or run is in now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The step of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The element of the step, when that has `for_each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
    /// The workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Elements, when the task is an array or the step has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What a caller gave as the reason, or what a gap has lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// A task was accepted.
    TaskSubmitted,
    /// A scheduled task is due.
    TaskQueued,
    /// A task was ended by a caller or by its expiry.
    TaskClosed,
    /// An ended task lives again.
    TaskRetried,
    /// A task was leased to a worker.
    AttemptLeased,
    /// An attempt runs.
    AttemptStarted,
    /// An attempt ended; `state` is what became of the task.
    AttemptEnded,
    /// A group was made or changed.
    GroupSet,
    /// A pod was made or changed.
    PodSet,
    /// Held slots of a pod are free.
    PodReleased,
    /// A worker joined.
    WorkerJoined,
    /// A worker's connection ended.
    WorkerDetached,
    /// A worker is gone; `reason` is `lost` when its lease ran out.
    WorkerLeft,
    /// A worker drains, or does not any more.
    WorkerDraining,
    /// A token was made; `note` says which.
    TokenCreated,
    /// A token was revoked.
    TokenRevoked,
    /// A leadership began.
    LeaderStarted,
    /// A workflow was registered; `note` has its version.
    WorkflowSet,
    /// A workflow is not registered any more.
    WorkflowRemoved,
    /// A run was accepted.
    RunStarted,
    /// A run is under way.
    RunBegan,
    /// Nothing of a run starts any more.
    RunPaused,
    /// A run goes on.
    RunResumed,
    /// A run was cancelled; its end follows.
    RunCancelled,
    /// Steps of a run are to run once more.
    RunReopened,
    /// Steps were added to a run.
    StepsAdded,
    /// The elements of a step are known. Its tasks follow.
    StepOpened,
    /// A step was decided.
    StepEnded,
    /// A run is over.
    RunEnded,
    /// History between the cursor asked for and this one is gone.
    Gap,
    /// Something that only a later version knows.
    #[serde(other)]
    Other,
}

/// Which events to send.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Begin after this cursor; by default with what happens from now on. `0` is the beginning.
    pub after: Option<String>,
    /// Only of this group.
    pub group: Option<String>,
    /// Only of tasks with this tag.
    pub tag: Option<String>,
    /// Only of this task.
    pub task: Option<String>,
    /// Only of this run, its steps and their tasks.
    pub run: Option<String>,
    /// False ends the stream at what has happened so far; default true.
    pub follow: Option<bool>,
}

impl Query for EventsQuery {
    const NAMES: &'static [&'static str] = &["after", "group", "tag", "task", "run", "follow"];

    fn read(params: &mut Params) -> Result<EventsQuery, Problem> {
        Ok(EventsQuery {
            after: params.text("after"),
            group: params.text("group"),
            tag: params.text("tag"),
            task: params.text("task"),
            run: params.text("run"),
            follow: params.flag("follow")?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("after", self.after.as_ref());
        out.add("group", self.group.as_ref());
        out.add("tag", self.tag.as_ref());
        out.add("task", self.task.as_ref());
        out.add("run", self.run.as_ref());
        out.add("follow", self.follow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_later_version_is_still_read() {
        let json =
            r#"{"cursor":"9.1","at":"2027-01-01T00:00:00.000000Z","type":"moon_landed","x":1}"#;
        let event: Event = serde_json::from_str(json).expect("an event");
        assert_eq!(event.r#type, EventType::Other);
    }
}
