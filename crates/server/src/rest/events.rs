//! What happens, as server-sent events that can be resumed.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::{HeaderMap, header::HeaderName};
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{Event, EventType, EventsQuery};
use capataz_api::spec::check_name;
use capataz_journal::Position;
use futures_util::Stream;

use super::context::Context;
use super::event_cursor::{Begin, EventCursor};
use super::event_items::{Item, bare, items};
use super::event_names::Names;
use super::event_scope::Scope;
use super::event_tasks::StepTasks;
use super::refusal::Answer;
use super::request::Query;
use super::{run_item, task_item};
use crate::feed::{FeedBatch, FeedRead};

/// Sent by browsers that reconnect: the id of the last event they got.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follow what happens
///
/// Server-sent events, each with its `cursor` as id, at least once and in order. Resumed with the
/// header `Last-Event-ID` or with `after`, the stream goes on where it broke off; history that is
/// gone is an explicit event of type `gap`.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "follow_events", tag = "server",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`, and before it.")),
    responses((status = 200, description = "Each event's data is one of these.", body = Event,
        content_type = "text/event-stream")))]
pub(super) async fn events(
    State(context): State<Context>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    for (field, name) in [("group", &query.group), ("tag", &query.tag)] {
        name.as_ref()
            .map_or(Ok(()), |name| check_name(field, name))?;
    }
    let tail = context.namespace.feed().watch_tail().borrow().get();
    let resumed = headers
        .get(LAST_EVENT_ID)
        .map(|id| String::from_utf8_lossy(id.as_bytes()));
    let begin = match (resumed, &query.after) {
        (Some(id), _) => parse("Last-Event-ID", &id, tail)?,
        (None, Some(after)) => parse("after", after, tail)?,
        (None, None) => Begin::Record(tail),
    };
    let task = query.task.as_deref().map(task_item::key).transpose()?;
    let run = query.run.as_deref().map(run_item::id).transpose()?;
    let scope = Scope::new(query.group, query.tag, task, run);
    let end = (!query.follow.unwrap_or(true)).then_some(tail);
    let stream = Follower {
        context,
        begin,
        end,
        scope,
        names: Names::default(),
        tasks: StepTasks::default(),
    }
    .stream();
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

fn parse(field: &str, text: &str, tail: u64) -> Result<Begin, Problem> {
    let begin: Result<Begin, _> = text.parse();
    let begin = begin.map_err(|_| {
        let detail = format!("{field} must be the cursor of an event, or 0; got {text:?}");
        Problem::new(Code::InvalidField, detail)
            .field(field)
            .got(text)
    })?;
    if begin.record() <= tail {
        return Ok(begin);
    }
    let detail = format!("{field} is {text}, but the journal ends at {tail}");
    let problem = Problem::new(Code::OutOfRange, detail)
        .field(field)
        .got(text);
    Err(problem.limit(format!("0 to {tail}")))
}

/// One client's way through the stream.
struct Follower {
    context: Context,
    begin: Begin,
    /// Where to end, if not never.
    end: Option<u64>,
    scope: Scope,
    names: Names,
    tasks: StepTasks,
}

impl Follower {
    fn stream(mut self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        async_stream::stream! {
            let mut next = Position::new(self.begin.record());
            let mut tail = self.context.namespace.feed().watch_tail();
            // A client that is cut off before anything happened goes on from here.
            if next > Position::ZERO {
                yield Ok(sse::Event::default().id(before(next).to_string()));
            }
            while self.end.is_none_or(|end| next.get() < end) {
                if *tail.borrow_and_update() <= next {
                    tokio::select! {
                        changed = tail.changed() => if changed.is_err() { return },
                        () = self.context.stopped() => return,
                    }
                    continue;
                }
                let feed = self.context.namespace.feed().clone();
                let read = tokio::task::spawn_blocking(move || feed.read(next)).await;
                match read {
                    Ok(Ok(FeedRead::Batches(batches))) => for batch in batches {
                        next = batch.end;
                        // What cannot be told now is not left out: the client resumes.
                        let Some(events) = self.show(&batch).await else { return };
                        for event in events {
                            yield Ok(event);
                        }
                    },
                    Ok(Ok(FeedRead::Gap(first))) => {
                        yield Ok(gap(next, first));
                        next = first;
                    }
                    // The client resumes, and is refused if the cause is still there.
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the journal could not be read for a follower");
                        return;
                    }
                    Err(error) => {
                        tracing::error!(%error, "reading the journal panicked");
                        return;
                    }
                }
            }
            yield Ok(end());
        }
    }

    /// What a client gets of a record; `None` when it cannot be found out now what it wants.
    async fn show(&mut self, batch: &FeedBatch) -> Option<Vec<sse::Event>> {
        self.names
            .learn(&self.context, batch.end, &batch.events)
            .await;
        let record = batch.end.get().saturating_sub(1);
        let shown = (0_u32..).zip(batch.events.iter());
        let shown = shown.flat_map(|(place, event)| items(record, place, event, &self.names));
        let mut shown: Vec<Item> = shown
            .filter(|item| !self.begin.is_past(item.cursor))
            .collect();
        let context = &self.context;
        let told = self.tasks.complete(context, batch.end, &mut shown).await;
        if !told && self.scope.is_of_run() {
            return None;
        }
        let shown = self.scope.select(context, batch.end, shown).await?;
        Some(shown.iter().map(|item| wire(&item.event)).collect())
    }
}

/// The last frame of a stream that has come to its end: without it the client comes back for more.
pub(super) fn end() -> sse::Event {
    sse::Event::default().event("end").data("{}")
}

/// The cursor after which a stream begins with the record at `first`.
fn before(first: Position) -> EventCursor {
    EventCursor {
        record: first.get().saturating_sub(1),
        event: u32::MAX,
        task: 0,
    }
}

fn gap(from: Position, first: Position) -> sse::Event {
    let cursor = before(first);
    let record = cursor.record;
    wire(&Event {
        cursor: cursor.to_string(),
        at: capataz_api::Timestamp(crate::clock::wall().0),
        note: Some(format!("records {from} to {record} are gone")),
        ..bare(EventType::Gap)
    })
}

fn wire(event: &Event) -> sse::Event {
    let json = serde_json::to_string(event).expect("an event is made of texts and numbers");
    sse::Event::default().id(&event.cursor).data(json)
}
