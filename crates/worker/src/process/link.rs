//! The worker's end of the socket to its guard, and the attempts that are under way there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::claim::Claim;
use super::config::ProcessConfig;
use super::launch::{Launched, launch};
use super::reclaim::sweep;
use super::verdict::{self, Printed};
use crate::clock::Boottime;
use crate::executor::{AttemptId, OutputMode, Reports};
use crate::guard::frame::{
    FrameError, FromGuard, Setup, Start, StopCause, ToGuard, decode, encode,
};
use crate::logs::LogChunk;
use crate::outcome::{FailReason, Finished, Outcome};

/// What the executor wants.
pub(super) enum Order {
    Start {
        start: Start,
        output: OutputMode,
        reports: Arc<dyn Reports>,
    },
    Extend {
        attempts: Vec<AttemptId>,
        lease: Boottime,
    },
    Stop {
        attempt: AttemptId,
        cause: StopCause,
        grace: Option<Duration>,
    },
}

/// An attempt the guard was told of.
struct UnderWay {
    reports: Arc<dyn Reports>,
    printed: Printed,
}

/// Why the talk with a guard ended.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    /// The executor is gone: the guard is to end everything.
    Executor,
    /// The guard is.
    Guard,
}

pub(super) struct Link {
    config: ProcessConfig,
    claim: Claim,
    env: Vec<(String, String)>,
    orders: UnboundedReceiver<Order>,
    under_way: HashMap<AttemptId, UnderWay>,
    /// Guards so far: each has a scratch folder of its own, since a killed one leaves its behind.
    guards: u32,
    outbox: BytesMut,
    inbox: BytesMut,
}

impl Link {
    pub(super) fn new(
        config: ProcessConfig,
        claim: Claim,
        env: Vec<(String, String)>,
        orders: UnboundedReceiver<Order>,
    ) -> Link {
        let (outbox, inbox) = (BytesMut::new(), BytesMut::new());
        Link {
            config,
            claim,
            env,
            orders,
            under_way: HashMap::new(),
            guards: 0,
            outbox,
            inbox,
        }
    }

    /// Serves the executor until it is gone, and then until the guard is. A guard that was killed
    /// is replaced when the next attempt is to start, after all that it started is ended.
    pub(super) async fn run(mut self, first: Launched) {
        let mut over = self.serve(first, None).await;
        while over == Over::Guard {
            let Some(order) = self.orders.recv().await else {
                break;
            };
            // The others are about attempts that ended with their guard.
            let Order::Start { start, reports, .. } = &order else {
                continue;
            };
            let program = self.config.guard_program.as_ref();
            match launch(program, &self.config.worker, &self.claim) {
                Ok(guard) => over = self.serve(guard, Some(order)).await,
                Err(error) => {
                    let outcome = Outcome::failed(FailReason::CouldNotStart, error.to_string());
                    reports.finished(start.attempt, Finished::bare(outcome));
                }
            }
        }
        // Left to the next incarnation when it fails: that clears it again.
        let _ = self.claim.clear();
    }

    /// Talks with a guard until one of them is gone, waits until nothing of it is left, and reports
    /// the attempts that ended thereby.
    async fn serve(&mut self, guard: Launched, order: Option<Order>) -> Over {
        let Launched { mut child, socket } = guard;
        self.outbox.clear();
        self.inbox.clear();
        self.guards += 1;
        let over = match UnixStream::from_std(socket) {
            Ok(socket) => self.talk(socket, order).await,
            Err(error) => {
                tracing::error!(%error, "the guard's socket cannot be watched");
                Over::Guard
            }
        };
        if over == Over::Guard {
            tracing::error!("the guard died; ending what it left");
        }
        let (nonce, scratch) = (self.claim.nonce(), self.scratch());
        let ended = tokio::task::spawn_blocking(move || {
            // Its socket is closed, so it ends once all that it started is gone.
            let _ = child.wait();
            // An attempt is over when nothing of it is left, however long that takes.
            while let Err(error) = sweep(nonce) {
                tracing::error!(%error, "what the guard left could not be ended yet");
            }
            // Gone already, unless the guard was killed; what stays is the next incarnation's.
            let _ = std::fs::remove_dir_all(scratch);
        });
        let _ = ended.await;
        self.end_all(match over {
            Over::Executor => "the worker shut down while it ran",
            Over::Guard => "the worker's guard died while it ran",
        });
        over
    }

