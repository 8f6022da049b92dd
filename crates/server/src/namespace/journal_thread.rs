//! The thread that appends while the owner works ahead. Everything that has come in while it
//! synced goes out with the next sync: durability costs latency once and throughput almost nothing.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use capataz_journal::{Freed, Position};

use super::appender::{Appender, MAINTENANCE};
use super::owner_thread::Message;
use crate::owner::{Input, ToAppend};

/// Bytes that one sync covers at the most.
const GROUP_BYTES: usize = 8 << 20;

/// What the journal is asked for.
pub(super) enum JournalRequest {
    /// Make it durable.
    Append(ToAppend),
    /// The store has verified everything below.
    Trim(Position),
    /// Nothing more will come.
    Close,
}

pub(super) struct JournalThread {
    pub(super) appender: Arc<Mutex<Appender>>,
    pub(super) requests: Receiver<JournalRequest>,
    pub(super) owner: Sender<Message>,
}

/// Requests that were waiting, sorted.
#[derive(Default)]
struct Work {
    records: Vec<Bytes>,
    expected: Option<Position>,
    bytes: usize,
    trim: Option<Position>,
    close: bool,
}

impl Work {
    fn add(&mut self, request: JournalRequest) {
        match request {
            JournalRequest::Append(append) => {
                self.expected.get_or_insert(append.expected);
                self.bytes += append.record.len();
                self.records.push(append.record);
            }
            JournalRequest::Trim(below) => self.trim = Some(below),
            JournalRequest::Close => self.close = true,
        }
    }
}

/// Lets go of what was trimmed in a thread of its own: nothing that is appended waits for it.
fn free(trimmed: Freed) {
    if trimmed.is_empty() {
        return;
    }
    let thread = std::thread::Builder::new().name("capataz-free".to_owned());
    // Without a further thread it is let go of here.
    let _ = thread.spawn(move || drop(trimmed));
}

impl JournalThread {
    /// Runs until it is closed or the journal fails; a failure is told to the owner.
    pub(super) fn run(self) {
        if let Err(reason) = self.serve() {
            // The owner may be gone already; then nobody is left to tell.
            let _ = self.owner.send(Message::Fatal(reason));
        }
    }

    fn serve(&self) -> Result<(), String> {
        loop {
            let work = self.receive();
            let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(expected) = work.expected {
                let tail = appender.append(expected, &work.records)?;
                let _ = self.owner.send(Message::Input(Input::Durable(tail)));
            }
            if let Some(below) = work.trim {
                free(appender.trim(below)?);
            }
            if let Some(room) = appender.maintain()? {
                let _ = self.owner.send(Message::Input(Input::JournalRoom(room)));
            }
            if work.close {
                return appender.close();
            }
        }
    }

    /// Waits for a request, and takes what has come with it.
    fn receive(&self) -> Work {
        let mut work = Work::default();
        match self.requests.recv_timeout(MAINTENANCE) {
            Ok(request) => work.add(request),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => work.close = true,
        }
        while work.bytes < GROUP_BYTES {
            match self.requests.try_recv() {
                Ok(request) => work.add(request),
                Err(_) => break,
            }
        }
        work
    }
}
