//! All attempts under the guard: starting them, ending them, and knowing when nothing is left.
//!
//! An attempt is gone when its main process was reaped, its group is empty and none of the guard's
//! inherited children is its own. That is exact: a living descendant of an attempt has a chain of
//! parents up to the guard, whose last link is a child of the guard; with the main process gone it
//! is an orphan that the guard, a subreaper, inherited. Orphans wear their attempt's mark.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::epoll::Epoll;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::attempt::{Attempt, Deadlines};
use super::capture::Capture;
use super::children::Children;
use super::frame::{End, FileFound, FromGuard, Gone, Setup, Start, StopCause};
use super::lifeline::Lifeline;
use super::mark::{Mark, SLOTS_MAX};
use super::scratch::ScratchRoot;
use super::spawn::{Spawner, Streams};
use super::{GuardError, sys};
use crate::clock::Boottime;
use crate::executor::AttemptId;
use crate::logs::Stream;
use crate::outcome::Usage;

/// How often what is left of a killed attempt is looked for when no end of a process says so.
const SWEEP: Duration = Duration::from_millis(20);

pub(super) struct Wards {
    nonce: u64,
    spawner: Spawner,
    scratch: ScratchRoot,
    children: Children,
    /// By slot, the number in an attempt's mark: free again only when nothing wears it.
    slots: Vec<Option<Attempt>>,
    free: Vec<u16>,
    by_id: HashMap<AttemptId, u16>,
    /// Slots by main process that is not reaped.
    mains: HashMap<Pid, u16>,
    /// Inherited children that were asked for: whose they are, if that could be told.
    orphans: HashMap<Pid, Option<u16>>,
}

impl Wards {
    pub(super) fn new(setup: Setup) -> Result<Wards, GuardError> {
        Ok(Wards {
            nonce: setup.nonce,
            scratch: ScratchRoot::create(&setup.scratch)?,
            spawner: Spawner::new(setup.env, setup.limits),
            children: Children::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            mains: HashMap::new(),
            orphans: HashMap::new(),
        })
    }

    /// Starts an attempt, or says at once why it is gone.
    pub(super) fn start(&mut self, start: &Start, pipes: &Epoll) -> Result<(), Box<Gone>> {
        let now = Boottime::now();
        let end = |message: &str| End::NotStarted {
            errno: None,
            message: message.to_owned(),
        };
        if start.lease <= now {
            let mut gone =
                not_started(start, end("its lease was over before it could start"), None);
            gone.cause = Some(StopCause::LeaseLost);
            return Err(gone);
        }
        let Some(slot) = self.free.pop().or_else(|| self.next_slot()) else {
            let message = format!("the guard runs {SLOTS_MAX} attempts already, its limit");
            return Err(not_started(start, end(&message), None));
        };
        match self.start_in(slot, start, now, pipes) {
            Ok(attempt) => {
                self.mains.insert(attempt.main, slot);
                self.by_id.insert(attempt.id, slot);
                self.slots[usize::from(slot)] = Some(attempt);
                Ok(())
            }
            Err(gone) => {
                self.free.push(slot);
                Err(gone)
            }
        }
    }

    fn next_slot(&mut self) -> Option<u16> {
        let slot = u16::try_from(self.slots.len()).ok()?;
        self.slots.push(None);
        Some(slot)
    }

