//! What the master says, and what it comes to.

use std::time::Duration;

use capataz_api::problem::{Code, Problem};
use capataz_api::proto;

use super::{Link, Logic};
use crate::clock::Boottime;
use crate::executor::Stop;
use crate::session::attempts::Stopping;
use crate::session::call::{Call, SessionError};
use crate::session::heartbeat::Heartbeats;
use crate::session::phase::Phase;

impl Logic {
    pub(super) fn welcomed(&mut self, welcome: proto::Welcome, now: Boottime) {
        let Link::Joining { sent } = self.link else {
            return;
        };
        let ttl = Duration::from_micros(welcome.lease_ttl_us);
        let beats = Heartbeats::begin(ttl, sent);
        let lease = beats.deadline();
        tracing::info!(
            worker = self.options.name,
            namespace = welcome.namespace,
            session = welcome.session,
            carried = self.attempts.tokens().len(),
            stop = welcome.stop.len(),
            "joined"
        );
        self.link = Link::Joined {
            beats,
            namespace: welcome.namespace,
        };
        self.outgoing.clear();
        self.outgoing.drain = !self.phase.is_serving();
        let mut lost = Vec::new();
        for token in welcome.stop {
            match self.attempts.stop(token) {
                Stopping::Running(id) => {
                    lost.push(id);
                    self.calls.push(Call::Stop(id, Stop::LeaseLost));
                }
                Stopping::Done(id) => self.attempts.strip(id),
                Stopping::Unknown => {}
            }
        }
        for id in self.attempts.resume() {
            self.outgoing.ended(id, now);
        }
        let mut running = self.attempts.running_ids();
        running.retain(|id| !lost.contains(id));
        self.starts = running.iter().map(|id| (now, *id)).collect();
        if !running.is_empty() {
            self.calls.push(Call::Extend(running, lease));
        }
    }

    pub(super) fn answered(&mut self, sequence: u64) {
        let Link::Joined { beats, .. } = &mut self.link else {
            return;
        };
        let Some(lease) = beats.answered(sequence) else {
            return;
        };
        self.backoff.reset();
        let running = self.attempts.running_ids();
        if !running.is_empty() {
            self.calls.push(Call::Extend(running, lease));
        }
    }

    pub(super) fn refused(&mut self, problem: Problem) {
        match problem.kind() {
            Some(Code::WorkerReplaced) => {
                let name = self.options.name.clone();
                self.fail(SessionError::Replaced { name });
            }
            Some(Code::WorkerNameTaken) => tracing::error!(
                worker = self.options.name,
                detail = problem.detail,
                "another host's worker has this name; trying again until it is gone"
            ),
            Some(Code::Unauthorized | Code::Forbidden) => {
                self.fail(SessionError::Unauthorized {
                    detail: problem.detail.clone(),
                });
            }
            kind if problem.status >= 500 || kind == Some(Code::Full) => {
                tracing::warn!(
                    code = problem.code,
                    detail = problem.detail,
                    "refused for now"
                );
            }
            _ => self.fail(SessionError::Refused(problem)),
        }
    }

    pub(super) fn work(&mut self, work: proto::Work, now: Boottime) {
        for assignment in work.assignments {
            let Some(token) = assignment.token else {
                continue;
            };
            if self.attempts.knows(token) {
                // A master that does not know that it was received sends it again.
                tracing::debug!(
                    task = token.task,
                    attempt = token.attempt,
                    "it is here already"
                );
            } else if self.attempts.unfinished() >= 2 * self.options.concurrency as usize {
                // Twice what was asked for is a master's mistake that memory shall not pay for.
                self.outgoing.released([token], now);
            } else {
                self.attempts.insert(token, assignment.spec);
            }
        }
        if let Phase::Draining(drain) = &self.phase
            && drain.told_by_master
        {
            self.outgoing.released(self.attempts.take_waiting(), now);
        }
    }

    pub(super) fn stop(&mut self, tokens: Vec<proto::Token>, now: Boottime) {
        let grace = self.options.cancel_grace;
        for token in tokens {
            match self.attempts.stop(token) {
                Stopping::Running(id) => self.calls.push(Call::Stop(id, Stop::Cancel { grace })),
                Stopping::Done(id) => self.outgoing.ended(id, now),
                // The master waits to hear that nothing of it is left, and nothing is.
                Stopping::Unknown => self.outgoing.released([token], now),
            }
        }
    }

    pub(super) fn drain_for_master(&mut self, now: Boottime) {
        if let Some(drain) = self.phase.drain() {
            tracing::info!(worker = self.options.name, "draining");
            drain.told_by_master = true;
            self.outgoing.released(self.attempts.take_waiting(), now);
        }
    }
}
