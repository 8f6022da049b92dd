//! Waits for runs to end, shows how far they are, and says what a command then ends with.

use std::time::{Duration, Instant};

use capataz_api::client::Client;
use capataz_api::rest::{Counts, Run, RunPage, TaskState};

use crate::commands::Context;
use crate::failure::{Exit, Failure, Told};
use crate::progress::{Progress, Tally};

/// How long one call waits.
const CALL: Duration = Duration::from_secs(20);

/// How long one call waits when somebody looks at the progress.
const CALL_WATCHED: Duration = Duration::from_millis(500);

/// A run that had not ended when the time was over.
#[derive(Debug, thiserror::Error)]
#[error("run {id} is not done after {after:?}: {ended} of {steps} steps have ended")]
pub(crate) struct NotDone {
    id: String,
    after: Duration,
    ended: u64,
    steps: u64,
}

impl Told for NotDone {
    fn hint(&self) -> Option<String> {
        Some(format!(
            "`capataz explain run {}` says what it waits for",
            self.id
        ))
    }

    fn exit(&self) -> Exit {
        Exit::TimedOut
    }
}

/// Waits for several runs, one after the other, and shows how far all of them are.
pub(crate) struct Waiting<'a> {
    client: &'a Client,
    begun: Instant,
    timeout: Option<Duration>,
    watched: bool,
    progress: Progress,
    /// The runs that have ended.
    ended: Tally,
    /// What was shown last.
    last: Tally,
}

impl<'a> Waiting<'a> {
    /// Begins the time.
    pub(crate) fn new(client: &'a Client, timeout: Option<Duration>, watched: bool) -> Waiting<'a> {
        Waiting {
            client,
            begun: Instant::now(),
            timeout,
            watched,
            progress: Progress::new(watched),
            ended: Tally::default(),
            last: Tally::default(),
        }
    }

    /// Waits until the run has ended.
    pub(crate) async fn run(&mut self, id: &str) -> Result<Run, Failure> {
        let call = if self.watched { CALL_WATCHED } else { CALL };
        loop {
            let left = self
                .timeout
                .map(|all| all.saturating_sub(self.begun.elapsed()));
            let call = left.map_or(call, |left| left.min(call));
            let answer = self.client.wait_run_step(id, call).await?;
            let tally = plus(self.ended, &answer.run.counts);
            self.progress.show(tally);
            self.last = tally;
            if answer.done {
                self.ended = tally;
                return Ok(answer.run);
            }
            if let (Some(after), Some(Duration::ZERO)) = (self.timeout, left) {
                let (ended, steps) = (answer.run.counts.ended(), answer.run.counts.total());
                let id = id.to_owned();
                let not_done = NotDone {
                    id,
                    after,
                    ended,
                    steps,
                };
                return Err(not_done.into());
            }
        }
    }

    /// Waits until all of them have ended, shows them, and says what the command ends with.
    pub(crate) async fn all(mut self, context: &Context, ids: &[String]) -> Result<Exit, Failure> {
        let mut ended = RunPage {
            items: Vec::with_capacity(ids.len()),
            cursor: None,
            position: 0,
        };
        for id in ids {
            ended.items.push(self.run(id).await?);
        }
        self.finish();
        context.output.show(&ended)?;
        Ok(exit_of_all(ended.items.iter().map(|run| run.state)))
    }

    /// Leaves the progress as it is.
    pub(crate) fn finish(self) {
        self.progress.finish(self.last);
    }
}

fn plus(ended: Tally, counts: &Counts) -> Tally {
    Tally {
        total: ended.total + counts.total(),
        done: ended.done + counts.ended(),
        running: counts.running,
        failed: ended.failed + counts.failed,
    }
}

/// What a command ends with that waited for a run.
pub(crate) fn exit(state: TaskState) -> Exit {
    match state {
        TaskState::Failed => Exit::WorkFailed,
        TaskState::Cancelled => Exit::Cancelled,
        _ => Exit::Success,
    }
}

/// The same for several: what failed weighs more than what was cancelled.
fn exit_of_all(states: impl Iterator<Item = TaskState> + Clone) -> Exit {
    let any = |exit_code: Exit| states.clone().any(|state| exit(state) == exit_code);
    match () {
        () if any(Exit::WorkFailed) => Exit::WorkFailed,
        () if any(Exit::Cancelled) => Exit::Cancelled,
        () => Exit::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_run_weighs_more_than_a_cancelled_one() {
        use TaskState::{Cancelled, Failed, Succeeded};
        let exit = |states: &[TaskState]| exit_of_all(states.iter().copied()).code();
        assert_eq!(exit(&[]), 0);
        assert_eq!(exit(&[Succeeded, Succeeded]), 0);
        assert_eq!(exit(&[Succeeded, Cancelled]), 3);
        assert_eq!(exit(&[Cancelled, Failed]), 2);
    }

    #[test]
    fn what_has_ended_is_kept_when_the_next_run_is_waited_for() {
        let counts = Counts {
            succeeded: 2,
            failed: 1,
            running: 1,
            ..Counts::default()
        };
        let first = plus(Tally::default(), &counts);
        let second = plus(first, &counts);
        assert_eq!((first.total, first.done, first.failed), (4, 3, 1));
        assert_eq!((second.total, second.done, second.running), (8, 6, 1));
    }
}
