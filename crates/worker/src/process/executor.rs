//! The executor of processes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::claim::Claim;
use super::config::{CommandPolicy, ProcessConfig};
use super::environment;
use super::launch::{LaunchError, launch};
use super::link::{Link, Order};
use crate::clock::Boottime;
use crate::executor::{Assignment, AttemptId, Executor, Reports, Stop};
use crate::guard::frame::{Start, StopCause};
use crate::outcome::{Finished, Outcome};

/// Runs attempts as processes under a guard of its own; see the [module](super).
pub struct ProcessExecutor {
    commands: CommandPolicy,
    timeout_grace: Duration,
    orders: UnboundedSender<Order>,
    link: JoinHandle<()>,
}

impl ProcessExecutor {
    /// Starts the guard and its link, a task on `runtime`. Blocks for the moment a program needs to
    /// start. The claim is held as long as the guard is needed.
    pub fn new(
        config: ProcessConfig,
        claim: Claim,
        runtime: &Handle,
    ) -> Result<ProcessExecutor, LaunchError> {
        let guard = launch(config.guard_program.as_ref(), &config.worker, &claim)?;
        let env = environment::of_worker(&config, std::env::vars_os());
        let (orders, received) = unbounded_channel();
        let (commands, timeout_grace) = (config.commands.clone(), config.timeout_grace);
        let link = runtime.spawn(Link::new(config, claim, env, received).run(guard));
        Ok(ProcessExecutor {
            commands,
            timeout_grace,
            orders,
            link,
        })
    }

    /// Ends everything that still runs, reports it, and returns when nothing is left. Dropping the
    /// executor does the same without waiting.
    pub async fn shut_down(self) {
        drop(self.orders);
        // A link that panicked has closed its guard's socket, which ends everything as well.
        let _ = self.link.await;
    }

    fn start_of(
        &self,
        id: AttemptId,
        assignment: &mut Assignment,
        lease: Boottime,
    ) -> Result<Start, String> {
        let env = environment::of_attempt(assignment, &self.commands)
            .map_err(|error| error.to_string())?;
        let argv = std::mem::take(&mut assignment.argv);
        let argv = match &self.commands {
            CommandPolicy::Fixed(_) if !argv.is_empty() => {
                return Err(
                    "the task brings a command, but this worker's is fixed by its operator"
                        .to_owned(),
                );
            }
            CommandPolicy::Fixed(fixed) => fixed.clone(),
            CommandPolicy::AllowTasks if argv.first().is_none_or(String::is_empty) => {
                return Err("the task brings no command, and this worker has none".to_owned());
            }
            CommandPolicy::AllowTasks => argv,
        };
        Ok(Start {
            attempt: id,
            argv,
            env,
            payload: std::mem::replace(&mut assignment.payload, Bytes::new()),
            lease,
            timeout: assignment.timeout,
            grace: self.timeout_grace,
        })
    }

    fn order(&self, order: Order) {
        // The link ends only after this executor, unless it panicked.
        if let Err(refused) = self.orders.send(order)
            && let Order::Start { start, reports, .. } = refused.0
        {
            let outcome = Outcome::failed(
                crate::FailReason::CouldNotStart,
                "this worker's link to its guard is broken",
            );
            reports.finished(start.attempt, Finished::bare(outcome));
        }
    }
}

impl Executor for ProcessExecutor {
    fn kind(&self) -> &'static str {
        "process"
    }

    fn start(
        &self,
        id: AttemptId,
        mut assignment: Assignment,
        lease: Boottime,
        reports: &Arc<dyn Reports>,
    ) {
        match self.start_of(id, &mut assignment, lease) {
            Ok(start) => {
                let output = assignment.output;
                self.order(Order::Start {
                    start,
                    output,
                    reports: reports.clone(),
                });
            }
            Err(refusal) => reports.finished(id, Finished::bare(Outcome::fatal(refusal))),
        }
    }

    fn extend(&self, attempts: &[AttemptId], lease: Boottime) {
        if !attempts.is_empty() {
            self.order(Order::Extend {
                attempts: attempts.to_vec(),
                lease,
            });
        }
    }

    fn stop(&self, id: AttemptId, stop: Stop) {
        let (cause, grace) = match stop {
            Stop::Cancel { grace } => (
                StopCause::Cancel,
                Some(grace).filter(|grace| !grace.is_zero()),
            ),
            Stop::LeaseLost => (StopCause::LeaseLost, None),
        };
        self.order(Order::Stop {
            attempt: id,
            cause,
            grace,
        });
    }
}
