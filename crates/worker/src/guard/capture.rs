//! Reading what an attempt prints.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::logs::{Stream, StreamBudget};

/// Read at once, in bytes: what a pipe holds by default.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// A pipe can be enlarged to this by its writer without privileges, in bytes. When no process is
/// left that could write, no more than this can be in it.
const PIPE_BYTES_MAX: usize = 1024 * 1024;

/// One stream of one attempt.
pub(super) struct Capture {
    stream: Stream,
    /// None once it came to its end.
    reader: Option<PipeReader>,
    budget: StreamBudget,
}

impl Capture {
    /// Opens a pipe whose reading end is watched under `slot` ([`of_event`] turns the event back)
    /// and whose writing end is the child's.
    pub(super) fn open(
        stream: Stream,
        slot: u16,
        pipes: &Epoll,
    ) -> io::Result<(Capture, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let data = u64::from(slot) << 1 | u64::from(stream == Stream::Stderr);
        pipes.add(reader.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, data))?;
        Ok((
            Capture {
                stream,
                reader: Some(reader),
                budget: StreamBudget::default(),
            },
            writer,
        ))
    }

    /// Reads once; hands what is to be passed on, with its offset, to `pass`. Returns how much was
    /// read: nothing when the pipe is empty or at its end.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        pass: &mut impl FnMut(Stream, u64, &[u8]),
    ) -> usize {
        let Some(reader) = &mut self.reader else {
            return 0;
        };
        match reader.read(buffer) {
            Ok(read @ 1..) => {
                if let Some((offset, bytes)) = self.budget.take(&buffer[..read]) {
                    pass(self.stream, offset, bytes);
                }
                read
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                0
            }
            // Closing the reader also takes it out of the epoll set.
            Ok(_) | Err(_) => {
                self.reader = None;
                0
            }
        }
    }

    /// Reads what is left in the pipe when no writer is left, and passes on the kept tail.
    pub(super) fn finish(&mut self, buffer: &mut [u8], pass: &mut impl FnMut(Stream, u64, &[u8])) {
        let mut drained = 0;
        while drained < PIPE_BYTES_MAX {
            match self.read(buffer, pass) {
                0 => break,
                read => drained += read,
            }
        }
        self.reader = None;
        if let Some((offset, tail)) = self.budget.finish() {
            pass(self.stream, offset, &tail);
        }
    }
}

/// Which slot's stream an event of the set is about.
pub(super) fn of_event(event: &EpollEvent) -> (u16, Stream) {
    let stream = if event.data() & 1 == 1 {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    ((event.data() >> 1) as u16, stream)
}
