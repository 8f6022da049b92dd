//! What a workflow *is*: its document, its graph, and its expressions.
//!
//! - A [`Definition`] is the document that people write as YAML or JSON, and programs build.
//! - A [`Workflow`] is a definition that has been checked: a graph of numbered steps, with compiled
//!   expressions. [`Workflow::parse`] reports every flaw of a text, with its line.
//! - A [`Scope`] is what a run lends to the evaluation of its expressions.
//!
//! This crate has no clock, no I/O, no threads and no randomness: the same document and the same
//! scope give the same result on every machine. It never runs anything, and knows neither the
//! engine nor the server.
//!
//! ```
//! use capataz_workflow::{Definition, Parameter, StepDefinition, Workflow};
//!
//! let definition = Definition::new("etl")
//!     .parameter("day", Parameter::text().default("2026-01-01"))
//!     .step(StepDefinition::new("list").group("etl").argv(["list-files", "${params.day}"]))
//!     .step(
//!         StepDefinition::new("load")
//!             .group("etl")
//!             .after("list")
//!             .for_each("outputs.list")
//!             .parallelism(10)
//!             .argv(["load", "${item}"]),
//!     )
//!     .step(StepDefinition::new("clean").group("etl").on_failure_of("load").argv(["clean"]));
//! let workflow = Workflow::from_definition(&definition)?;
//! assert_eq!(workflow.steps()[1].after, [(0, capataz_workflow::On::Success)]);
//! # Ok::<(), capataz_workflow::Refusal>(())
//! ```

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(missing_docs)]

pub mod limits;

mod checked;
mod compile;
mod definition;
mod document;
mod evaluation;
mod expression;
mod nearest;
mod parameters;
mod refusal;
mod scope;
mod workflow;

pub use checked::checked;
pub use compile::AddedSteps;
pub use definition::{
    After, Backoff, Definition, ForEach, Join, On, OnConflict, Parameter, ParameterType, Repeat,
    StepDefinition, TaskFields, schema,
};
pub use document::Place;
pub use evaluation::{EvaluationError, Inputs, TaskError};
pub use expression::{ExpressionFlaw, Problem};
pub use parameters::{ParameterFault, ParameterRefusal};
pub use refusal::{Flaw, Reason, Refusal};
pub use scope::{Output, Scope};
pub use workflow::{Hold, Kind, Step, Workflow};
