//! The guard's end of the socket to its worker. Its closing means that the worker is gone.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::GuardError;
use super::frame::{FromGuard, ToGuard, decode, encode};

/// Read at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// While more than this waits to be read by the worker, in bytes, no more of what attempts print
/// is taken in; they wait at their full pipes.
const OUTBOX_FULL_BYTES: usize = 1024 * 1024;

pub(super) struct Lifeline {
    socket: UnixStream,
    inbox: Vec<u8>,
    /// How much of the inbox was taken.
    taken: usize,
    outbox: Vec<u8>,
    sent: usize,
}

impl Lifeline {
    pub(super) fn new(socket: UnixStream) -> io::Result<Lifeline> {
        socket.set_nonblocking(true)?;
        Ok(Lifeline {
            socket,
            inbox: Vec::new(),
            taken: 0,
            outbox: Vec::new(),
            sent: 0,
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes in what the worker sent. False when the worker is gone: what it sent last is void.
    pub(super) fn receive(&mut self) -> bool {
        self.inbox.drain(..self.taken);
        self.taken = 0;
        loop {
            let had = self.inbox.len();
            self.inbox.resize(had + READ_BYTES, 0);
            let read = self.socket.read(&mut self.inbox[had..]);
            self.inbox.truncate(had + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return false,
                Ok(READ_BYTES) => {}
                Ok(_) => return true,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return true,
                    io::ErrorKind::Interrupted => {}
                    _ => return false,
                },
            }
        }
    }

    /// The next frame that was received.
    pub(super) fn next(&mut self) -> Result<Option<ToGuard>, GuardError> {
        let Some((message, bytes)) = decode(&self.inbox[self.taken..])? else {
            return Ok(None);
        };
        self.taken += bytes;
        Ok(Some(message))
    }

    /// Queues a message.
    pub(super) fn tell(&mut self, message: &FromGuard) -> Result<(), GuardError> {
        Ok(encode(message, &mut self.outbox)?)
    }

    /// Sends what fits. A worker that is gone is noticed by [`Lifeline::receive`].
    pub(super) fn flush(&mut self) {
        while self.sent < self.outbox.len() {
            match self.socket.write(&self.outbox[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
        self.outbox.clear();
        self.sent = 0;
    }

    pub(super) fn has_to_send(&self) -> bool {
        self.sent < self.outbox.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() - self.sent > OUTBOX_FULL_BYTES
    }
}
