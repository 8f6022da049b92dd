//! What is drawn: a run as it stands, in plain values.

/// A run at one moment. All times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The run's id.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// The run's state, as it is to be shown.
    pub state: String,
    /// The moment that the picture shows: what runs has run until then.
    pub now: u64,
    /// The steps in the order of the definition.
    pub steps: Vec<PictureStep>,
}

/// A step of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureStep {
    /// Its id, unique in the run.
    pub id: String,
    /// Where it stands.
    pub state: StepState,
    /// Why, where the state alone does not say it; else empty.
    pub reason: String,
    /// The steps it comes after, by their place in [`Picture::steps`], and on what condition. A
    /// place that does not exist is left out of the drawing.
    pub after: Vec<(usize, Edge)>,
    /// When it came to be.
    pub submitted_at: Option<u64>,
    /// When it could first have run.
    pub queued_at: Option<u64>,
    /// When its last attempt began.
    pub started_at: Option<u64>,
    /// When it ended.
    pub finished_at: Option<u64>,
    /// Who runs it or ran it last.
    pub worker: Option<String>,
    /// How far it is, when it is a fan-out.
    pub elements: Option<Elements>,
    /// What it waits for, in words: steps, a pod's slot, a time.
    pub waits_for: Vec<String>,
}

/// How many elements of a fan-out are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// Ended well.
    pub done: u64,
    /// Ended badly.
    pub failed: u64,
    /// All of them.
    pub total: u64,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepState {
    /// Waits for other steps.
    #[default]
    Blocked,
    /// Waits for a time.
    Scheduled,
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Will not run: its conditions were not met.
    Skipped,
}

/// The condition of an edge: how the earlier step must end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// It succeeds.
    #[default]
    Success,
    /// It fails.
    Failure,
    /// It ends, whichever way.
    Any,
}

impl StepState {
    /// All states, in the order in which counts name them.
    pub const ALL: [StepState; 8] = [
        StepState::Succeeded,
        StepState::Running,
        StepState::Failed,
        StepState::Cancelled,
        StepState::Skipped,
        StepState::Queued,
        StepState::Scheduled,
        StepState::Blocked,
    ];

    /// Its name, as the API and the command line write it.
    pub fn name(self) -> &'static str {
        match self {
            StepState::Blocked => "blocked",
            StepState::Scheduled => "scheduled",
            StepState::Queued => "queued",
            StepState::Running => "running",
            StepState::Succeeded => "succeeded",
            StepState::Failed => "failed",
            StepState::Cancelled => "cancelled",
            StepState::Skipped => "skipped",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<StepState> {
        StepState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether it is over.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            StepState::Succeeded | StepState::Failed | StepState::Cancelled | StepState::Skipped
        )
    }
}

impl Edge {
    /// Its name, as definitions write it.
    pub fn name(self) -> &'static str {
        match self {
            Edge::Success => "success",
            Edge::Failure => "failure",
            Edge::Any => "any",
        }
    }
}

impl PictureStep {
    /// How long it has run by `now`, in microseconds; none when it never began.
    pub(crate) fn ran_for(&self, now: u64) -> Option<u64> {
        let started = self.started_at?;
        Some(self.finished_at.unwrap_or(now).saturating_sub(started))
    }
}
