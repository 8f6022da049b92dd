//! The executor of handlers.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::runtime::Handle;

use super::handler::{Answer, Attempt, Handler, HandlerError};
use super::running::{Control, Ending, Table, watch};
use crate::clock::Boottime;
use crate::executor::{Assignment, AttemptId, Executor, Reports, Stop};
use crate::outcome::{FailReason, Finished, OUTPUT_BYTES_MAX, Outcome};

/// How long a handler that ran into its timeout may take to end after it was told, before it is
/// dropped. Handlers share the process, so this is shorter than a process's grace.
const TIMEOUT_GRACE: Duration = Duration::from_secs(1);

/// Handlers by group.
#[derive(Default)]
pub struct Handlers {
    by_group: HashMap<String, Arc<dyn Handler>>,
    fallback: Option<Arc<dyn Handler>>,
}

impl Handlers {
    /// No handlers yet.
    pub fn new() -> Handlers {
        Handlers::default()
    }

    /// Lets `handler` run the attempts of `group`; replaces an earlier one.
    pub fn group(mut self, group: impl Into<String>, handler: impl Handler) -> Handlers {
        self.by_group.insert(group.into(), Arc::new(handler));
        self
    }

    /// Lets `handler` run the attempts of every group without a handler of its own.
    pub fn fallback(mut self, handler: impl Handler) -> Handlers {
        self.fallback = Some(Arc::new(handler));
        self
    }

    fn of(&self, group: &str) -> Option<&Arc<dyn Handler>> {
        self.by_group.get(group).or(self.fallback.as_ref())
    }
}

/// Runs attempts as async handlers on a tokio runtime; see the [module](super).
pub struct InlineExecutor {
    handlers: Handlers,
    table: Arc<Table>,
    runtime: Handle,
}

impl InlineExecutor {
    /// An executor on the runtime `runtime`, which its handlers share with the caller.
    pub fn new(handlers: Handlers, runtime: Handle) -> InlineExecutor {
        let table = Arc::new(Table::default());
        runtime.spawn(watch(Arc::downgrade(&table)));
        InlineExecutor {
            handlers,
            table,
            runtime,
        }
    }
}

impl Drop for InlineExecutor {
    fn drop(&mut self) {
        self.table.wake();
    }
}

impl Executor for InlineExecutor {
    fn kind(&self) -> &'static str {
        "inline"
    }

    fn start(
        &self,
        id: AttemptId,
        assignment: Assignment,
        lease: Boottime,
        reports: &Arc<dyn Reports>,
    ) {
        let Some(handler) = self.handlers.of(&assignment.group).cloned() else {
            let message = format!(
                "this worker has no handler for group {:?}",
                assignment.group
            );
            let outcome = Outcome::failed(FailReason::CouldNotStart, message);
            reports.finished(id, Finished::bare(outcome));
            return;
        };
        let control = Arc::new(Control::new(id, reports.clone()));
        let ending = Ending {
            control: control.clone(),
            table: self.table.clone(),
        };
        let work = run(handler, assignment, ending);
        self.table
            .insert(control, lease, || self.runtime.spawn(work).abort_handle());
    }

    fn extend(&self, attempts: &[AttemptId], lease: Boottime) {
        self.table.extend(attempts, lease);
    }

    fn stop(&self, id: AttemptId, stop: Stop) {
        let (outcome, grace) = match stop {
            Stop::Cancel { grace } => (Outcome::Cancelled, grace),
            Stop::LeaseLost => (Outcome::LeaseLost, Duration::ZERO),
        };
        if !self.table.cancel(id, outcome) {
            return;
        }
        if grace.is_zero() {
            self.table.abort(id);
            return;
        }
        let table = self.table.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            table.abort(id);
        });
    }
}

/// One attempt's task. `ending` comes first of all locals, so that it is dropped, and the end
/// reported, after the handler is gone.
async fn run(handler: Arc<dyn Handler>, assignment: Assignment, ending: Ending) {
    let timeout = assignment.timeout;
    let attempt = Attempt::new(assignment, ending.control.clone());
    let (outcome, output) = {
        // The call itself may panic too, before there is a future.
        let work = AssertUnwindSafe(async move { handler.call(attempt).await }).catch_unwind();
        match timeout {
            None => verdict(work.await),
            Some(limit) => {
                let mut work = std::pin::pin!(work);
                match tokio::time::timeout(limit, &mut work).await {
                    Ok(answer) => verdict(answer),
                    Err(_) => {
                        let message = format!("ran longer than its timeout of {limit:?}");
                        let outcome = Outcome::failed(FailReason::Timeout, message);
                        ending.control.cancel(outcome.clone());
                        let _ = tokio::time::timeout(TIMEOUT_GRACE, work).await;
                        (outcome, None)
                    }
                }
            }
        }
    };
    // A handler that was asked to end may well answer with an error: it did what it was told.
    match outcome {
        Outcome::Failed {
            reason: FailReason::Error,
            ..
        } if ending.control.is_cancelled() => {}
        outcome => ending.control.finish(outcome, output),
    }
}

type Caught = Result<Result<Answer, HandlerError>, Box<dyn Any + Send>>;

fn verdict(caught: Caught) -> (Outcome, Option<Bytes>) {
    match caught {
        Ok(Ok(Answer::Nothing)) => (Outcome::Succeeded, None),
        Ok(Ok(Answer::Again(after))) => (Outcome::Again { after }, None),
        Ok(Ok(Answer::Output(output))) if output.len() > OUTPUT_BYTES_MAX => {
            (Outcome::too_large(output.len() as u64), None)
        }
        Ok(Ok(Answer::Output(output))) => (Outcome::Succeeded, Some(output)),
        Ok(Err(HandlerError {
            message,
            fatal: true,
        })) => (Outcome::fatal(message), None),
        Ok(Err(error)) => (Outcome::failed(FailReason::Error, error.message), None),
        Err(panic) => {
            let message = format!("the handler panicked: {}", panic_message(panic.as_ref()));
            (Outcome::failed(FailReason::Error, message), None)
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
