//! The shell around [`Logic`]: real time, a real connection, a real executor.

use std::sync::Arc;
use std::time::Duration;

use capataz_api::proto;
use futures_util::StreamExt;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;

use super::call::{Call, SessionError};
use super::connect::{Connect, Connecting, Incoming, LinkError};
use super::handle::{Order, SessionHandle, Status};
use super::logic::Logic;
use super::options::SessionOptions;
use crate::clock::Boottime;
use crate::executor::{Executor, Report, Reports};

/// Frames that the connection has not taken yet. More would only wait there, where they cannot
/// grow any more.
const OUTGOING_FRAMES: usize = 2;
/// Reports taken at once before frames are sent and time is looked at again.
const REPORTS_AT_ONCE: usize = 1_024;
/// The longest sleep. Timers stand still while the machine is suspended, leases do not.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// A worker's session: connects, runs what it is given, and comes back after every break until it
/// is told to end or refused for good.
pub struct Session {
    logic: Logic,
    executor: Arc<dyn Executor>,
    reports: Arc<dyn Reports>,
    reported: UnboundedReceiver<Report>,
    connect: Box<dyn Connect>,
    link: Option<Link>,
    orders: UnboundedReceiver<Order>,
    status: watch::Sender<Status>,
}

struct Link {
    sender: mpsc::Sender<proto::WorkerFrame>,
    stage: Stage,
}

enum Stage {
    Opening(Connecting),
    Open(Incoming),
}

enum Wake {
    Opened(Incoming),
    Frame(proto::MasterFrame),
    Lost(LinkError),
    Order(Order),
    Reports,
    Timer,
}

impl Session {
    /// A session that begins when it is run.
    pub fn new(
        options: SessionOptions,
        executor: Arc<dyn Executor>,
        connect: impl Connect,
    ) -> (Session, SessionHandle) {
        let (reports, reported) = mpsc::unbounded_channel();
        let (orders, ordered) = mpsc::unbounded_channel();
        let (status, watched) = watch::channel(Status::Connecting);
        let session = Session {
            logic: Logic::new(options, Boottime::now()),
            executor,
            reports: Arc::new(reports),
            reported,
            connect: Box::new(connect),
            link: None,
            orders: ordered,
            status,
        };
        (
            session,
            SessionHandle {
                orders,
                status: watched,
            },
        )
    }

    /// Runs the session to its end. Nothing that it started is left then.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when the master refuses this worker for good.
    pub async fn run(mut self) -> Result<(), SessionError> {
        let mut batch = Vec::with_capacity(REPORTS_AT_ONCE);
        loop {
            let now = Boottime::now();
            if self.logic.next_tick().is_some_and(|due| due <= now) {
                self.logic.tick(now);
            }
            self.perform_calls();
            self.show_status();
            if let Some(end) = self.logic.take_end() {
                return end;
            }
            let blocked = self.send_frames(now);
            let wake = self.wait(now, blocked, &mut batch).await;
            self.take(wake, &mut batch);
        }
    }

    fn perform_calls(&mut self) {
        for call in self.logic.take_calls() {
            match call {
                Call::Connect(hello) => {
                    let (sender, outgoing) = mpsc::channel(OUTGOING_FRAMES);
                    sender
                        .try_send(*hello)
                        .expect("the channel is new and has room");
                    let stage = Stage::Opening(self.connect.connect(outgoing));
                    self.link = Some(Link { sender, stage });
                }
                Call::Disconnect => self.link = None,
                Call::Start(id, assignment, lease) => {
                    self.executor.start(id, *assignment, lease, &self.reports);
                }
                Call::Extend(attempts, lease) => self.executor.extend(&attempts, lease),
                Call::Stop(id, stop) => self.executor.stop(id, stop),
            }
        }
    }

    fn show_status(&self) {
        let status = self.logic.status();
        self.status.send_if_modified(|shown| {
            let modified = *shown != status;
            if modified {
                *shown = status;
            }
            modified
        });
    }

    /// Hands over the frames that are due; true when the connection takes no more for now.
    fn send_frames(&mut self, now: Boottime) -> bool {
        let Some(link) = &self.link else { return false };
        while self.logic.next_frame_at().is_some_and(|due| due <= now) {
            match link.sender.try_reserve() {
                Ok(permit) => match self.logic.next_frame(now) {
                    Some(frame) => permit.send(frame),
                    None => return false,
                },
                Err(mpsc::error::TrySendError::Full(())) => return true,
                // The other half says why.
                Err(mpsc::error::TrySendError::Closed(())) => return false,
            }
        }
        false
    }

    async fn wait(&mut self, now: Boottime, blocked: bool, batch: &mut Vec<Report>) -> Wake {
        let frame_at = if blocked {
            None
        } else {
            self.logic.next_frame_at()
        };
        let due = [self.logic.next_tick(), frame_at]
            .into_iter()
            .flatten()
            .min();
        let pause = due
            .map_or(SLEEP_MAX, |due| due.remaining(now))
            .min(SLEEP_MAX);
        let Session {
            link,
            reported,
            orders,
            ..
        } = self;
        let (sender, stage) = match link {
            Some(link) => (Some(&link.sender), Some(&mut link.stage)),
            None => (None, None),
        };
        tokio::select! {
            wake = heard(stage) => wake,
            _ = reported.recv_many(batch, REPORTS_AT_ONCE) => Wake::Reports,
            Some(order) = orders.recv() => Wake::Order(order),
            () = room(sender), if blocked => Wake::Timer,
            () = tokio::time::sleep(pause) => Wake::Timer,
        }
    }

    fn take(&mut self, wake: Wake, batch: &mut Vec<Report>) {
        let now = Boottime::now();
        match wake {
            Wake::Opened(incoming) => {
                if let Some(link) = &mut self.link {
                    link.stage = Stage::Open(incoming);
                }
            }
            Wake::Frame(frame) => self.logic.received(frame, now),
            Wake::Lost(error) => {
                self.link = None;
                self.logic.disconnected(error, now);
            }
            Wake::Order(Order::Drain(patience)) => self.logic.drain(patience, now),
            Wake::Order(Order::StopNow) => self.logic.stop_now(now),
            Wake::Order(Order::Announce(keys)) => self.logic.announce(keys),
            Wake::Reports => {
                for report in batch.drain(..) {
                    self.logic.reported(report, now);
                }
            }
            Wake::Timer => {}
        }
    }
}

async fn heard(stage: Option<&mut Stage>) -> Wake {
    match stage {
        None => std::future::pending().await,
        Some(Stage::Opening(connecting)) => match connecting.await {
            Ok(incoming) => Wake::Opened(incoming),
            Err(error) => Wake::Lost(error),
        },
        Some(Stage::Open(incoming)) => match incoming.next().await {
            Some(Ok(frame)) => Wake::Frame(frame),
            Some(Err(error)) => Wake::Lost(error),
            None => Wake::Lost(LinkError::Lost(
                "the master closed the connection".to_owned(),
            )),
        },
    }
}

async fn room(sender: Option<&mpsc::Sender<proto::WorkerFrame>>) {
    match sender {
        // The permit is given back at once; the next turn takes one.
        Some(sender) => drop(sender.reserve().await),
        None => std::future::pending().await,
    }
}