    fn start_in(
        &mut self,
        slot: u16,
        start: &Start,
        now: Boottime,
        pipes: &Epoll,
    ) -> Result<Attempt, Box<Gone>> {
        let cannot = |what: &str, error: io::Error| End::NotStarted {
            errno: None,
            message: format!("{what}: {error}"),
        };
        let (scratch, stdin) = self
            .scratch
            .make(&start.payload)
            .map_err(|error| not_started(start, cannot("no scratch folder", error), None))?;
        let open = |stream| Capture::open(stream, slot, pipes);
        let opened = open(Stream::Stdout).and_then(|out| Ok((out, open(Stream::Stderr)?)));
        let opened = opened.map_err(|error| cannot("no pipes for its output", error));
        let spawned = opened.and_then(|((stdout, out_end), (stderr, err_end))| {
            let streams = Streams {
                stdin,
                stdout: out_end,
                stderr: err_end,
            };
            let mark = Mark {
                nonce: self.nonce,
                slot,
            };
            Ok((
                self.spawner.spawn(start, mark, &scratch, streams)?,
                stdout,
                stderr,
            ))
        });
        let (main, stdout, stderr) = match spawned {
            Ok(spawned) => spawned,
            Err(end) => {
                let (_, _, scratch_left) = self.scratch.take_back(scratch);
                return Err(not_started(start, end, scratch_left));
            }
        };
        Ok(Attempt {
            id: start.attempt,
            main,
            started: now,
            stdout,
            stderr,
            scratch,
            usage: Usage::default(),
            end: None,
            cause: None,
            deadlines: Deadlines {
                lease: start.lease,
                timeout: start
                    .timeout
                    .map_or(Boottime::NEVER, |timeout| now + timeout),
                grace: start.grace,
                kill: Boottime::NEVER,
                sweep: now,
            },
            killed: false,
        })
    }

    pub(super) fn in_slot(&mut self, slot: u16) -> Option<&mut Attempt> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    pub(super) fn extend(&mut self, attempts: &[AttemptId], lease: Boottime) {
        for id in attempts {
            if let Some(attempt) = self.by_id(*id) {
                attempt.deadlines.lease = attempt.deadlines.lease.max(lease);
            }
        }
    }

    pub(super) fn stop(
        &mut self,
        id: AttemptId,
        cause: StopCause,
        grace: Option<Duration>,
        now: Boottime,
    ) {
        if let Some(attempt) = self.by_id(id) {
            attempt.stop(cause, grace, now);
        }
    }

    fn by_id(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        let slot = *self.by_id.get(&id)?;
        self.in_slot(slot)
    }

    pub(super) fn enforce(&mut self, now: Boottime) {
        self.slots
            .iter_mut()
            .flatten()
            .for_each(|attempt| attempt.enforce(now));
    }

    pub(super) fn next_deadline(&self) -> Boottime {
        let deadlines = self.slots.iter().flatten().map(Attempt::next_deadline);
        deadlines.min().unwrap_or(Boottime::NEVER)
    }

