//! Expressions and templates: the Common Expression Language, read by the `cel` crate and evaluated
//! here, with fuel.
//!
//! The evaluation is our own because it must be bounded, the same on every machine (no hash order),
//! and look into large outputs without copying them. It knows what JSON knows: null, booleans,
//! whole numbers, floating numbers, texts, lists and maps with texts as keys.

mod convert;
mod evaluate;
mod flaw;
mod functions;
mod loops;
mod lower;
mod operators;
mod parse;
mod problem;
mod refused;
mod template;
mod tree;
mod value;

pub use flaw::ExpressionFlaw;
pub use problem::Problem;

pub(crate) use evaluate::{Machine, Variables};
pub(crate) use lower::{Names, lower};
pub(crate) use template::{Failed, JsonTemplate, Part, Piece, Template, pieces};
pub(crate) use tree::{Expression, Site, Variable};
pub(crate) use value::Val;
