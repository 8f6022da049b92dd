//! The document of a workflow: what people and programs write. It is read and shown here, and
//! checked as a whole when it becomes a [`crate::Workflow`].

mod build;
mod build_step;
mod fields;
mod model;
mod read;
mod read_step;
mod reader;
mod schema;
mod step;

pub use fields::TaskFields;
pub use model::{Backoff, Definition, OnConflict, Parameter, ParameterType, Repeat};
pub use schema::schema;
pub use step::{After, ForEach, Join, On, StepDefinition};

pub(crate) use read::read;
pub(crate) use read_step::TASK_FIELDS;
