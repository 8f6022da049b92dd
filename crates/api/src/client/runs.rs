//! Calls about workflows, runs and the audit trail.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::calls::path;
use super::http::Call;
use super::{Client, ClientError};
use crate::rest::{
    AddStepsRequest, AuditLine, AuditQuery, CancelRunRequest, Changed, NoBody, Query, RerunRequest,
    RunDetail, RunPage, RunQuery, RunStarted, RunWaitRequest, RunWaited, RunsQuery, RunsStarted,
    StartRunRequest, StartRunsRequest, WorkflowChecked, WorkflowDetail, WorkflowPage, WorkflowPut,
    WorkflowsQuery,
};
use crate::span::Span;

/// How long one call of a longer wait takes at most: short enough for proxies and for progress.
const WAIT_STEP: Duration = Duration::from_secs(20);

/// What is asked of no single workflow stands beside them, so that a workflow may have any name.
const VALIDATE: &str = "/workflows:validate";
const SCHEMA: &str = "/workflows:schema";
const RUNS: &str = "/runs:batch";

impl Client {
    /// Registers a definition, as JSON or as a text in YAML or JSON.
    pub async fn put_workflow(
        &self,
        name: &str,
        definition: &Value,
    ) -> Result<WorkflowPut, ClientError> {
        let call = Call::change(Method::PUT, path(&["workflows", name]), definition);
        self.http.call(call).await
    }

    /// Checks a definition, as JSON or as a text in YAML or JSON; nothing is kept.
    pub async fn validate_workflow(
        &self,
        definition: &Value,
    ) -> Result<WorkflowChecked, ClientError> {
        let call = Call::post(VALIDATE.to_owned(), definition);
        self.http.call(call).await
    }

    /// The JSON Schema of definitions.
    pub async fn workflow_schema(&self) -> Result<Value, ClientError> {
        self.http.call(Call::get(SCHEMA.to_owned())).await
    }

    /// One page of registered workflows, by name.
    pub async fn workflows(&self, query: &WorkflowsQuery) -> Result<WorkflowPage, ClientError> {
        let path = path(&["workflows"]) + &query.to_text();
        self.http.call(Call::get(path)).await
    }

    /// A workflow with its definition.
    pub async fn workflow(&self, name: &str) -> Result<WorkflowDetail, ClientError> {
        self.http.call(Call::get(path(&["workflows", name]))).await
    }

    /// The definition of one version of a workflow.
    pub async fn workflow_version(&self, name: &str, version: u32) -> Result<Value, ClientError> {
        let path = path(&["workflows", name, "versions", &version.to_string()]);
        self.http.call(Call::get(path)).await
    }

    /// Takes a workflow out of the registered ones; its runs go on.
    pub async fn delete_workflow(&self, name: &str) -> Result<Changed, ClientError> {
        self.change(Method::DELETE, path(&["workflows", name]), &NoBody {})
            .await
    }

    /// Lets runs of a workflow begin although the last ones failed.
    pub async fn clear_workflow(&self, name: &str) -> Result<Changed, ClientError> {
        self.change(
            Method::POST,
            path(&["workflows", name, "clear"]),
            &NoBody {},
        )
        .await
    }

    /// Starts a run.
    pub async fn start_run(&self, request: &StartRunRequest) -> Result<RunStarted, ClientError> {
        let call = Call::change(Method::POST, path(&["runs"]), request);
        self.http.call(call).await
    }

    /// Starts up to [`BATCH_RUNS`](crate::limits::BATCH_RUNS) runs: for each its id, or what refused
    /// it.
    pub async fn start_runs(&self, runs: &StartRunsRequest) -> Result<RunsStarted, ClientError> {
        let call = Call::change(Method::POST, RUNS.to_owned(), runs);
        self.http.call(call).await
    }

    /// One page of runs, newest first.
    pub async fn runs(&self, query: &RunsQuery) -> Result<RunPage, ClientError> {
        let path = path(&["runs"]) + &query.to_text();
        self.http.call(Call::get(path)).await
    }

