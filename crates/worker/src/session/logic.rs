//! What a session does, without I/O: frames, reports and the time go in; calls come out, and
//! frames when the connection takes them.

use std::collections::VecDeque;
use std::time::Duration;

use capataz_api::problem::{Code, Problem};
use capataz_api::proto::{self, master_frame, worker_frame};

use super::attempts::{Attempts, Stopping};
use super::backoff::Backoff;
use super::connect::LinkError;
use super::handle::Status;
use super::heartbeat::Heartbeats;
use super::options::SessionOptions;
use super::outgoing::Outgoing;
use super::phase::{GOODBYE, Phase};
use super::wire;
use crate::clock::Boottime;
use crate::executor::{Assignment, AttemptId, Report, Stop};
use crate::logs::LogChunk;
use crate::outcome::Finished;

/// An attempt that runs longer than this is reported as started; a shorter one by its end alone.
const START_AFTER: Duration = Duration::from_millis(10);
/// How long a connection may take until the hello is answered.
const JOIN_PATIENCE: Duration = Duration::from_secs(10);

/// Why a session ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The master does not take the token, or not for these groups.
    #[error("the master refuses this worker's token: {detail}")]
    Unauthorized {
        /// What the master says.
        detail: String,
    },
    /// A later process goes by this worker's name.
    #[error("a later worker process has taken the name {name:?}")]
    Replaced {
        /// The name.
        name: String,
    },
    /// The master refuses what this worker says of itself.
    #[error("the master refuses this worker: {}", .0.detail)]
    Refused(Box<Problem>),
}

/// Something that the session wants done.
#[derive(Debug)]
pub enum Call {
    /// Open a connection and begin it with this frame.
    Connect(Box<proto::WorkerFrame>),
    /// Drop the connection.
    Disconnect,
    /// [`crate::Executor::start`].
    Start(AttemptId, Box<Assignment>, Boottime),
    /// [`crate::Executor::extend`].
    Extend(Vec<AttemptId>, Boottime),
    /// [`crate::Executor::stop`].
    Stop(AttemptId, Stop),
}

#[derive(Debug)]
enum Link {
    Down { retry_at: Boottime },
    Joining { sent: Boottime },
    Joined { beats: Heartbeats, namespace: String },
}

/// A session's whole state.
#[derive(Debug)]
pub struct Logic {
    options: SessionOptions,
    link: Link,
    phase: Phase,
    attempts: Attempts,
    outgoing: Outgoing,
    /// When started attempts are to be reported, oldest first.
    starts: VecDeque<(Boottime, AttemptId)>,
    backoff: Backoff,
    calls: Vec<Call>,
    over: Option<Result<(), SessionError>>,
}

impl Logic {
    /// A session that connects at its first tick.
    pub fn new(options: SessionOptions, now: Boottime) -> Logic {
        Logic {
            link: Link::Down { retry_at: now },
            phase: Phase::Serving,
            attempts: Attempts::default(),
            outgoing: Outgoing::default(),
            starts: VecDeque::new(),
            backoff: Backoff::new(options.seed),
            calls: Vec::new(),
            over: None,
            options,
        }
    }

    /// What is to be done now, in order.
    pub fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// How the session ended, once, when it has. Nothing of it runs then.
    pub fn take_end(&mut self) -> Option<Result<(), SessionError>> {
        self.over.take()
    }

    /// How the session stands.
    pub fn status(&self) -> Status {
        match (&self.phase, &self.link) {
            (Phase::Over, _) => Status::Over,
            (_, Link::Joined { namespace, .. }) => Status::Joined { namespace: namespace.clone() },
            _ => Status::Connecting,
        }
    }

    /// The next moment at which [`Logic::tick`] has something to do.
    pub fn next_tick(&self) -> Option<Boottime> {
        let link = match &self.link {
            Link::Down { .. } if matches!(self.phase, Phase::Failing(_) | Phase::Over) => None,
            Link::Down { retry_at } => Some(*retry_at),
            Link::Joining { sent } => Some(*sent + JOIN_PATIENCE),
            Link::Joined { beats, .. } => Some(beats.dead_at()),
        };
        let start = self.starts.front().map(|(due, _)| *due);
        [link, start, self.phase.wake_at()].into_iter().flatten().min()
    }

    /// The next moment at which [`Logic::next_frame`] has a frame, if the connection takes it.
    pub fn next_frame_at(&self) -> Option<Boottime> {
        let Link::Joined { beats, .. } = &self.link else { return None };
        let due = self.outgoing.due_at(&self.attempts);
        Some(due.map_or(beats.next_at(), |due| due.min(beats.next_at())))
    }

