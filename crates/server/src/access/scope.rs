//! What a caller that is confined to some groups may touch. Its role says which routes it may use;
//! this says on whose tasks.

use std::collections::HashSet;

use capataz_api::problem::{Code, Problem};
use capataz_engine::{Key, State, TaskId, WorkerId};

use super::Caller;
use crate::namespace::Namespace;
use crate::owner::{CallError, Token};
use crate::problem::ToProblem;

/// Attempts that one session remembers before it forgets them all: more than a worker runs at once.
/// Forgotten, those that have ended say no more.
const REMEMBERED: usize = 10_000;

/// Refuses a worker that serves a foreign group, or takes the name of one that does: it would end
/// that one's session.
pub(crate) async fn check_worker(
    namespace: &Namespace,
    caller: &Caller,
    name: &str,
    groups: &[String],
) -> Result<(), Problem> {
    if !caller.is_confined() {
        return Ok(());
    }
    for group in groups {
        caller.check_group(group)?;
    }
    let wanted = name.to_owned();
    let read = move |state: &State| {
        let view = state.worker_view(state.worker_id(&wanted)?)?;
        Some(view.groups)
    };
    let (served, _) = namespace.query(read).await.map_err(|e| e.to_problem())?;
    let foreign = |group: &String| caller.check_group(group).is_err();
    if served.is_some_and(|served| served.iter().any(foreign)) {
        let detail = format!("the worker {name:?} serves groups that the token is not for");
        return Err(Problem::new(Code::Forbidden, detail).got(name));
    }
    Ok(())
}

/// Refuses what is about a task of a foreign group, or of none that is known: whether such a task
/// exists is nothing that the caller is told.
pub(crate) async fn check_task(
    namespace: &Namespace,
    caller: &Caller,
    key: Key,
) -> Result<(), Problem> {
    if !caller.is_confined() {
        return Ok(());
    }
    match group_of(namespace, key.task()).await? {
        Some(group) => caller.check_group(&group),
        None => {
            let detail = format!("task {key} is of no group that the token is for");
            Err(Problem::new(Code::Forbidden, detail))
        }
    }
}

/// The group of a task, ended ones included.
async fn group_of(namespace: &Namespace, task: TaskId) -> Result<Option<String>, Problem> {
    let read = move |state: &State| state.task_view(task.key());
    let (live, position) = namespace.query(read).await.map_err(|e| e.to_problem())?;
    if let Some(view) = live {
        return Ok(Some(view.group));
    }
    namespace
        .projected(position, crate::rest::STORE_PATIENCE)
        .await;
    let store = namespace.store().clone();
    let read = tokio::task::spawn_blocking(move || store.task(task.key())).await;
    let record = match read {
        Ok(Ok(record)) => record,
        Ok(Err(error)) => return Err(error.to_problem()),
        Err(error) => {
            tracing::error!(%error, "reading the store panicked");
            let detail = "reading the store failed; the server's log says why";
            return Err(Problem::new(Code::Internal, detail));
        }
    };
    Ok(record.map(|record| record.group))
}

/// What one session knows of which attempts are its worker's. Only of these it may say what they
/// print: those that the worker holds, and those that it held when it first spoke of them, whose last
/// chunks may come after their end.
#[derive(Default)]
pub(crate) struct OwnAttempts(HashSet<Token>);

impl OwnAttempts {
    /// Finds out about attempts that the session has not spoken of yet.
    pub(crate) async fn learn(
        &mut self,
        namespace: &Namespace,
        worker: WorkerId,
        spoken_of: impl Iterator<Item = Token>,
    ) -> Result<(), CallError> {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let mut new: Vec<Token> = spoken_of.filter(|token| !self.0.contains(token)).collect();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        let held = move |state: &State| {
            new.retain(|(key, attempt)| state.lease_holder(*key, *attempt) == Some(worker));
            new
        };
        let (held, _) = namespace.query(held).await?;
        self.0.extend(held);
        Ok(())
    }

    /// Whether the attempt is the worker's.
    pub(crate) fn has(&self, token: Token) -> bool {
        self.0.contains(&token)
    }
}
