//! The store against the real engine.

mod driver;
mod projecting;
mod random;
mod speed;
