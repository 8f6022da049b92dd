//! Turns what other systems write into definitions of workflows.

pub(crate) mod wfformat;