    /// Takes the frame that is due; call it only when the connection takes one.
    pub fn next_frame(&mut self, now: Boottime) -> Option<proto::WorkerFrame> {
        let Link::Joined { beats, .. } = &mut self.link else { return None };
        let frame = if beats.next_at() <= now {
            Some(worker_frame::Frame::Heartbeat(proto::Heartbeat { sequence: beats.send(now) }))
        } else {
            self.outgoing.next(&mut self.attempts, now)
        };
        let frame = frame.or_else(|| self.goodbye(now))?;
        Some(proto::WorkerFrame { frame: Some(frame) })
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Boottime) {
        match &self.link {
            Link::Down { retry_at } if *retry_at <= now => self.connect(now),
            Link::Joining { sent } if *sent + JOIN_PATIENCE <= now => {
                self.hang_up("the master did not answer the hello", now);
            }
            Link::Joined { beats, .. } if beats.dead_at() <= now => {
                self.hang_up("the master did not answer heartbeats", now);
            }
            _ => {}
        }
        self.tell_started(now);
        if let Phase::Draining(drain) = &mut self.phase
            && drain.deadline.take_if(|deadline| *deadline <= now).is_some()
        {
            self.stop_running(Stop::Cancel { grace: self.options.cancel_grace });
        }
        self.settle(now);
    }

    /// The connection ended, or could not be made.
    pub fn disconnected(&mut self, error: LinkError, now: Boottime) {
        match error {
            LinkError::Unauthorized(detail) => {
                self.fail(SessionError::Unauthorized { detail });
            }
            LinkError::Refused(problem) => self.refused(*problem),
            LinkError::Lost(cause) => {
                let farewell = matches!(self.phase, Phase::Gone { .. } | Phase::Over);
                if !farewell {
                    tracing::info!(worker = self.options.name, %cause, "no connection");
                }
            }
        }
        self.link = Link::Down { retry_at: now + self.backoff.next() };
        self.settle(now);
    }

    /// The master said something.
    pub fn received(&mut self, frame: proto::MasterFrame, now: Boottime) {
        use master_frame::Frame;
        match frame.frame {
            Some(Frame::Welcome(welcome)) => self.welcomed(welcome, now),
            Some(Frame::Refused(problem)) => {
                let refused = LinkError::Refused(Box::new(problem.into()));
                self.calls.push(Call::Disconnect);
                return self.disconnected(refused, now);
            }
            Some(Frame::Heartbeat(answer)) => self.answered(answer.sequence),
            Some(Frame::Work(work)) => self.work(work, now),
            Some(Frame::Acknowledged(done)) => {
                done.tokens.into_iter().for_each(|token| self.attempts.acknowledge(token));
            }
            Some(Frame::Stop(stop)) => self.stop(stop.tokens, now),
            Some(Frame::Drain(_)) => self.drain_for_master(now),
            // A frame of a later version: nothing that this worker must know.
            None => {}
        }
        self.settle(now);
    }

    /// The executor said something.
    pub fn reported(&mut self, report: Report, now: Boottime) {
        match report {
            Report::Log(id, chunk) => self.logged(id, chunk, now),
            Report::Finished(id, finished) => {
                self.finished(id, *finished, now);
                self.settle(now);
            }
        }
    }

    /// Replaces the affinity keys that this worker announces.
    pub fn announce(&mut self, keys: Vec<String>) {
        self.options.affinity.clone_from(&keys);
        self.outgoing.announce = Some(keys);
    }

    /// Starts nothing new, lets what runs come to its end, or asks it to end when `patience` is
    /// over, hands over the results, says goodbye and ends.
    pub fn drain(&mut self, patience: Option<Duration>, now: Boottime) {
        if let Some(drain) = self.phase.drain() {
            drain.shorten(patience.map(|patience| now + patience));
        }
        self.settle(now);
    }

    /// As [`Logic::drain`], but ends at once what runs.
    pub fn stop_now(&mut self, now: Boottime) {
        if self.phase.drain().is_some() {
            self.stop_running(Stop::Cancel { grace: Duration::ZERO });
        }
        self.settle(now);
    }

    fn connect(&mut self, now: Boottime) {
        if matches!(self.phase, Phase::Failing(_) | Phase::Over | Phase::Gone { .. }) {
            return;
        }
        self.link = Link::Joining { sent: now };
        let options = &self.options;
        let hello = proto::Hello {
            name: options.name.clone(),
            incarnation: options.incarnation.to_bytes().to_vec().into(),
            host: options.host.clone(),
            build: options.build.clone(),
            pod: options.pod.clone(),
            pod_slots: options.pod_slots,
            groups: options.groups.clone(),
            concurrency: options.concurrency,
            remember: options.remember,
            affinity: options.affinity.clone(),
            running: self.attempts.tokens(),
        };
        let frame = Some(worker_frame::Frame::Hello(hello));
        self.calls.push(Call::Connect(Box::new(proto::WorkerFrame { frame })));
    }

