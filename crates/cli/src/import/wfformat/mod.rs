//! WfFormat: recorded executions of scientific workflows, as WfCommons publishes them.
//!
//! [`wfformat`] turns an instance into a definition whose steps take as long as the recorded tasks
//! did, at a chosen scale, in the same order. [`bound`] says how soon such a run can be over at best.
//!
//! What is taken over: the graph, the ids, the runtimes; name and program for people to read. What is
//! not: files, memory, cores, machines. Nothing of the recorded commands is ever run.

mod bound;
mod definition;
mod edges;
mod error;
mod instance;
mod replay;
#[cfg(test)]
mod tests;

pub(crate) use bound::bound;
pub(crate) use definition::wfformat;
pub(crate) use error::ImportError;
pub(crate) use replay::Replay;

/// How an instance is imported.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// What recorded runtimes are multiplied with; finite, not negative.
    pub(crate) time_scale: f64,
    /// How a step takes its time.
    pub(crate) replay: Replay,
    /// The group of all steps.
    pub(crate) group: String,
    /// What to do when only one of two tasks says that one comes after the other.
    pub(crate) one_sided: OneSided,
}

/// What to do when one task lists another as its parent or child, and that one, which lists others,
/// does not list it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneSided {
    /// The file contradicts itself and is refused.
    Refuse,
    /// The edge counts: nothing starts too early, perhaps something too late.
    Take,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            time_scale: 1.0,
            replay: Replay::Sleep,
            group: "default".to_owned(),
            one_sided: OneSided::Refuse,
        }
    }
}
