//! Gathers specs into batches of a few submissions each, which the client sends without waiting for
//! one another's answers.

use std::iter::Fuse;

use capataz_api::limits::{BATCH_BYTES, BATCH_TASKS};
use capataz_api::proto::TaskSpec;
use prost::Message;

use super::SubmitError;

/// Submissions in one batch: enough to keep a server's disk busy while it syncs.
const SUBMISSIONS: usize = 4;

/// Tasks of one batch.
const GATHERED_TASKS: usize = SUBMISSIONS * BATCH_TASKS;

/// Bytes of one batch, encoded: what reading ahead takes of memory is a few times this.
const GATHERED_BYTES: usize = SUBMISSIONS * BATCH_BYTES;

/// What a task takes in a request beside itself: its tag and length.
const TASK_OVERHEAD: usize = 8;

/// What a request takes beside its tasks.
const REQUEST_OVERHEAD: usize = 64;

/// Batches within the limits on tasks and bytes; an error ends them, and what was gathered before
/// it in the same batch is not given out.
pub(crate) struct Batches<I: Iterator> {
    specs: Fuse<I>,
    /// Read already, and one too many for the last batch.
    over: Option<TaskSpec>,
}

impl<I: Iterator<Item = Result<TaskSpec, SubmitError>>> Batches<I> {
    pub(crate) fn new(specs: I) -> Batches<I> {
        Batches {
            specs: specs.fuse(),
            over: None,
        }
    }
}

impl<I: Iterator<Item = Result<TaskSpec, SubmitError>>> Iterator for Batches<I> {
    type Item = Result<Vec<TaskSpec>, SubmitError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::new();
        let mut bytes = REQUEST_OVERHEAD;
        while batch.len() < GATHERED_TASKS {
            let spec = match self.over.take().map(Ok).or_else(|| self.specs.next()) {
                None => break,
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(spec)) => spec,
            };
            bytes += spec.encoded_len() + TASK_OVERHEAD;
            if bytes > GATHERED_BYTES && !batch.is_empty() {
                self.over = Some(spec);
                break;
            }
            batch.push(spec);
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(payload: usize) -> TaskSpec {
        TaskSpec {
            payload: Some(vec![0; payload].into()),
            ..TaskSpec::default()
        }
    }

    fn sizes(specs: Vec<TaskSpec>) -> Vec<usize> {
        let batches = Batches::new(specs.into_iter().map(Ok));
        batches
            .map(|batch| batch.map_or(0, |batch| batch.len()))
            .collect()
    }

    #[test]
    fn a_batch_has_at_most_so_many_tasks() {
        let specs = vec![spec(0); 2 * GATHERED_TASKS + 1];
        assert_eq!(sizes(specs), [GATHERED_TASKS, GATHERED_TASKS, 1]);
        assert_eq!(sizes(vec![]), Vec::<usize>::new());
    }

    #[test]
    fn a_batch_has_at_most_so_many_bytes() {
        assert_eq!(sizes(vec![spec(GATHERED_BYTES / 3); 7]), [2, 2, 2, 1]);
        assert_eq!(
            sizes(vec![spec(GATHERED_BYTES + 1); 2]),
            [1, 1],
            "refused by the server, singly"
        );
    }
}
