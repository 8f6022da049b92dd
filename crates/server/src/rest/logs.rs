//! What attempts print. Logs are not journaled: what is here is what their worker has sent.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use capataz_api::problem::{Code, Problem};
use capataz_api::proto::AttemptResult;
use capataz_api::rest::{Blob, LogChunk, LogStream, Logs, LogsQuery};
use capataz_engine::{Attempt, Key};
use futures_util::Stream;
use prost::Message;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Path, Query};
use super::task_item;
use crate::access::{Caller, check_task};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of one piece: more makes no client faster.
const CHUNK: usize = 64 << 10;

/// Read what an attempt printed
///
/// With `follow` the pieces come as server-sent events until the attempt has ended.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/logs", operation_id = "show_logs", tag = "tasks",
    params(("id" = String, Path, description = "Such as `12`, or `12.0`."), LogsQuery),
    responses((status = 200, description = "The pieces; as a stream, each is the data of an event.",
        content((Logs = "application/json"), (LogChunk = "text/event-stream")))))]
pub(super) async fn logs(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Answer<Response> {
    let key = task_item::key(&id)?;
    check_task(&context.namespace, &caller, key).await?;
    context.catch_up().await?;
    let Some(record) = context.read(move |store| store.task(key)).await? else {
        return Err(not_found("task", &id).into());
    };
    // 0 when there was none yet: who follows waits for the first.
    let attempt = query.attempt.unwrap_or(record.attempt);
    if attempt > record.attempt || query.attempt == Some(0) {
        return Err(not_found("attempt", &attempt.to_string()).into());
    }
    let mut printed = Printed {
        context,
        key,
        attempt,
        from: [
            query.stdout_from.unwrap_or(0),
            query.stderr_from.unwrap_or(0),
        ],
    };
    if query.follow {
        let stream = Sse::new(printed.follow());
        return Ok(stream.keep_alive(KeepAlive::default()).into_response());
    }
    let (chunks, ended) = printed.look().await?;
    Ok(Json(Logs {
        task: id,
        attempt,
        ended,
        chunks,
    })
    .into_response())
}

/// What one attempt printed, from some place of each stream on.
struct Printed {
    context: Context,
    key: Key,
    attempt: Attempt,
    from: [u64; 2],
}

impl Printed {
    /// What came since the last look, and whether nothing more can come.
    async fn look(&mut self) -> Answer<(Vec<LogChunk>, bool)> {
        if self.attempt == 0 {
            let key = self.key;
            let task = self.context.read(move |store| store.task(key)).await?;
            match task.filter(|task| task.phase.is_live() || task.attempt > 0) {
                None => return Ok((Vec::new(), true)),
                Some(task) if task.attempt == 0 => return Ok((Vec::new(), false)),
                Some(task) => self.attempt = task.attempt,
            }
        }
        let (key, number) = (self.key, self.attempt);
        // Whether it has ended is read first: what was printed before that is then there.
        let attempts = self.context.read(move |store| store.attempts(key)).await?;
        let attempt = attempts
            .into_iter()
            .find(|attempt| attempt.attempt == number);
        let ended = attempt
            .as_ref()
            .is_none_or(|attempt| attempt.verdict.is_some());
        let logs = self.context.namespace.logs().clone();
        let kept = tokio::task::spawn_blocking(move || logs.read(key, number)).await;
        let kept = match kept {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => return Err(unreadable(&error).into()),
            Err(error) => return Err(unreadable(&error).into()),
        };
        let (mut stdout, mut stderr) = (Bytes::from(kept.stdout), Bytes::from(kept.stderr));
        // A worker that sends no pieces sends the end of its prints with its report.
        if let Some(attempt) = attempt.filter(|_| stdout.is_empty() && stderr.is_empty()) {
            let result = AttemptResult::decode(attempt.result).unwrap_or_default();
            (stdout, stderr) = (result.stdout_tail, result.stderr_tail);
        }
        let mut chunks = self.fresh(LogStream::Stdout, stdout);
        chunks.extend(self.fresh(LogStream::Stderr, stderr));
        Ok((chunks, ended))
    }

    fn fresh(&mut self, stream: LogStream, all: Bytes) -> Vec<LogChunk> {
        let from = &mut self.from[stream as usize];
        let start = usize::try_from(*from).unwrap_or(usize::MAX).min(all.len());
        let mut rest = all.slice(start..);
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let data = rest.split_to(cut(&rest));
            let offset = *from;
            *from += data.len() as u64;
            chunks.push(LogChunk {
                attempt: self.attempt,
                stream,
                offset,
                data: Blob(data),
            });
        }
        chunks
    }

    fn follow(mut self) -> impl Stream<Item = Result<Event, Infallible>> {
        async_stream::stream! {
            loop {
                let Ok((chunks, ended)) = self.look().await else { break };
                for chunk in chunks {
                    let json = serde_json::to_string(&chunk);
                    yield Ok(Event::default().data(json.expect("a piece is made of texts")));
                }
                if ended {
                    yield Ok(super::events::end());
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = self.context.stopped() => break,
                }
            }
        }
    }
}

/// Where to cut a piece: not within a character, so that texts stay texts.
fn cut(bytes: &[u8]) -> usize {
    if bytes.len() <= CHUNK {
        return bytes.len();
    }
    let begins = |at: &usize| bytes[*at] & 0b1100_0000 != 0b1000_0000;
    (CHUNK - 3..=CHUNK).rev().find(begins).unwrap_or(CHUNK)
}

fn unreadable(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "logs could not be read");
    Problem::new(
        Code::Internal,
        "the logs could not be read; the server's log says why",
    )
}
