//! What must hold whatever is asked of the engine: commands at random against a model, events at
//! random against `apply`, runs against their rules, and what affinity has to be worth.

mod affinity;
mod chance;
mod garbage;
mod model;
mod orders;
mod random;
mod runs;
mod states;
#[path = "../witness/mod.rs"]
mod witness;
