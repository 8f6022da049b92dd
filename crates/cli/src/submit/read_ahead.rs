//! Reads batches on a thread of its own while the ones before are under way.

use capataz_api::proto::TaskSpec;
use tokio::sync::{mpsc, oneshot};

use super::{Batches, Source, SubmitError};

/// Batches that wait to be submitted: enough to hide the reading, few enough to be little memory.
const AHEAD: usize = 2;

/// Batches on their way.
pub(crate) struct ReadAhead {
    checked: Option<oneshot::Receiver<Result<Option<u64>, SubmitError>>>,
    batches: mpsc::Receiver<Result<Vec<TaskSpec>, SubmitError>>,
}

/// Begins to read `source`: checks all of it, when it can be read twice, then gathers batches.
pub(crate) fn read_ahead(source: Source) -> ReadAhead {
    let (told, checked) = oneshot::channel();
    let (sender, batches) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let result = source.check();
        let good = result.is_ok();
        // A receiver that is gone wants nothing any more: here, and for every batch below.
        if told.send(result).is_err() || !good {
            return;
        }
        let specs = match source.specs() {
            Ok(specs) => specs,
            Err(error) => {
                let _ = sender.blocking_send(Err(error));
                return;
            }
        };
        for batch in Batches::new(specs) {
            let bad = batch.is_err();
            if sender.blocking_send(batch).is_err() || bad {
                return;
            }
        }
    });
    ReadAhead {
        checked: Some(checked),
        batches,
    }
}

impl ReadAhead {
    /// How many tasks there are, once all of them were looked at; `None` when they cannot be
    /// counted before they are submitted.
    pub(crate) async fn count(&mut self) -> Result<Option<u64>, SubmitError> {
        match self.checked.take() {
            Some(checked) => checked.await.unwrap_or(Ok(None)),
            None => Ok(None),
        }
    }

    /// The next batch.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<TaskSpec>, SubmitError>> {
        self.batches.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Input, TaskFlags};
    use super::*;

    fn source(text: &str) -> (tempfile::TempDir, ReadAhead) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("specs");
        std::fs::write(&path, text).unwrap();
        let input = Input::from(path);
        (
            folder,
            read_ahead(Source::json_lines(&TaskFlags::default(), input)),
        )
    }

    #[tokio::test]
    async fn a_bad_line_is_known_before_anything_is_submitted() {
        let (_folder, mut batches) = source("{\"group\":\"g\"}\n{}\n");
        assert!(batches.count().await.is_err());
        assert!(batches.next().await.is_none());
    }

    #[tokio::test]
    async fn everything_is_counted_and_comes() {
        let (_folder, mut batches) = source(&"{\"group\":\"g\"}\n".repeat(40_001));
        assert_eq!(batches.count().await.unwrap(), Some(40_001));
        let mut sizes = Vec::new();
        while let Some(batch) = batches.next().await {
            sizes.push(batch.unwrap().len());
        }
        assert_eq!(sizes, [40_000, 1]);
    }
}
