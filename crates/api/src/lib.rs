//! The wire contract: what clients, workers and masters say to each other, its limits, and the
//! client that says it.

pub mod limits;
pub mod proto;
