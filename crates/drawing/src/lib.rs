//! Draws a run of a workflow as text.
//!
//! | function | gives |
//! |---|---|
//! | [`dag`] | the live DAG for a terminal: one line per step, its edges as lanes |
//! | [`gantt`] | one bar per step on a time axis, the critical path marked |
//! | [`dot`] | a graph for Graphviz |
//! | [`mermaid`] | a flowchart for Mermaid |
//!
//! All take a [`Picture`], which is the run as it stands; the two for terminals take a [`Canvas`],
//! too, and never write a line wider or more lines than it has. A graph with more steps than there
//! are lines is folded: steps that stand at the same place become one line which counts them, and
//! what still finds no room is counted in a line of its own. No step is dropped in silence.
//!
//! Nothing in here reads a clock, a terminal or the environment, and nothing fails: a picture with
//! a cycle or an edge from nowhere is still drawn, without the edges that make no sense. Control
//! characters of names are shown as `\u{fffd}`, so that no name can steer a terminal.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(missing_docs)]

mod canvas;
mod critical;
mod dag;
mod dot;
mod duration;
mod fold;
mod gantt;
mod glyph;
mod graph;
mod header;
mod lanes;
mod line;
mod mermaid;
mod picture;
mod summary;
mod ticks;
mod window;

pub use canvas::Canvas;
pub use dag::dag;
pub use dot::dot;
pub use gantt::gantt;
pub use mermaid::mermaid;
pub use picture::{Edge, Elements, Picture, PictureStep, StepState};