    fn hang_up(&mut self, cause: &str, now: Boottime) {
        self.calls.push(Call::Disconnect);
        self.disconnected(LinkError::Lost(cause.to_owned()), now);
    }

    fn welcomed(&mut self, welcome: proto::Welcome, now: Boottime) {
        let Link::Joining { sent } = self.link else { return };
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
        self.link = Link::Joined { beats, namespace: welcome.namespace };
        self.outgoing.clear();
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

    /// An attempt whose lease was lost ends by itself: it is not told to run longer, and that it
    /// is over is reported when it is.
    fn answered(&mut self, sequence: u64) {
        let Link::Joined { beats, .. } = &mut self.link else { return };
        let Some(lease) = beats.answered(sequence) else { return };
        self.backoff.reset();
        let running = self.attempts.running_ids();
        if !running.is_empty() {
            self.calls.push(Call::Extend(running, lease));
        }
    }

    fn refused(&mut self, problem: Problem) {
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
                self.fail(SessionError::Unauthorized { detail: problem.detail });
            }
            kind if problem.status >= 500 || kind == Some(Code::Full) => {
                tracing::warn!(code = problem.code, detail = problem.detail, "refused for now");
            }
            _ => self.fail(SessionError::Refused(Box::new(problem))),
        }
    }

    fn work(&mut self, work: proto::Work, now: Boottime) {
        for assignment in work.assignments {
            let Some(token) = assignment.token else { continue };
            // More than twice what it asked for is no master's mistake that memory may pay for.
            if self.attempts.waiting() >= self.options.concurrency as usize {
                self.outgoing.released([token], now);
            } else if !self.attempts.insert(token, assignment.spec) {
                tracing::debug!(task = token.task, attempt = token.attempt, "it is here already");
            }
        }
        if let Phase::Draining(drain) = &self.phase
            && drain.told_by_master
        {
            self.outgoing.released(self.attempts.take_waiting(), now);
        }
    }

    fn stop(&mut self, tokens: Vec<proto::Token>, now: Boottime) {
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

    fn drain_for_master(&mut self, now: Boottime) {
        if let Some(drain) = self.phase.drain() {
            tracing::info!(worker = self.options.name, "draining");
            drain.told_by_master = true;
            self.outgoing.released(self.attempts.take_waiting(), now);
        }
    }

    fn logged(&mut self, id: AttemptId, chunk: LogChunk, now: Boottime) {
        if let Some(token) = self.attempts.token(id) {
            self.outgoing.logs.push(wire::log_chunk(token, chunk), now);
        }
    }

    fn finished(&mut self, id: AttemptId, finished: Finished, now: Boottime) {
        if self.attempts.finish(id, |token| wire::ended(token, finished)) {
            self.outgoing.ended(id, now);
        }
    }

    fn tell_started(&mut self, now: Boottime) {
        while let Some((_, id)) = self.starts.pop_front_if(|(due, _)| *due <= now) {
            if let Link::Joined { .. } = self.link
                && let Some((token, since)) = self.attempts.tell_started(id)
            {
                self.outgoing.started(token, since, now);
            }
        }
    }

    fn stop_running(&mut self, stop: Stop) {
        let running = self.attempts.running_ids().into_iter();
        self.calls.extend(running.map(|id| Call::Stop(id, stop)));
    }

    fn fail(&mut self, error: SessionError) {
        if !matches!(self.phase, Phase::Failing(_) | Phase::Over) {
            self.stop_running(Stop::LeaseLost);
            self.phase = Phase::Failing(error);
        }
    }

    /// Draws the consequences of whatever has just happened.
    fn settle(&mut self, now: Boottime) {
        self.start_waiting(now);
        while self.starts.front().is_some_and(|(_, id)| !self.attempts.is_running(*id)) {
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

    fn start_waiting(&mut self, now: Boottime) {
        let Link::Joined { beats, .. } = &self.link else { return };
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
                    self.calls.push(Call::Start(id, Box::new(assignment), lease));
                    self.starts.push_back((now + START_AFTER, id));
                }
                Err(error) => self.finished(id, error.finished(), now),
            }
        }
    }

    fn goodbye(&mut self, now: Boottime) -> Option<worker_frame::Frame> {
        let drained = matches!(self.phase, Phase::Draining(_));
        if !drained || !self.attempts.is_empty() || !self.outgoing.is_empty() {
            return None;
        }
        self.phase = Phase::Gone { since: now };
        Some(worker_frame::Frame::Goodbye(proto::Goodbye {}))
    }

    fn end(&mut self, result: Result<(), SessionError>) {
        self.phase = Phase::Over;
        self.over = Some(result);
    }
}
