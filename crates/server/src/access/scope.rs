//! What a caller that is confined to some groups may touch. Its role says which routes it may use;
//! this says on whose tasks.

use std::collections::HashMap;

use capataz_api::problem::{Code, Problem};
use capataz_engine::{Key, TaskId};

use super::Caller;
use crate::namespace::Namespace;
use crate::problem::ToProblem;

/// Tasks that one session remembers the groups of before it forgets them all.
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
    let read = move |state: &capataz_engine::State| {
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
    let read = move |state: &capataz_engine::State| state.task_view(task.key());
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

/// Remembers for one session which tasks are its caller's.
#[derive(Default)]
pub(crate) struct OwnTasks(HashMap<TaskId, bool>);

impl OwnTasks {
    /// Whether the caller may touch the task.
    pub(crate) async fn has(&mut self, namespace: &Namespace, caller: &Caller, key: Key) -> bool {
        if !caller.is_confined() {
            return true;
        }
        if let Some(own) = self.0.get(&key.task()) {
            return *own;
        }
        let own = check_task(namespace, caller, key).await.is_ok();
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key.task(), own);
        own
    }
}
