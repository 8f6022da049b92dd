//! Calls about tasks and their attempts.

use std::time::{Duration, Instant};

use http::Method;

use super::calls::path;
use super::follow::LogFollower;
use super::http::Call;
use super::submitter::Accepted;
use super::{Client, ClientError};
use crate::limits;
use crate::proto;
use crate::rest::{
    AgainRequest, CancelRequest, Changed, CompleteRequest, FailRequest, Heartbeat, LeaseRequest,
    Leases, Logs, LogsQuery, NoBody, Query, StartRequest, Submission, Submitted, SubmittedBatch,
    TaskDetail, TaskPage, TaskState, TasksQuery, WaitRequest, Waited,
};
use crate::span::Span;

/// How long one call of a longer wait takes at most: short enough for proxies and for progress.
const WAIT_STEP: Duration = Duration::from_secs(20);

impl Client {
    /// Submits one task. Tasks that are submitted at the same time travel together.
    pub async fn submit(&self, spec: proto::TaskSpec) -> Result<Submitted, ClientError> {
        self.submitter().submit(spec).await
    }

    /// Submits many tasks. More than fit into one submission are split: each part is accepted as a
    /// whole or not at all. The order of the parts among each other may change when one of them
    /// has to be tried again.
    pub async fn submit_batch(&self, specs: Vec<proto::TaskSpec>) -> Result<Accepted, ClientError> {
        self.submitter().submit_batch(specs).await
    }

    /// Submits tasks beside an attempt, which must hold its lease: all of them or none, as many as one
    /// submission may have.
    pub async fn submit_beside(
        &self,
        task: &str,
        attempt: u32,
        tasks: &Submission,
    ) -> Result<SubmittedBatch, ClientError> {
        let attempt = attempt.to_string();
        let path = path(&["attempts", task, &attempt, "tasks"]);
        self.http
            .call(Call::change(Method::POST, path, tasks))
            .await
    }

    /// One page of tasks.
    pub async fn list(&self, query: &TasksQuery) -> Result<TaskPage, ClientError> {
        let path = path(&["tasks"]) + &query.to_text();
        self.http.call(Call::get(path)).await
    }

    /// A task with its spec and attempts.
    pub async fn show(&self, id: &str) -> Result<TaskDetail, ClientError> {
        self.http.call(Call::get(path(&["tasks", id]))).await
    }

    /// Ends a task: at once when it is queued, after its attempt was told when it runs.
    pub async fn cancel(&self, id: &str, note: Option<String>) -> Result<Changed, ClientError> {
        let body = CancelRequest { note };
        self.change(Method::POST, path(&["tasks", id, "cancel"]), &body)
            .await
    }

    /// Opens the next round of an ended task.
    pub async fn retry(&self, id: &str) -> Result<Changed, ClientError> {
        self.change(Method::POST, path(&["tasks", id, "retry"]), &NoBody {})
            .await
    }

    /// What an attempt has printed so far; the last one when none is named.
    pub async fn logs(&self, id: &str, attempt: Option<u32>) -> Result<Logs, ClientError> {
        let query = LogsQuery {
            attempt,
            ..LogsQuery::default()
        };
        let path = path(&["tasks", id, "logs"]) + &query.to_text();
        self.http.call(Call::get(path)).await
    }

    /// What an attempt has printed and prints, until it ends.
    pub fn follow_logs(&self, id: &str, attempt: Option<u32>) -> LogFollower {
        LogFollower::new(self.http.clone(), path(&["tasks", id, "logs"]), attempt)
    }

    /// One step of waiting: answers when all have ended or `request.timeout` is over.
    pub async fn wait_step(&self, request: &WaitRequest) -> Result<Waited, ClientError> {
        let call = Call::post(path(&["wait"]), request);
        let call = call.waiting(request.timeout.into());
        self.http.call(call).await
    }

