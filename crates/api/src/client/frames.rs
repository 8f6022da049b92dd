//! What is to be submitted, in flight, or to be tried again: no I/O, so that it can be reasoned
//! about and tested alone.
//!
//! Tasks that are submitted one by one travel together, but they are separate requests: when the
//! master refuses what travels together, each is sent again alone, under a request id of its own.
//! That is safe, because a refusal changes nothing.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{ClientError, Ids};
use crate::limits::{BATCH_BYTES, BATCH_TASKS};
use crate::problem::Problem;
use crate::proto;

/// Requests in flight at once. Some, so that the master works on one while it syncs another; not
/// many, so that what comes meanwhile travels together.
const WINDOW: usize = 4;

/// What a task adds to a request besides itself: its tag and length.
const TASK_OVERHEAD: usize = 6;
/// Room for a request's own fields.
const REQUEST_OVERHEAD: usize = 64;

/// Bytes of tasks that fit into one request, each with its overhead.
pub(super) const FRAME_BYTES: usize = BATCH_BYTES - REQUEST_OVERHEAD;

pub(super) type Answer = Result<(Ids, u64), ClientError>;

/// Tasks that are accepted together or not at all, and who waits for them.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) tasks: Vec<Bytes>,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// A request: the same id and tasks whenever it is sent.
#[derive(Debug)]
struct Frame {
    request_id: Bytes,
    items: Vec<Item>,
}

/// All requests that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    waiting: VecDeque<Item>,
    waiting_bytes: usize,
    again: VecDeque<Frame>,
    in_flight: BTreeMap<u64, Frame>,
    last_sequence: u64,
}

/// What a reply means for the sending of further requests.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Settled {
    /// Go on.
    Done,
    /// The master cannot take it now: pause, then go on.
    Again(Problem),
}

/// Bytes that tasks take in a request.
pub(super) fn weight(tasks: &[Bytes]) -> usize {
    tasks.iter().map(|task| task.len() + TASK_OVERHEAD).sum()
}

impl Frames {
    pub(super) fn push(&mut self, item: Item) {
        self.waiting_bytes += weight(&item.tasks);
        self.waiting.push_back(item);
    }

    /// Whether more should be taken in: no more than about one request is held back.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < BATCH_TASKS && self.waiting_bytes < FRAME_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.again.is_empty() && self.in_flight.is_empty()
    }

    pub(super) fn awaits_replies(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// The next request to send, if one may be.
    pub(super) fn next_request(&mut self) -> Option<proto::SubmitRequest> {
        if self.in_flight.len() >= WINDOW {
            return None;
        }
        let frame = self.again.pop_front().or_else(|| self.form())?;
        self.last_sequence += 1;
        let tasks = frame.items.iter().flat_map(|item| &item.tasks);
        let request = proto::SubmitRequest {
            sequence: self.last_sequence,
            request_id: frame.request_id.clone(),
            tasks: tasks.cloned().collect(),
        };
        self.in_flight.insert(self.last_sequence, frame);
        Some(request)
    }

    /// Packs what waits into a request: all that fits, in order.
    fn form(&mut self) -> Option<Frame> {
        let (mut items, mut tasks, mut bytes) = (Vec::new(), 0, 0);
        while let Some(item) = self.waiting.front() {
            let item_bytes = weight(&item.tasks);
            let fits = tasks + item.tasks.len() <= BATCH_TASKS && bytes + item_bytes <= FRAME_BYTES;
            if !items.is_empty() && !fits {
                break;
            }
            tasks += item.tasks.len();
            bytes += item_bytes;
            items.extend(self.waiting.pop_front());
        }
        self.waiting_bytes -= bytes;
        (!items.is_empty()).then(|| Frame::new(items))
    }

    /// Takes a reply in and tells those who wait for it.
    pub(super) fn settle(&mut self, reply: proto::SubmitReply) -> Settled {
        use proto::submit_reply::Result::{Problem as Refused, Submitted};

        let Some(frame) = self.in_flight.remove(&reply.sequence) else {
            return Settled::Done;
        };
        match reply.result {
            Some(Submitted(submitted)) => frame.accept(&submitted),
            Some(Refused(problem)) => {
                let problem = Problem::from(problem);
                if problem.is_transient() {
                    self.again.push_back(frame);
                    return Settled::Again(problem);
                }
                self.refuse(frame, problem);
            }
            None => self.again.push_back(frame),
        }
        Settled::Done
    }

    fn refuse(&mut self, frame: Frame, problem: Problem) {
        let mut items = frame.items;
        if items.len() > 1 {
            let alone = items.into_iter().map(|item| Frame::new(vec![item]));
            self.again.extend(alone);
        } else if let Some(item) = items.pop() {
            // Nobody may be waiting any more; then nobody needs to hear.
            let _ = item.reply.send(Err(ClientError::Refused(problem)));
        }
    }

    /// The connection broke: what was in flight is sent again, first and in its order.
    pub(super) fn requeue(&mut self) {
        for (_, frame) in std::mem::take(&mut self.in_flight).into_iter().rev() {
            self.again.push_front(frame);
        }
    }

    /// Tells all who wait that it did not work.
    pub(super) fn fail_all(&mut self, error: &ClientError) {
        self.requeue();
        let frames = std::mem::take(&mut self.again).into_iter();
        let items = frames.flat_map(|frame| frame.items);
        for item in items.chain(std::mem::take(&mut self.waiting)) {
            let _ = item.reply.send(Err(error.clone()));
        }
        self.waiting_bytes = 0;
    }
}

impl Frame {
    fn new(items: Vec<Item>) -> Frame {
        let id: u128 = rand::random();
        Frame {
            request_id: Bytes::copy_from_slice(&id.to_be_bytes()),
            items,
        }
    }

    fn accept(self, submitted: &proto::Submitted) {
        let mut ids = Ids::default();
        ids.push_run(submitted.first, submitted.count.into());
        for id in &submitted.ids {
            ids.push_run(*id, 1);
        }
        let mut start = 0;
        for item in self.items {
            let own = ids.slice(start, item.tasks.len());
            start += item.tasks.len();
            let _ = item.reply.send(Ok((own, submitted.position)));
        }
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
