//! Runs and their workflows, as far as commands need more than one call: reading files and
//! parameters, waiting, drawing.

pub(crate) mod definition;
pub(crate) mod each_line;
pub(crate) mod message;
pub(crate) mod moment;
pub(crate) mod parameters;
pub(crate) mod picture;
pub(crate) mod terminal;
pub(crate) mod trail;
pub(crate) mod waiting;
pub(crate) mod watching;
