//! One seed after another.

use crate::figures::Figures;
use crate::mutant::Mutant;
use crate::options::Options;
use crate::world::World;

/// What a simulation came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it was like.
    pub options: Options,
    /// What was done.
    pub figures: Figures,
    /// The broken promise, if there is one.
    pub violation: Option<String>,
    /// A number that two traces share only if they are equal.
    pub trace_hash: u64,
    /// The last lines of the trace, or all of them.
    pub trace: Vec<String>,
}

/// Simulates one seed. `whole_trace` keeps every line of the trace, not only the last.
pub fn run(seed: u64, mutant: Option<Mutant>, whole_trace: bool) -> Outcome {
    let options = Options::draw(seed);
    let mut world = World::new(options.clone(), mutant, whole_trace);
    world.run();
    Outcome {
        options,
        figures: world.figures,
        violation: world.violation,
        trace_hash: world.trace.hash(),
        trace: world.trace.lines(),
    }
}
