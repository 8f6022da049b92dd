//! The thread that takes the owner's turns.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::appender::Appender;
use super::gauges::Gauges;
use super::journal_thread::JournalRequest;
use crate::clock::HostClock;
use crate::owner::{Input, Owner, ToAppend};

/// How long the thread sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(1);
/// Messages taken before a turn begins, so that a flood does not keep turns from being taken.
const DRAIN: usize = 8_192;

/// Inputs of a turn whose record the owner appends itself: more of them mean that further ones are
/// on their way, which are better decided while these are synced.
const ALONE: usize = 4;

/// What reaches the thread.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every message is an input, and boxing it would cost each an allocation"
)]
pub(super) enum Message {
    /// Something for the owner.
    Input(Input),
    /// A thread that the namespace cannot live without has failed.
    Fatal(String),
    /// Stop when everything on its way is durable.
    Stop,
}

pub(super) struct OwnerThread {
    pub(super) owner: Owner,
    pub(super) clock: HostClock,
    pub(super) messages: Receiver<Message>,
    pub(super) appender: Arc<Mutex<Appender>>,
    pub(super) journal: Sender<JournalRequest>,
    pub(super) gauges: Arc<Gauges>,
}

impl OwnerThread {
    /// Runs until it is stopped, or returns why it cannot go on.
    pub(super) fn run(mut self) -> Result<(), String> {
        let result = self.serve();
        self.gauges.stopped.store(true, Ordering::Release);
        // Fails when the journal's thread has failed and gone.
        let _ = self.journal.send(JournalRequest::Close);
        result
    }

    fn serve(&mut self) -> Result<(), String> {
        let mut backlog = VecDeque::new();
        let mut stopping = false;
        loop {
            stopping |= self.receive(&mut backlog)?;
            if self.owner.has_room_in_flight() {
                let now = self.clock.now();
                let alone = self.owner.is_settled() && backlog.len() <= ALONE;
                if let Some(append) = self.owner.turn(now, &mut backlog) {
                    self.append(append, alone)?;
                }
                Gauges::set(&self.gauges.lag_bytes, self.owner.lag() as u64);
            }
            if stopping && backlog.is_empty() && self.owner.is_settled() {
                return Ok(());
            }
        }
    }

    /// Hands a record to the journal's thread, so that the next turn can be taken while it is
    /// synced. A record of few inputs with nothing else on its way has no next turn to wait for:
    /// it is appended here, which spares it two changes of thread.
    fn append(&mut self, append: ToAppend, alone: bool) -> Result<(), String> {
        if alone && let Ok(mut appender) = self.appender.try_lock() {
            let tail = appender.append(append.expected, &[append.record])?;
            drop(appender);
            self.owner.durable(tail);
            return Ok(());
        }
        let sent = self.journal.send(JournalRequest::Append(append));
        sent.map_err(|_| "the journal's thread is gone".to_owned())
    }

    /// Waits for messages, takes what is there, and says whether the thread is to stop.
    fn receive(&mut self, backlog: &mut VecDeque<Input>) -> Result<bool, String> {
        let mut stopping = false;
        let ready = !backlog.is_empty() && self.owner.has_room_in_flight();
        if !ready {
            match self.messages.recv_timeout(self.patience()) {
                Ok(message) => stopping |= self.sort(message, backlog)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(true),
            }
        }
        for _ in 0..DRAIN {
            match self.messages.try_recv() {
                Ok(message) => stopping |= self.sort(message, backlog)?,
                Err(_) => break,
            }
        }
        Ok(stopping)
    }

    fn patience(&self) -> Duration {
        let now = self.clock.now().mono;
        let wake = self.owner.next_wake().map(|wake| wake.saturating_sub(now));
        wake.map_or(IDLE, |wake| wake.min(IDLE))
    }

    fn sort(&mut self, message: Message, backlog: &mut VecDeque<Input>) -> Result<bool, String> {
        match message {
            // What frees the way must not queue behind what waits for it.
            Message::Input(Input::Durable(position)) => self.owner.durable(position),
            Message::Input(input) => backlog.push_back(input),
            Message::Fatal(reason) => return Err(reason),
            Message::Stop => return Ok(true),
        }
        Ok(false)
    }
}
