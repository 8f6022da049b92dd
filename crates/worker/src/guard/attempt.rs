//! One attempt as the guard sees it: a process group, deadlines, and how it ended.

use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::capture::Capture;
use super::frame::{End, StopCause};
use super::scratch::Scratch;
use crate::clock::Boottime;
use crate::executor::AttemptId;
use crate::outcome::Usage;

pub(super) struct Attempt {
    pub(super) id: AttemptId,
    /// The main process, which leads the group of the same number.
    pub(super) main: Pid,
    pub(super) started: Boottime,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    pub(super) scratch: Scratch,
    pub(super) usage: Usage,
    /// None while the main process was not reaped.
    pub(super) end: Option<End>,
    pub(super) cause: Option<StopCause>,
    pub(super) deadlines: Deadlines,
    /// SIGKILL was sent: whatever else is found of it is killed too.
    pub(super) killed: bool,
}

/// What is going to happen to an attempt by itself.
pub(super) struct Deadlines {
    pub(super) lease: Boottime,
    pub(super) timeout: Boottime,
    /// From SIGTERM to SIGKILL after the timeout.
    pub(super) grace: Duration,
    pub(super) kill: Boottime,
    /// When to look again for what is left of it.
    pub(super) sweep: Boottime,
}

impl Attempt {
    /// When something is to be done about it next.
    pub(super) fn next_deadline(&self) -> Boottime {
        let Deadlines {
            lease,
            timeout,
            kill,
            sweep,
            ..
        } = self.deadlines;
        if self.is_doomed() {
            sweep
        } else {
            lease.min(timeout).min(kill)
        }
    }

    /// Nothing of it may live on.
    pub(super) fn is_doomed(&self) -> bool {
        self.killed || self.end.is_some()
    }

    /// Does what is due at `now`.
    pub(super) fn enforce(&mut self, now: Boottime) {
        if self.is_doomed() {
            return;
        }
        if self.deadlines.lease <= now {
            self.stop(StopCause::LeaseLost, None, now);
        } else if self.deadlines.kill <= now {
            self.kill();
        } else if self.deadlines.timeout <= now {
            self.deadlines.timeout = Boottime::NEVER;
            self.stop(StopCause::Timeout, Some(self.deadlines.grace), now);
        }
    }

    /// Ends the attempt: SIGTERM now and SIGKILL after `grace`, or SIGKILL now.
    pub(super) fn stop(&mut self, cause: StopCause, grace: Option<Duration>, now: Boottime) {
        if self.end.is_some() {
            // It ended by itself first, and that is how it ended.
            return;
        }
        if self.cause.is_none() || cause == StopCause::LeaseLost {
            self.cause = Some(cause);
        }
        match grace {
            None => self.kill(),
            Some(grace) => {
                let _ = killpg(self.main, Signal::SIGTERM);
                // A stopped process would only see it once it is continued.
                let _ = killpg(self.main, Signal::SIGCONT);
                self.deadlines.kill = self.deadlines.kill.min(now + grace);
            }
        }
    }

    /// Kills the main process and its group. Only sound while the main process is not reaped: then
    /// its number, which is the group's, cannot have gone to somebody else.
    pub(super) fn kill(&mut self) {
        debug_assert!(self.end.is_none(), "the group may be somebody else's");
        self.killed = true;
        let _ = kill(self.main, Signal::SIGKILL);
        let _ = killpg(self.main, Signal::SIGKILL);
    }

    /// Whether the group has members. The dead count until they are reaped.
    pub(super) fn has_group(&self) -> bool {
        killpg(self.main, None) != Err(nix::Error::ESRCH)
    }

    /// Adds what one of its processes used.
    pub(super) fn add_usage(&mut self, used: &Usage) {
        self.usage.cpu_user += used.cpu_user;
        self.usage.cpu_system += used.cpu_system;
        self.usage.max_rss_bytes = self.usage.max_rss_bytes.max(used.max_rss_bytes);
    }
}
