//! Waits for tasks to end, shows how far they are, and says what a command then ends with.

use std::time::{Duration, Instant};

use capataz_api::client::Client;
use capataz_api::rest::{Counts, WaitRequest, Waited};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output::{Report, Sheet};
use crate::progress::{Progress, Tally};
use crate::reports::shares;

/// How long one call waits when somebody looks at the progress.
const CALL_WATCHED: Duration = Duration::from_millis(500);

/// How everything that was waited for ended.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Ended {
    /// How many are where.
    pub(crate) counts: Counts,
    /// Lists that ask for this position show them as they ended.
    pub(crate) position: u64,
}

impl Ended {
    /// What a command that waited for it ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self.counts {
            Counts { failed: 1.., .. } => Exit::WorkFailed,
            Counts { cancelled: 1.., .. } => Exit::Cancelled,
            _ => Exit::Success,
        }
    }
}

impl Report for Ended {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        if self.counts.total() > 0 {
            sheet.row([shares(&self.counts)]);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Waits for several sets of tasks, one after the other, and shows how far all of it is.
pub(crate) struct Waiting<'a> {
    client: &'a Client,
    begun: Instant,
    timeout: Option<Duration>,
    watched: bool,
    progress: Progress,
    /// All tasks, when more than those of the set at hand.
    total: u64,
    ended: Ended,
}

impl<'a> Waiting<'a> {
    /// `total` is the number of tasks in all sets, or 0 when it is not known before.
    pub(crate) fn new(
        client: &'a Client,
        timeout: Option<Duration>,
        watched: bool,
        total: u64,
    ) -> Waiting<'a> {
        let progress = Progress::new(watched);
        let (begun, ended) = (Instant::now(), Ended::default());
        Waiting {
            client,
            begun,
            timeout,
            watched,
            progress,
            total,
            ended,
        }
    }

    /// Waits for one set.
    pub(crate) async fn set(&mut self, mut request: WaitRequest) -> Result<(), Failure> {
        if self.watched {
            request.timeout = CALL_WATCHED.into();
        }
        let left = self
            .timeout
            .map(|all| all.saturating_sub(self.begun.elapsed()));
        let (before, total, progress) = (&self.ended, self.total, &mut self.progress);
        let show = |answer: &Waited| progress.show(tally(plus(before, answer).counts, total));
        let answer = self.client.wait(request, left, show).await?;
        self.ended = plus(&self.ended, &answer);
        Ok(())
    }

    /// How all of it ended.
    pub(crate) fn finish(self) -> Ended {
        self.progress.finish(tally(self.ended.counts, 0));
        self.ended
    }
}

fn tally(counts: Counts, total: u64) -> Tally {
    Tally {
        total: counts.total().max(total),
        done: counts.ended(),
        running: counts.running,
        failed: counts.failed,
    }
}

fn plus(ended: &Ended, answer: &Waited) -> Ended {
    let mut sum = ended.counts;
    for state in capataz_api::rest::TaskState::ALL {
        *sum.get_mut(state) += answer.counts.get(state);
    }
    Ended {
        counts: sum,
        position: ended.position.max(answer.position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(succeeded: u64, failed: u64, cancelled: u64) -> u8 {
        let counts = Counts {
            succeeded,
            failed,
            cancelled,
            ..Counts::default()
        };
        Ended {
            counts,
            position: 0,
        }
        .exit()
        .code()
    }

    #[test]
    fn failed_work_weighs_more_than_cancelled_work() {
        assert_eq!(exit(0, 0, 0), 0, "nothing was alive");
        assert_eq!(exit(5, 0, 0), 0);
        assert_eq!(exit(5, 1, 1), 2);
        assert_eq!(exit(5, 0, 1), 3);
    }

    #[test]
    fn sets_add_up() {
        let answer = Waited {
            done: true,
            counts: Counts {
                succeeded: 2,
                ..Counts::default()
            },
            remaining: 0,
            handle: String::new(),
            position: 7,
        };
        let sum = plus(
            &plus(&Ended::default(), &answer),
            &Waited {
                position: 5,
                ..answer
            },
        );
        assert_eq!((sum.counts.succeeded, sum.position), (4, 7));
    }
}
