//! The store against the real engine.

mod driver;
mod projecting;

pub(super) use driver::{Driver, TestStore};