    fn scratch(&self) -> PathBuf {
        self.claim.scratch().join(self.guards.to_string())
    }

    async fn talk(&mut self, mut socket: UnixStream, order: Option<Order>) -> Over {
        let setup = Setup {
            nonce: self.claim.nonce(),
            scratch: self.scratch().to_string_lossy().into_owned(),
            env: self.env.clone(),
            limits: self.config.limits.clone(),
        };
        if let Err(error) = self.say(&ToGuard::Setup(setup)) {
            tracing::error!(%error, "the guard cannot be set up");
            return Over::Guard;
        }
        if let Some(order) = order {
            self.obey(order);
        }
        let (mut reader, mut writer) = socket.split();
        loop {
            tokio::select! {
                order = self.orders.recv() => {
                    let Some(order) = order else { return Over::Executor };
                    self.obey(order);
                    while let Ok(order) = self.orders.try_recv() {
                        self.obey(order);
                    }
                }
                written = writer.write(&self.outbox), if !self.outbox.is_empty() => match written {
                    Ok(written) => self.outbox.advance(written),
                    Err(_) => return Over::Guard,
                },
                read = reader.read_buf(&mut self.inbox) => match read {
                    Ok(1..) => if let Err(error) = self.hear() {
                        tracing::error!(%error, "the guard cannot be understood");
                        return Over::Guard;
                    },
                    Ok(0) | Err(_) => return Over::Guard,
                },
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let said = match order {
            Order::Start {
                start,
                output,
                reports,
            } => return self.start(start, output, reports),
            Order::Extend { attempts, lease } => self.say(&ToGuard::Extend { attempts, lease }),
            Order::Stop {
                attempt,
                cause,
                grace,
            } => self.say(&ToGuard::Stop {
                attempt,
                cause,
                grace,
            }),
        };
        if let Err(error) = said {
            tracing::error!(%error, "an order to the guard was lost");
        }
    }

    fn start(&mut self, start: Start, output: OutputMode, reports: Arc<dyn Reports>) {
        let id = start.attempt;
        match self.say(&ToGuard::Start(start)) {
            Ok(()) => {
                let printed = Printed::new(output);
                self.under_way.insert(id, UnderWay { reports, printed });
            }
            Err(error) => {
                let message = format!("payload, command and environment together are {error}");
                reports.finished(id, Finished::bare(Outcome::fatal(message)));
            }
        }
    }

    fn say(&mut self, message: &ToGuard) -> Result<(), FrameError> {
        let mut frame = Vec::new();
        encode(message, &mut frame)?;
        self.outbox.extend_from_slice(&frame);
        Ok(())
    }

    fn hear(&mut self) -> Result<(), FrameError> {
        while let Some((message, bytes)) = decode(&self.inbox)? {
            self.inbox.advance(bytes);
            match message {
                FromGuard::Log {
                    attempt,
                    stream,
                    offset,
                    bytes,
                } => {
                    if let Some(under_way) = self.under_way.get_mut(&attempt) {
                        let chunk = LogChunk {
                            stream,
                            offset,
                            bytes,
                        };
                        under_way.printed.push(chunk.clone());
                        under_way.reports.log(attempt, chunk);
                    }
                }
                FromGuard::Gone(mut gone) => {
                    if let Some(folder) = gone.scratch_left.take() {
                        // It may hold millions of files; nobody waits for them.
                        tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder));
                    }
                    if let Some(UnderWay { reports, printed }) =
                        self.under_way.remove(&gone.attempt)
                    {
                        reports.finished(gone.attempt, verdict::of(gone, printed));
                    }
                }
            }
        }
        Ok(())
    }

    /// Reports all attempts of a guard of which nothing is left.
    fn end_all(&mut self, why: &str) {
        for (id, under_way) in self.under_way.drain() {
            let outcome = Outcome::failed(FailReason::Killed, why);
            under_way.reports.finished(id, Finished::bare(outcome));
        }
    }
}
