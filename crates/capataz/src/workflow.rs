//! What a workflow is: its document, built by a program or read from YAML or JSON.
//!
//! A [`Definition`] is the document, a [`Workflow`] a definition that has been checked. A master
//! checks each again, so a program needs [`Workflow`] only to learn of flaws before it starts a run.
//! What the fields mean: `docs/reference/workflow-file.md`.

pub use capataz_workflow::{
    After, Backoff, Definition, Flaw, ForEach, Join, On, OnConflict, Parameter, ParameterType,
    Reason, Refusal, Repeat, StepDefinition, TaskFields, Workflow,
};
