//! The guard's loop: one `poll` over the worker, the children's ends, the clock and what attempts
//! print, then whatever is due.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::GuardError;
use super::capture::{READ_BYTES, of_event};
use super::frame::{FromGuard, Setup, Start, ToGuard};
use super::lifeline::Lifeline;
use super::wards::Wards;
use crate::clock::Boottime;
use crate::logs::Stream;

/// Streams read in one turn of the loop, so that deadlines are looked at between them.
const EVENTS_PER_TURN: usize = 64;

/// How long the last look for ends may wait while everything is being killed, in milliseconds.
const LAST_ENDS_MS: u16 = 20;

pub(super) struct Warden {
    lifeline: Lifeline,
    ends: SignalFd,
    timer: TimerFd,
    /// What the timer is set to.
    armed: Boottime,
    pipes: Epoll,
    buffer: Box<[u8; READ_BYTES]>,
    wards: Option<Wards>,
}

/// What woke the loop.
struct Woken {
    worker: bool,
    ends: bool,
    pipes: bool,
}

impl Warden {
    pub(super) fn new(lifeline: Lifeline) -> nix::Result<Warden> {
        let mut ends = SigSet::empty();
        ends.add(Signal::SIGCHLD);
        ends.thread_set_mask()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Warden {
            lifeline,
            ends: SignalFd::with_flags(&ends, flags)?,
            timer: TimerFd::new(
                ClockId::CLOCK_BOOTTIME,
                TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
            )?,
            armed: Boottime::NEVER,
            pipes: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            buffer: Box::new([0; READ_BYTES]),
            wards: None,
        })
    }

    /// Guards until the worker is gone, then until everything is.
    pub(super) fn run(mut self) -> Result<(), GuardError> {
        let result = self.watch();
        if let Some(mut wards) = self.wards.take() {
            while !wards.kill_all() {
                let mut fds = [PollFd::new(self.ends.as_fd(), PollFlags::POLLIN)];
                let _ = poll(&mut fds, PollTimeout::from(LAST_ENDS_MS));
                self.read_ends();
            }
            wards.remove_scratch();
        }
        result
    }

    fn watch(&mut self) -> Result<(), GuardError> {
        loop {
            let woken = self.wait()?;
            // The worker comes first: an extension that it sent in time counts, however late the
            // guard reads it, since it names a moment.
            if woken.worker {
                if !self.lifeline.receive() {
                    return Ok(());
                }
                while let Some(message) = self.lifeline.next()? {
                    self.obey(message)?;
                }
            }
            if woken.pipes {
                self.read_pipes()?;
            }
            if woken.ends {
                self.read_ends();
            }
            let Some(wards) = &mut self.wards else {
                continue;
            };
            wards.reap();
            wards.enforce(Boottime::now());
            wards.settle(&mut self.lifeline, &mut self.buffer[..])?;
            let next = wards.next_deadline();
            self.arm(next)?;
            self.lifeline.flush();
        }
    }

    fn wait(&self) -> Result<Woken, GuardError> {
        let worker = match self.lifeline.has_to_send() {
            true => PollFlags::POLLIN | PollFlags::POLLOUT,
            false => PollFlags::POLLIN,
        };
        let mut fds = [
            PollFd::new(self.lifeline.fd(), worker),
            PollFd::new(self.ends.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.pipes.0.as_fd(), PollFlags::POLLIN),
        ];
        // A worker that does not read stops the reading of what attempts print.
        let watched = if self.lifeline.is_full() {
            &mut fds[..3]
        } else {
            &mut fds[..]
        };
        match poll(watched, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => {
                return Err(GuardError::Kernel {
                    what: "to wait",
                    errno,
                });
            }
        }
        let ready = |fd: &PollFd<'_>| fd.any() == Some(true);
        let worker = fds[0]
            .revents()
            .is_some_and(|e| e.intersects(!PollFlags::POLLOUT));
        Ok(Woken {
            worker,
            ends: ready(&fds[1]),
            pipes: ready(&fds[3]),
        })
    }

    fn obey(&mut self, message: ToGuard) -> Result<(), GuardError> {
        let now = Boottime::now();
        let Some(wards) = &mut self.wards else {
            let ToGuard::Setup(setup) = message else {
                return Err(GuardError::NoSetup);
            };
            self.wards = Some(Wards::new(setup)?);
            return Ok(());
        };
        match message {
            ToGuard::Setup(Setup { .. }) => {}
            ToGuard::Start(start) => self.start(start)?,
            ToGuard::Extend { attempts, lease } => wards.extend(&attempts, lease),
            ToGuard::Stop {
                attempt,
                cause,
                grace,
            } => wards.stop(attempt, cause, grace, now),
        }
        Ok(())
    }

    fn start(&mut self, start: Start) -> Result<(), GuardError> {
        let Some(wards) = &mut self.wards else {
            return Err(GuardError::NoSetup);
        };
        match wards.start(&start, &self.pipes) {
            Ok(()) => Ok(()),
            Err(gone) => self.lifeline.tell(&FromGuard::Gone(*gone)),
        }
    }

    fn read_pipes(&mut self) -> Result<(), GuardError> {
        let mut events = [EpollEvent::empty(); EVENTS_PER_TURN];
        let ready = self
            .pipes
            .wait(&mut events, EpollTimeout::ZERO)
            .unwrap_or(0);
        for event in &events[..ready] {
            let (slot, stream) = of_event(event);
            let Some(attempt) = self.wards.as_mut().and_then(|wards| wards.in_slot(slot)) else {
                continue;
            };
            let id = attempt.id;
            let capture = match stream {
                Stream::Stdout => &mut attempt.stdout,
                Stream::Stderr => &mut attempt.stderr,
            };
            let mut result = Ok(());
            capture.read(&mut self.buffer[..], &mut |stream, offset, bytes| {
                let bytes = bytes::Bytes::copy_from_slice(bytes);
                result = self.lifeline.tell(&FromGuard::Log {
                    attempt: id,
                    stream,
                    offset,
                    bytes,
                });
            });
            result?;
        }
        Ok(())
    }

    fn read_ends(&mut self) {
        while let Ok(Some(_)) = self.ends.read_signal() {}
    }

    fn arm(&mut self, next: Boottime) -> Result<(), GuardError> {
        if next == self.armed {
            // When it has just fired, the deadline it fired for was dealt with, and is not next.
            return Ok(());
        }
        self.armed = next;
        let set = match next {
            Boottime::NEVER => self.timer.unset(),
            next => self.timer.set(
                Expiration::OneShot(TimeSpec::from(next.since_boot())),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            ),
        };
        set.map_err(|errno| GuardError::Kernel {
            what: "its timer",
            errno,
        })
    }
}