    /// A run with its steps, as many as one answer has.
    pub async fn run(&self, id: &str, query: &RunQuery) -> Result<RunDetail, ClientError> {
        let path = path(&["runs", id]) + &query.to_text();
        self.http.call(Call::get(path)).await
    }

    /// A run with all of its steps, however many calls that takes.
    pub async fn whole_run(&self, id: &str) -> Result<RunDetail, ClientError> {
        let mut query = RunQuery::default();
        let mut whole = self.run(id, &query).await?;
        while let Some(from) = whole.step_cursor {
            query.step_cursor = Some(from);
            let next = self.run(id, &query).await?;
            whole.steps.extend(next.steps);
            whole.step_cursor = next.step_cursor;
        }
        Ok(whole)
    }

    /// The definition that a run follows, with the steps that were added to it.
    pub async fn run_definition(&self, id: &str) -> Result<Value, ClientError> {
        self.http
            .call(Call::get(path(&["runs", id, "definition"])))
            .await
    }

    /// Ends a run with everything in it.
    pub async fn cancel_run(&self, id: &str, note: Option<String>) -> Result<Changed, ClientError> {
        let body = CancelRunRequest { note };
        self.change(Method::POST, path(&["runs", id, "cancel"]), &body)
            .await
    }

    /// Holds the steps of a run back, or lets them go on.
    pub async fn pause_run(&self, id: &str, on: bool) -> Result<Changed, ClientError> {
        let verb = if on { "pause" } else { "resume" };
        self.change(Method::POST, path(&["runs", id, verb]), &NoBody {})
            .await
    }

    /// Runs what failed once more, with what it held up and what answered it.
    pub async fn retry_run(&self, id: &str) -> Result<Changed, ClientError> {
        self.change(Method::POST, path(&["runs", id, "retry"]), &NoBody {})
            .await
    }

    /// Runs chosen steps once more.
    pub async fn rerun(&self, id: &str, request: &RerunRequest) -> Result<Changed, ClientError> {
        self.change(Method::POST, path(&["runs", id, "rerun"]), request)
            .await
    }

    /// Adds steps to a run, on behalf of a step of it that runs.
    pub async fn add_steps(
        &self,
        id: &str,
        request: &AddStepsRequest,
    ) -> Result<Changed, ClientError> {
        self.change(Method::POST, path(&["runs", id, "steps"]), request)
            .await
    }

    /// One step of waiting for a run: answers when it has ended or `timeout` is over.
    pub async fn wait_run_step(
        &self,
        id: &str,
        timeout: Duration,
    ) -> Result<RunWaited, ClientError> {
        let request = RunWaitRequest {
            timeout: Span::from(timeout),
        };
        let call = Call::post(path(&["runs", id, "wait"]), &request);
        self.http.call(call.waiting(timeout)).await
    }

    /// Waits until a run has ended, without end when there is no timeout. The answer says whether
    /// it has. `progress` hears of each step, and at least every 20 seconds.
    pub async fn wait_run(
        &self,
        id: &str,
        timeout: Option<Duration>,
        mut progress: impl FnMut(&RunWaited),
    ) -> Result<RunWaited, ClientError> {
        let began = Instant::now();
        loop {
            let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            let step = left.map_or(WAIT_STEP, |left| left.min(WAIT_STEP));
            let waited = self.wait_run_step(id, step).await?;
            progress(&waited);
            if waited.done || left.is_some_and(|left| left.is_zero()) {
                return Ok(waited);
            }
        }
    }

    /// Lines of the audit trail: of a run, or of the whole namespace. One answer has at most
    /// `query.limit` lines, 10,000 without one; there are no more when it has fewer.
    pub async fn audit(
        &self,
        run: Option<&str>,
        query: &AuditQuery,
    ) -> Result<Vec<AuditLine>, ClientError> {
        let limit = query.limit.or(Some(crate::limits::LIST_LIMIT));
        let query = AuditQuery {
            limit,
            ..query.clone()
        };
        let path = match run {
            Some(id) => path(&["runs", id, "audit"]),
            None => path(&["audit"]),
        };
        self.http
            .call_lines(Call::get(path + &query.to_text()))
            .await
    }
}