    /// Reaps every child that has ended. True when no child is left at all.
    pub(super) fn reap(&mut self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let ended = match waitid(Id::All, flags) {
                Ok(WaitStatus::StillAlive) => return false,
                Ok(status) => status.pid(),
                Err(nix::Error::EINTR) => continue,
                Err(_) => return true,
            };
            if let Some(pid) = ended {
                self.reap_one(pid);
            }
        }
    }

    fn reap_one(&mut self, pid: Pid) {
        let slot = self.mains.remove(&pid);
        if let Some(attempt) = slot.and_then(|slot| self.in_slot(slot)) {
            // What is left in the group dies while its dead leader still holds its number.
            attempt.kill();
        }
        let Ok((status, used)) = sys::reap(pid) else {
            return;
        };
        let owner = slot.or_else(|| self.orphans.remove(&pid).flatten());
        let Some(attempt) = owner.and_then(|slot| self.in_slot(slot)) else {
            return;
        };
        attempt.add_usage(&used);
        if slot.is_some() {
            attempt.end = Some(match status {
                WaitStatus::Signaled(_, signal, _) => End::Signalled(signal as i32),
                WaitStatus::Exited(_, code) => End::Exited(code),
                _ => End::Signalled(Signal::SIGKILL as i32),
            });
        }
    }

    /// Kills what is left of doomed attempts and tells of those that are gone.
    pub(super) fn settle(
        &mut self,
        lifeline: &mut Lifeline,
        buffer: &mut [u8],
    ) -> Result<(), GuardError> {
        if !self.slots.iter().flatten().any(Attempt::is_doomed) {
            return Ok(());
        }
        let left = self.kill_orphans();
        let sweep = Boottime::now() + SWEEP;
        for slot in 0..self.slots.len() {
            let Some(attempt) = &mut self.slots[slot] else {
                continue;
            };
            if !attempt.is_doomed() {
                continue;
            }
            let slot = slot as u16;
            let running = attempt.end.is_none() || attempt.has_group();
            if running || left.contains(&None) || left.contains(&Some(slot)) {
                attempt.deadlines.sweep = sweep;
            } else {
                self.tell_gone(slot, lifeline, buffer)?;
            }
        }
        Ok(())
    }

    /// Kills the orphans of doomed attempts, and those that hide whose they are: nobody could say
    /// otherwise that an attempt is gone. Returns the owners of all that were found.
    fn kill_orphans(&mut self) -> HashSet<Option<u16>> {
        let mut left = HashSet::new();
        for pid in self.children.now() {
            if self.mains.contains_key(&pid) {
                continue;
            }
            let owner = match self.orphans.get(&pid) {
                Some(owner) => *owner,
                None => *self
                    .orphans
                    .entry(pid)
                    .or_insert(owner_of(pid, self.nonce, &self.slots)),
            };
            let attempt = owner.and_then(|slot| self.slots[usize::from(slot)].as_ref());
            if attempt.is_none_or(Attempt::is_doomed) {
                let _ = kill(pid, Signal::SIGKILL);
                left.insert(owner);
            }
        }
        left
    }

    fn tell_gone(
        &mut self,
        slot: u16,
        lifeline: &mut Lifeline,
        buffer: &mut [u8],
    ) -> Result<(), GuardError> {
        let Some(mut attempt) = self.slots[usize::from(slot)].take() else {
            return Ok(());
        };
        self.by_id.remove(&attempt.id);
        self.free.push(slot);
        let mut result = Ok(());
        let id = attempt.id;
        for capture in [&mut attempt.stdout, &mut attempt.stderr] {
            capture.finish(buffer, &mut |stream, offset, bytes| {
                let bytes = Bytes::copy_from_slice(bytes);
                result = lifeline.tell(&FromGuard::Log {
                    attempt: id,
                    stream,
                    offset,
                    bytes,
                });
            });
        }
        result?;
        let (output, control, scratch_left) = self.scratch.take_back(attempt.scratch);
        attempt.usage.wall = Boottime::now().remaining(attempt.started);
        let end = attempt.end.expect("only attempts that ended are told gone");
        lifeline.tell(&FromGuard::Gone(Gone {
            attempt: id,
            end,
            cause: attempt.cause,
            usage: attempt.usage,
            output,
            control,
            scratch_left,
        }))
    }

    /// Kills everything there is, once; true when nothing was left to kill.
    pub(super) fn kill_all(&mut self) -> bool {
        for attempt in self
            .slots
            .iter_mut()
            .flatten()
            .filter(|attempt| attempt.end.is_none())
        {
            attempt.kill();
        }
        for pid in self.children.now() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.reap()
    }

    pub(super) fn remove_scratch(&self) {
        self.scratch.remove();
    }
}

fn owner_of(pid: Pid, nonce: u64, slots: &[Option<Attempt>]) -> Option<u16> {
    let mark = Mark::worn_by(pid).filter(|mark| mark.nonce == nonce)?;
    slots
        .get(usize::from(mark.slot))?
        .as_ref()
        .map(|_| mark.slot)
}

fn not_started(start: &Start, end: End, scratch_left: Option<String>) -> Box<Gone> {
    Box::new(Gone {
        attempt: start.attempt,
        end,
        cause: None,
        usage: Usage::default(),
        output: FileFound::Missing,
        control: FileFound::Missing,
        scratch_left,
    })
}
