//! What waits to be said to the master, and when it is time to say it.
//!
//! Frames are made only when the connection takes them, so what waits grows into one frame
//! instead of many.

use std::collections::VecDeque;
use std::time::Duration;

use capataz_api::proto;

use super::attempts::Attempts;
use super::logs::LogQueue;
use crate::clock::Boottime;
use crate::executor::AttemptId;

/// Reports wait so long for company while others are unacknowledged; the first one of an idle
/// worker goes at once. A master's sync takes longer than this.
const DELAY: Duration = Duration::from_millis(1);
/// Reports of one frame; so many do not wait for more.
const FRAME_REPORTS: usize = 1_024;
/// Bytes of results in one frame, far below what a gRPC message may have.
const FRAME_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    started: Vec<(proto::Token, Boottime)>,
    /// Ends, each with the mark behind the logs that must go first.
    ended: VecDeque<(AttemptId, u64)>,
    /// Attempts of which nothing is here; told without being kept.
    released: Vec<proto::Token>,
    /// When the oldest report came.
    since: Option<Boottime>,
    hurry: bool,
    pub(super) logs: LogQueue,
    pub(super) announce: Option<Vec<String>>,
    /// The master is to send nothing new.
    pub(super) drain: bool,
}

impl Outgoing {
    pub(super) fn started(&mut self, token: proto::Token, since: Boottime, now: Boottime) {
        self.started.push((token, since));
        self.since.get_or_insert(now);
    }

    pub(super) fn ended(&mut self, id: AttemptId, now: Boottime) {
        self.ended.push_back((id, self.logs.mark()));
        self.since.get_or_insert(now);
    }

    pub(super) fn released(
        &mut self,
        tokens: impl IntoIterator<Item = proto::Token>,
        now: Boottime,
    ) {
        self.released.extend(tokens);
        if !self.released.is_empty() {
            self.since.get_or_insert(now);
            self.hurry = true;
        }
    }

    /// Whether no report waits.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// A new connection: reports are made anew from the attempts. Logs stay.
    pub(super) fn clear(&mut self) {
        let (logs, announce) = (std::mem::take(&mut self.logs), self.announce.take());
        *self = Outgoing {
            logs,
            announce,
            ..Outgoing::default()
        };
    }

    /// When the next frame is to be made.
    pub(super) fn due_at(&self, attempts: &Attempts) -> Option<Boottime> {
        let reports = self.reports_due_at(attempts);
        [reports, self.logs.due_at()].into_iter().flatten().min()
    }

    fn reports_due_at(&self, attempts: &Attempts) -> Option<Boottime> {
        let since = self.since?;
        let at_once = self.hurry
            || self.ended.len() >= FRAME_REPORTS
            || (attempts.unacknowledged() == 0 && !self.ended.is_empty());
        Some(if at_once { since } else { since + DELAY })
    }

    /// The next frame that is due.
    pub(super) fn next(
        &mut self,
        attempts: &mut Attempts,
        now: Boottime,
    ) -> Option<proto::worker_frame::Frame> {
        use proto::worker_frame::Frame;
        if std::mem::take(&mut self.drain) {
            return Some(Frame::Drain(proto::Drain {}));
        }
        if let Some(affinity) = self.announce.take() {
            return Some(Frame::Announce(proto::Announce { affinity }));
        }
        while self.reports_due_at(attempts).is_some_and(|due| due <= now) {
            if self
                .ended
                .front()
                .is_some_and(|(_, mark)| !self.logs.is_past(*mark))
            {
                return Some(Frame::Logs(self.logs.take()));
            }
            let reports = self.reports(attempts, now);
            if !reports.started.is_empty() || !reports.ended.is_empty() {
                return Some(Frame::Reports(reports));
            }
        }
        let due = self.logs.due_at().is_some_and(|due| due <= now);
        due.then(|| Frame::Logs(self.logs.take()))
    }

    fn reports(&mut self, attempts: &mut Attempts, now: Boottime) -> proto::Reports {
        let started = self.started.drain(..).map(|(token, since)| {
            let ago_us = now.remaining(since).as_micros() as u64;
            proto::Started {
                token: Some(token),
                ago_us,
            }
        });
        let mut reports = proto::Reports {
            started: started.collect(),
            ended: Vec::new(),
        };
        reports
            .ended
            .extend(self.released.drain(..).map(super::wire::released));
        let mut bytes = 0;
        while reports.ended.len() < FRAME_REPORTS
            && bytes < FRAME_BYTES
            && let Some((id, mark)) = self.ended.front().copied()
            && self.logs.is_past(mark)
        {
            self.ended.pop_front();
            // One that the master has acknowledged or does not want any more is not there.
            if let Some(ended) = attempts.send_ended(id) {
                bytes += ended.result.len();
                reports.ended.push(ended);
            }
        }
        if self.ended.is_empty() {
            (self.since, self.hurry) = (None, false);
        }
        reports
    }
}
