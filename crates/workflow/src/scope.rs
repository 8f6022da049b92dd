//! What a run lends to the evaluation of its expressions.

use std::borrow::Cow;

use serde_json::Value;

/// A run, as expressions see it. Only what an expression refers to is asked for.
pub trait Scope {
    /// The run's id.
    fn run_id(&self) -> &str;
    /// The version of the workflow that the run has pinned.
    fn version(&self) -> u64;
    /// The run's parameters, as [`crate::Workflow::parameters`] gave them.
    fn params(&self) -> &Value;
    /// The output of a step, by its place in [`crate::Workflow::steps`].
    fn output(&self, step: usize) -> Output<'_>;
    /// The state of a step, such as `succeeded`.
    fn state(&self, step: usize) -> &str;
    /// The run's message as it is for this step: JSON; none when it has none.
    fn message(&self) -> Option<Cow<'_, [u8]>>;
}

/// What is kept of a step's outputs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output<'a> {
    /// Nothing: it was not run, has failed, or its output was not kept.
    None,
    /// The output of a step.
    One(Cow<'a, [u8]>),
    /// The outputs of the elements of a `for_each`, in their order; none, which expressions see as
    /// `null`, for elements without one.
    Elements(Vec<Option<Cow<'a, [u8]>>>),
}