    /// Waits until all that is asked for has ended, without end when there is no timeout.
    /// `progress` hears of each step, and at least every 20 seconds.
    pub async fn wait(
        &self,
        mut request: WaitRequest,
        timeout: Option<Duration>,
        mut progress: impl FnMut(&Waited),
    ) -> Result<Waited, ClientError> {
        let began = Instant::now();
        let ids = std::mem::take(&mut request.ids);
        let mut parts = ids.chunks(limits::WAIT_IDS);
        request.ids = parts.next().unwrap_or_default().to_vec();
        let step = Duration::from(request.timeout);
        let step = if step.is_zero() { WAIT_STEP } else { step };
        let mut before: Option<Waited> = None;
        loop {
            let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            request.timeout = Span::from(left.map_or(step, |left| left.min(step)));
            let part = self.wait_step(&request).await?;
            let waited = add(before.as_ref(), &part);
            progress(&waited);
            if part.done {
                let Some(ids) = parts.next() else {
                    return Ok(waited);
                };
                request.ids = ids.to_vec();
                request.handle = None;
                before = Some(waited);
                continue;
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Err(ClientError::TimedOut {
                    after: began.elapsed(),
                    waited: Box::new(waited),
                });
            }
            request.handle = Some(part.handle);
        }
    }

    /// Asks for work as a polling worker does.
    pub async fn lease(&self, request: &LeaseRequest) -> Result<Leases, ClientError> {
        let mut request = request.clone();
        let fresh = || format!("{:032x}", rand::random::<u128>());
        request.poll_id.get_or_insert_with(fresh);
        let call = Call::post(path(&["leases"]), &request);
        self.http.call(call.waiting(request.wait.into())).await
    }

    /// Says that an attempt runs.
    pub async fn start(
        &self,
        task: &str,
        attempt: u32,
        body: &StartRequest,
    ) -> Result<Changed, ClientError> {
        self.report(task, attempt, "start", body).await
    }

    /// Renews an attempt's lease.
    pub async fn heartbeat(&self, task: &str, attempt: u32) -> Result<Heartbeat, ClientError> {
        let path = path(&["attempts", task, &attempt.to_string(), "heartbeat"]);
        self.http.call(Call::post(path, &NoBody {})).await
    }

    /// Says that an attempt did its work.
    pub async fn complete(
        &self,
        task: &str,
        attempt: u32,
        body: &CompleteRequest,
    ) -> Result<Changed, ClientError> {
        self.report(task, attempt, "complete", body).await
    }

    /// Says that an attempt failed.
    pub async fn fail(
        &self,
        task: &str,
        attempt: u32,
        body: &FailRequest,
    ) -> Result<Changed, ClientError> {
        self.report(task, attempt, "fail", body).await
    }

    /// Says that an attempt wants to be called again.
    pub async fn again(
        &self,
        task: &str,
        attempt: u32,
        body: &AgainRequest,
    ) -> Result<Changed, ClientError> {
        self.report(task, attempt, "again", body).await
    }

    /// A report about an attempt; its token makes it repeatable.
    async fn report(
        &self,
        task: &str,
        attempt: u32,
        what: &str,
        body: &impl serde::Serialize,
    ) -> Result<Changed, ClientError> {
        let path = path(&["attempts", task, &attempt.to_string(), what]);
        self.http.call(Call::post(path, body)).await
    }

    pub(super) async fn change(
        &self,
        method: Method,
        path: String,
        body: &impl serde::Serialize,
    ) -> Result<Changed, ClientError> {
        self.http.call(Call::change(method, path, body)).await
    }
}

/// The sum of the parts that were waited for before and the one at hand.
fn add(before: Option<&Waited>, part: &Waited) -> Waited {
    let mut sum = part.clone();
    if let Some(before) = before {
        for state in TaskState::ALL {
            *sum.counts.get_mut(state) += before.counts.get(state);
        }
        sum.remaining += before.remaining;
        sum.position = sum.position.max(before.position);
    }
    sum
}
