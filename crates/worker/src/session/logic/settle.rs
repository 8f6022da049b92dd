//! What follows from what has happened: attempts start, are reported, and the session ends.

use capataz_api::proto::{self, worker_frame};

use super::{Link, Logic, START_AFTER};
use crate::clock::Boottime;
use crate::executor::{AttemptId, Stop};
use crate::logs::LogChunk;
use crate::outcome::Finished;
use crate::session::call::{Call, SessionError};
use crate::session::phase::{GOODBYE, Phase};
use crate::session::wire;

impl Logic {
    pub(super) fn logged(&mut self, id: AttemptId, chunk: LogChunk, now: Boottime) {
        if let Some(token) = self.attempts.token(id) {
            self.outgoing.logs.push(wire::log_chunk(token, chunk), now);
        }
    }

    pub(super) fn finished(&mut self, id: AttemptId, finished: Finished, now: Boottime) {
        if self
            .attempts
            .finish(id, |token| wire::ended(token, finished))
        {
            self.outgoing.ended(id, now);
        }
    }

    pub(super) fn tell_started(&mut self, now: Boottime) {
        while let Some((due, id)) = self.starts.front().copied()
            && due <= now
        {
            self.starts.pop_front();
            if let Link::Joined { .. } = self.link
                && let Some((token, since)) = self.attempts.tell_started(id)
            {
                self.outgoing.started(token, since, now);
            }
        }
    }

    pub(super) fn stop_running(&mut self, stop: Stop) {
        let running = self.attempts.running_ids().into_iter();
        self.calls.extend(running.map(|id| Call::Stop(id, stop)));
    }

    pub(super) fn fail(&mut self, error: SessionError) {
        if !matches!(self.phase, Phase::Failing(_) | Phase::Over) {
            self.stop_running(Stop::LeaseLost);
            self.phase = Phase::Failing(error);
        }
    }

    /// Draws the consequences of whatever has just happened.
    pub(super) fn settle(&mut self, now: Boottime) {
        self.start_waiting(now);
        while self
            .starts
            .front()
            .is_some_and(|(_, id)| !self.attempts.is_running(*id))
        {
            self.starts.pop_front();
        }
        let connected = matches!(self.link, Link::Joined { .. });
        match &mut self.phase {
            Phase::Serving | Phase::Over => {}
            Phase::Draining(drain) => {
                if self.attempts.running() > 0 {
                    drain.idle_since = None;
                    return;
                }
                drain.idle_since.get_or_insert(now);
                let given_up = drain.give_up_at().is_some_and(|at| at <= now);
                if given_up || (!connected && self.attempts.is_empty()) {
                    let left = self.attempts.tokens().len();
                    tracing::warn!(left, "left without the master's knowledge");
                    self.end(Ok(()));
                } else if connected && self.attempts.only_waiting() {
                    // Nothing else is left, so the goodbye follows in the same breath: the master
                    // has no time to send more.
                    self.outgoing.released(self.attempts.take_waiting(), now);
                }
            }
            Phase::Gone { since } => {
                if !connected || *since + GOODBYE <= now {
                    self.end(Ok(()));
                }
            }
            Phase::Failing(_) if self.attempts.running() > 0 => {}
            Phase::Failing(_) => {
                if let Phase::Failing(error) = std::mem::replace(&mut self.phase, Phase::Over) {
                    self.end(Err(error));
                }
            }
        }
    }

    pub(super) fn start_waiting(&mut self, now: Boottime) {
        let Link::Joined { beats, .. } = &self.link else {
            return;
        };
        let lease = beats.deadline();
        // An attempt that starts after its lease would be stopped at once; the connection is about
        // to be given up.
        if !self.phase.is_serving() || lease <= now {
            return;
        }
        while self.attempts.running() < self.options.concurrency as usize
            && let Some((id, token, spec)) = self.attempts.run_next(now)
        {
            match wire::assignment(token, spec, &self.options.secrets) {
                Ok(assignment) => {
                    self.calls
                        .push(Call::Start(id, Box::new(assignment), lease));
                    self.starts.push_back((now + START_AFTER, id));
                }
                Err(error) => self.finished(id, error.finished(), now),
            }
        }
    }

    pub(super) fn goodbye(&mut self, now: Boottime) -> Option<worker_frame::Frame> {
        self.may_say_goodbye().then(|| {
            self.phase = Phase::Gone { since: now };
            worker_frame::Frame::Goodbye(proto::Goodbye {})
        })
    }

    pub(super) fn may_say_goodbye(&self) -> bool {
        let drained = matches!(self.phase, Phase::Draining(_));
        drained && self.attempts.is_empty() && self.outgoing.is_empty()
    }

    pub(super) fn end(&mut self, result: Result<(), SessionError>) {
        self.phase = Phase::Over;
        self.over = Some(result);
    }
}
