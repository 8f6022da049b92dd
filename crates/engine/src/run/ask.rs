//! What may be asked of the engine about runs.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::RunId;
use crate::command::{Request, Submission};
use crate::workflow::Version;

/// A run to start.
#[derive(Clone, PartialEq, Debug)]
pub struct StartRun {
    /// Makes the call repeatable.
    pub request: Option<Request>,
    /// The name of its workflow.
    pub workflow: String,
    /// Which version it follows.
    pub version: Which,
    /// The run itself.
    pub run: NewRun,
    /// What happens when another run holds its conflict key: it waits, or it is refused.
    pub waits_for_conflict: bool,
}

/// Which version of a workflow a run follows.
#[derive(Clone, PartialEq, Debug)]
pub enum Which {
    /// The registered one; its number may be named to be sure.
    Registered(Option<u32>),
    /// The registered one, if it is still this: of whoever has worked out what follows from it. A
    /// number alone may stand for another, once the workflow was removed and put again.
    Known {
        /// Its number.
        number: u32,
        /// The hash of its definition.
        content: u128,
    },
    /// This one, registered or not.
    Given(Box<Version>),
}

/// A run, as it is recorded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NewRun {
    /// Its parameters, as JSON that the engine does not read.
    pub parameters: Bytes,
    /// Its message, as JSON that the engine does not read; empty without one.
    pub message: Bytes,
    /// Labels and whatever else only the store looks at.
    pub body: Bytes,
    /// The same key and content give the same run.
    pub key: Option<RunKey>,
    /// At most one run of its workflow with this text lives.
    pub conflict: Option<String>,
    /// Most urgent first among the runs of its workflow that wait.
    pub priority: u8,
    /// How long each step is expected to take, in milliseconds; empty when nothing is known. It
    /// orders the steps that are ready, and nothing else.
    pub expected: Vec<u32>,
    /// How many runs came before it by repetition.
    pub repetition: u32,
    /// The run that it repeats.
    pub previous: Option<RunId>,
}

/// A client's key for a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunKey {
    /// Hash of the workflow's name and the key.
    pub id: u128,
    /// Hash of what was asked under it.
    pub content: u128,
}

/// What came of working out what a step that is ready is to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Begin {
    /// Its task: a submission of one.
    Task(Submission),
    /// Nothing more: it is a noop whose condition said yes.
    Noop,
    /// Its condition said no.
    Skip,
    /// A fan-out over so many items.
    Fan {
        /// How many.
        count: u32,
        /// The items as a JSON list, unread by the engine.
        items: Bytes,
    },
    /// The next elements of a fan-out, in order.
    Elements(Submission),
    /// An expression or a template failed: the text says which, where and on what.
    Broken(String),
}

/// What comes of a run that succeeded.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Closing {
    /// What it returns, as JSON that the engine does not read; empty without a result.
    pub result: Bytes,
    /// The run that repeats it.
    pub successor: Option<Box<NewRun>>,
    /// What there is to say about it.
    pub note: String,
}

/// Steps of a run that are to run once more.
#[derive(Clone, PartialEq, Debug)]
pub struct Reopening {
    /// Which run.
    pub run: RunId,
    /// The run as it was kept when it ended; `None` for one that lives.
    pub archive: Option<Bytes>,
    /// The names of the steps to begin from; `None` for all that failed.
    pub steps: Option<Vec<String>>,
    /// Whether everything after them runs again, too.
    pub descendants: bool,
}
