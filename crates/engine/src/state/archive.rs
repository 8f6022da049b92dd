//! What the store keeps of a run that has ended, so that steps of it can run again.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::run::{Run, RunEntry, StepEntry};
use super::{Plan, Status};
use crate::run::RunId;

/// An ended run, whole.
#[derive(Serialize, Deserialize)]
pub(crate) struct Archive<'a> {
    /// The name of its workflow, which may have another number by then.
    workflow: Cow<'a, str>,
    run: RunEntry<'a>,
    steps: Vec<StepEntry>,
    /// Kept outputs, with step and element.
    outputs: Vec<(u32, u32, Bytes)>,
}

/// What an archive begins with.
#[derive(Deserialize)]
struct Head {
    _workflow: String,
    run: RunEntry<'static>,
}

/// The message that a run has left, from what was kept of it when it ended; empty without one.
/// `None` for what is no archive.
pub fn message_left(archive: &[u8]) -> Option<Bytes> {
    // Behind its head there are outputs, perhaps megabytes of them.
    let (head, _) = postcard::take_from_bytes::<Head>(archive).ok()?;
    Some(head.run.message)
}

impl Archive<'_> {
    /// Writes a run down; `None` never happens, as there is nothing in it that cannot be written.
    pub(crate) fn of(workflow: &str, run: &Run) -> Option<Vec<u8>> {
        let mut entry = run.entry();
        entry.own = Some(Cow::Borrowed(&run.plan.version));
        let chunks = (0..run.chunks()).filter_map(|chunk| run.step_entries(chunk));
        let outputs = run.steps.iter().enumerate().flat_map(|(number, step)| {
            let number = number as u32;
            let one = move |(element, value): (&u32, &Bytes)| (number, *element, value.clone());
            step.outputs.iter().map(one)
        });
        let archive = Archive {
            workflow: Cow::Borrowed(workflow),
            run: entry,
            steps: chunks.flatten().collect(),
            outputs: outputs.collect(),
        };
        postcard::to_stdvec(&archive).ok()
    }

    /// Reads a run back, with the name of its workflow.
    pub(crate) fn open(bytes: &[u8]) -> Option<(String, Run)> {
        let archive: Archive<'_> = postcard::from_bytes(bytes).ok()?;
        let plan = Plan::new(archive.run.own.as_deref()?.clone());
        let mut run = Run::restored(archive.run, plan);
        for (step, entry) in run.steps.iter_mut().zip(archive.steps) {
            entry.restore(step);
        }
        for (step, element, value) in archive.outputs {
            if let Some(step) = run.steps.get_mut(step as usize) {
                step.outputs.insert(element, value);
            }
        }
        run.recount();
        let is_over = |status| matches!(status, Status::Over(_));
        let over = run.steps.iter().all(|step| is_over(step.status));
        over.then(|| (archive.workflow.into_owned(), run))
    }
}

impl super::State {
    /// What is to be kept of a run that has ended, until it was handed to the store.
    pub fn run_archive(&self, run: RunId) -> Option<&[u8]> {
        self.runs.archives.get(&run).map(Vec::as_slice)
    }
}
