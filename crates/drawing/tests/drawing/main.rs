//! Drawings of whole runs.

mod golden;
mod large;
mod pictures;
mod properties;
