//! What a session does, without I/O: frames, reports and the time go in; calls come out, and
//! frames when the connection takes them.

mod master;
mod settle;

use std::collections::VecDeque;
use std::time::Duration;

use capataz_api::proto::{self, master_frame, worker_frame};

use crate::clock::Boottime;
use crate::executor::{AttemptId, Report, Stop};
use crate::session::attempts::Attempts;
use crate::session::backoff::Backoff;
use crate::session::call::{Call, SessionError};
use crate::session::connect::LinkError;
use crate::session::handle::Status;
use crate::session::heartbeat::Heartbeats;
use crate::session::options::SessionOptions;
use crate::session::outgoing::Outgoing;
use crate::session::phase::Phase;

/// An attempt that runs longer than this is reported as started; a shorter one by its end alone.
const START_AFTER: Duration = Duration::from_millis(10);
/// How long a connection may take until the hello is answered.
const JOIN_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Link {
    Down {
        retry_at: Boottime,
    },
    Joining {
        sent: Boottime,
    },
    Joined {
        beats: Heartbeats,
        namespace: String,
    },
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
    /// Connections made so far.
    connections: u64,
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
            connections: 0,
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
            (_, Link::Joined { namespace, .. }) => Status::Joined {
                namespace: namespace.clone(),
            },
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
        [link, start, self.phase.wake_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next moment at which [`Logic::next_frame`] has a frame, if the connection takes it.
    pub fn next_frame_at(&self) -> Option<Boottime> {
        let Link::Joined { beats, .. } = &self.link else {
            return None;
        };
        if self.may_say_goodbye() {
            return Some(Boottime::from_boot(Duration::ZERO));
        }
        let due = self.outgoing.due_at(&self.attempts);
        Some(due.map_or(beats.next_at(), |due| due.min(beats.next_at())))
    }

    /// Takes the frame that is due; call it only when the connection takes one.
    pub fn next_frame(&mut self, now: Boottime) -> Option<proto::WorkerFrame> {
        let Link::Joined { beats, .. } = &mut self.link else {
            return None;
        };
        let frame = if beats.next_at() <= now {
            Some(worker_frame::Frame::Heartbeat(proto::Heartbeat {
                sequence: beats.send(now),
            }))
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
            && drain
                .deadline
                .take_if(|deadline| *deadline <= now)
                .is_some()
        {
            self.stop_running(Stop::Cancel {
                grace: self.options.cancel_grace,
            });
        }
        self.settle(now);
    }

    /// The connection ended, or could not be made.
    pub fn disconnected(&mut self, error: LinkError, now: Boottime) {
        match error {
            LinkError::Unauthorized(detail) => {
                self.fail(SessionError::Unauthorized { detail });
            }
            LinkError::Refused(problem) => self.refused(problem),
            LinkError::Lost(cause) => {
                let farewell = matches!(self.phase, Phase::Gone { .. } | Phase::Over);
                if !farewell {
                    tracing::info!(worker = self.options.name, %cause, "no connection");
                }
            }
        }
        self.link = Link::Down {
            retry_at: now + self.backoff.next(),
        };
        self.settle(now);
    }

    /// The master said something.
    pub fn received(&mut self, frame: proto::MasterFrame, now: Boottime) {
        use master_frame::Frame;
        match frame.frame {
            Some(Frame::Welcome(welcome)) => self.welcomed(welcome, now),
            Some(Frame::Refused(problem)) => {
                let refused = LinkError::Refused(problem.into());
                self.calls.push(Call::Disconnect);
                return self.disconnected(refused, now);
            }
            Some(Frame::Heartbeat(answer)) => self.answered(answer.sequence),
            Some(Frame::Work(work)) => self.work(work, now),
            Some(Frame::Acknowledged(done)) => {
                done.tokens
                    .into_iter()
                    .for_each(|token| self.attempts.acknowledge(token));
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
            self.outgoing.drain = true;
        }
        self.settle(now);
    }

    /// As [`Logic::drain`], but ends at once what runs.
    pub fn stop_now(&mut self, now: Boottime) {
        if let Some(drain) = self.phase.drain() {
            drain.hurry = true;
            self.outgoing.drain = true;
            self.stop_running(Stop::Cancel {
                grace: Duration::ZERO,
            });
        }
        self.settle(now);
    }

    fn connect(&mut self, now: Boottime) {
        if matches!(
            self.phase,
            Phase::Failing(_) | Phase::Over | Phase::Gone { .. }
        ) {
            return;
        }
        self.link = Link::Joining { sent: now };
        self.connections += 1;
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
            connection: self.connections,
        };
        let frame = Some(worker_frame::Frame::Hello(hello));
        self.calls
            .push(Call::Connect(Box::new(proto::WorkerFrame { frame })));
    }

    fn hang_up(&mut self, cause: &str, now: Boottime) {
        self.calls.push(Call::Disconnect);
        self.disconnected(LinkError::Lost(cause.to_owned()), now);
    }
}
