//! The documents of REST: every request and every answer, as serde and OpenAPI know them.
//!
//! Nothing here decides anything: the server fills answers in, clients read them. Requests refuse
//! fields and parameters that they do not know ([`parse_body`], [`Query`]); answers may grow.

mod access;
mod audit;
mod blob;
mod body;
mod event;
mod explanation;
mod group;
mod lease;
mod logs;
mod pod;
mod query;
mod run;
mod run_batch;
mod run_request;
mod state;
mod stats;
mod submit;
mod task;
mod wait;
mod worker;
mod workflow;

pub use access::{AccessToken, Role, TokenCreated, TokenRequest};
pub use audit::{AuditLine, AuditQuery};
pub use blob::Blob;
pub use body::{Body, parse_body, present};
pub use event::{Event, EventType, EventsQuery};
pub use explanation::{Explanation, Obstacle};
pub use group::{Group, GroupPatch};
pub use lease::{
    AgainRequest, CompleteRequest, FailRequest, Heartbeat, Lease, LeaseRequest, Leases,
    StartRequest, Token,
};
pub use logs::{LogChunk, LogStream, Logs, LogsQuery};
pub use pod::{Held, OnLost, Pod, PodPatch};
pub use query::{NoQuery, ParseQueryError, Query};
pub use run::{
    Run, RunDetail, RunPage, RunParameters, RunQuery, RunStep, RunWaited, RunsQuery, StepEdge,
    StepElements,
};
pub use run_batch::{RunOutcome, RunsStarted, StartRunsRequest};
pub use run_request::{
    AddStepsRequest, CancelRunRequest, OnRunConflict, RerunRequest, RunStarted, RunWaitRequest,
    StartRunRequest,
};
pub use state::{Counts, ParseStateError, TaskState};
pub use stats::{DiskStats, JournalStats, Progress, Stats, StatsQuery, TagProgress};
pub use submit::{CancelRequest, Changed, NoBody, Submission, Submitted, SubmittedBatch};
pub use task::{Attempt, Items, Task, TaskDetail, TaskPage, TasksQuery, Usage};
pub use wait::{WaitRequest, Waited};
pub use worker::{DrainRequest, Worker};
pub use workflow::{
    Workflow, WorkflowChecked, WorkflowDetail, WorkflowFlaw, WorkflowPage, WorkflowPut,
    WorkflowVersion, WorkflowsQuery,
};
