//! The handle for submitting.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{mpsc, oneshot};

use super::frames::{Answer, FRAME_BYTES, Item, weight};
use super::http::Http;
use super::pump;
use super::{ClientError, Ids};
use crate::limits::{BATCH_TASKS, PAYLOAD_BYTES_MAX};
use crate::problem::Problem;
use crate::proto;
use crate::rest::Submitted;
use crate::spec;

/// Submissions that may wait for the stream before their callers do.
const INBOX: usize = 1_024;
/// Parts of one large submission that are under way at once.
const PARTS: usize = 8;

/// Submits tasks over one stream. Cheap to clone; clones share the stream, and what they submit
/// at the same time travels together.
#[derive(Clone, Debug)]
pub struct Submitter {
    inbox: mpsc::Sender<Item>,
    url: Arc<str>,
}

/// Tasks that were accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accepted {
    /// Their ids, in the order in which they were given.
    pub ids: Ids,
    /// The store shows them all once it has reached this position.
    pub position: u64,
}

impl Submitter {
    pub(super) fn start(http: Arc<Http>) -> Submitter {
        let (inbox, items) = mpsc::channel(INBOX);
        let url = Arc::from(http.url());
        tokio::spawn(pump::run(http, items));
        Submitter { inbox, url }
    }

    /// Submits one task.
    pub async fn submit(&self, task: proto::TaskSpec) -> Result<Submitted, ClientError> {
        spec::validate_within(&task, PAYLOAD_BYTES_MAX)?;
        let answer = self.send(vec![spec::encode(&task)]).await;
        let (ids, position) = answer.map_err(|error| relocate(error, None))?;
        let id = ids.iter().next().ok_or_else(|| ClientError::Protocol {
            url: self.url.to_string(),
            what: "a submission was accepted without an id".to_owned(),
        })?;
        Ok(Submitted { id, position })
    }

    /// Submits many tasks, in as many parts as it takes. Nothing is sent when one of them breaks a
    /// rule that can be checked here.
    pub async fn submit_batch(&self, tasks: Vec<proto::TaskSpec>) -> Result<Accepted, ClientError> {
        for (index, task) in tasks.iter().enumerate() {
            spec::validate_within(task, PAYLOAD_BYTES_MAX).map_err(|error| error.at(index))?;
        }
        let mut accepted = Accepted::default();
        let mut under_way = FuturesOrdered::new();
        let mut start = 0;
        for part in split(tasks.iter().map(spec::encode)) {
            if under_way.len() >= PARTS {
                take_part(under_way.next().await, &mut accepted)?;
            }
            let offset = start;
            start += part.len();
            under_way.push_back(async move {
                let answer = self.send(part).await;
                answer.map_err(|error| relocate(error, Some(offset)))
            });
        }
        while !under_way.is_empty() {
            take_part(under_way.next().await, &mut accepted)?;
        }
        Ok(accepted)
    }

    async fn send(&self, tasks: Vec<bytes::Bytes>) -> Answer {
        let stopped = || ClientError::NoAnswer {
            url: self.url.to_string(),
            cause: "the client's runtime has stopped".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        let sent = self.inbox.send(Item { tasks, reply }).await;
        sent.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Adds the answer for one part to those before it.
fn take_part(answer: Option<Answer>, accepted: &mut Accepted) -> Result<(), ClientError> {
    match answer {
        None => Ok(()),
        Some(Ok((ids, position))) => {
            accepted.ids.extend(&ids);
            accepted.position = accepted.position.max(position);
            Ok(())
        }
        Some(Err(cause)) if accepted.ids.is_empty() => Err(cause),
        Some(Err(cause)) => Err(ClientError::Incomplete {
            accepted: std::mem::take(&mut accepted.ids),
            cause: Box::new(cause),
        }),
    }
}

/// Parts that each fit into one submission.
fn split(tasks: impl Iterator<Item = bytes::Bytes>) -> impl Iterator<Item = Vec<bytes::Bytes>> {
    let mut tasks = tasks.peekable();
    std::iter::from_fn(move || {
        let mut part = vec![tasks.next()?];
        let mut bytes = weight(&part);
        while part.len() < BATCH_TASKS {
            let next = tasks.next_if(|task| {
                bytes += weight(std::slice::from_ref(task));
                bytes <= FRAME_BYTES
            });
            match next {
                Some(task) => part.push(task),
                None => break,
            }
        }
        Some(part)
    })
}

/// Names a task by its place in the caller's submission instead of that in the request: `offset`
/// tasks went before it. Without one there was a single task, which has no place.
fn relocate(error: ClientError, offset: Option<usize>) -> ClientError {
    let ClientError::Refused(mut problem) = error else {
        return error;
    };
    let place = problem.field.as_deref().and_then(place_of);
    if let Some((index, old)) = place {
        let new = offset.map(|offset| format!("tasks[{}]", offset + index));
        relabel(&mut problem, &old, new.as_deref());
    }
    ClientError::Refused(problem)
}

/// The index in `tasks[3].priority`, and the text of its task.
fn place_of(field: &str) -> Option<(usize, String)> {
    let (index, _) = field.strip_prefix("tasks[")?.split_once(']')?;
    Some((index.parse().ok()?, format!("tasks[{index}]")))
}

fn relabel(problem: &mut Problem, old: &str, new: Option<&str>) {
    let (old, new) = match new {
        Some(new) => (old.to_owned(), new),
        None => (format!("{old}."), ""),
    };
    problem.detail = problem.detail.replacen(&old, new, 1);
    problem.field = problem
        .field
        .as_ref()
        .map(|field| field.replacen(&old, new, 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn a_large_submission_is_split_by_count_and_by_bytes() {
        let sizes = |tasks: Vec<bytes::Bytes>| -> Vec<usize> {
            split(tasks.into_iter()).map(|part| part.len()).collect()
        };
        let small = vec![bytes::Bytes::from_static(b"x"); BATCH_TASKS * 2 + 1];
        assert_eq!(sizes(small), [BATCH_TASKS, BATCH_TASKS, 1]);
        let large = vec![bytes::Bytes::from(vec![0; FRAME_BYTES / 3]); 5];
        assert_eq!(sizes(large), [2, 2, 1]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }

    #[test]
    fn a_refusal_names_the_task_as_the_caller_numbered_it() {
        let refusal = || {
            let problem = Problem::new(Code::DedupConflict, "tasks[3].dedup_key is in use");
            ClientError::Refused(problem.field("tasks[3].dedup_key"))
        };
        let moved = relocate(refusal(), Some(10_000));
        assert_eq!(moved.to_string(), "tasks[10003].dedup_key is in use");
        let single = relocate(refusal(), None);
        assert_eq!(single.to_string(), "dedup_key is in use");
        let field = single.problem().and_then(|problem| problem.field.clone());
        assert_eq!(field.as_deref(), Some("dedup_key"));
    }
}
