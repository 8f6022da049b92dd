//! One seed after another.

use crate::figures::Figures;
use crate::mutant::Mutant;
use crate::options::Options;
use crate::trace::Keep;
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
    /// A number that two whole traces share only if they are equal.
    pub trace_hash: u64,
    /// The lines of the trace that were kept.
    pub trace: Vec<String>,
}

/// Simulates one seed. `whole_trace` keeps every line of the trace; otherwise only a failure has one,
/// its last lines.
pub fn run(seed: u64, mutant: Option<Mutant>, whole_trace: bool) -> Outcome {
    if whole_trace {
        return simulate(seed, mutant, Keep::Whole);
    }
    let outcome = simulate(seed, mutant, Keep::Nothing);
    match outcome.violation {
        // The same again, so that there is something to read.
        Some(_) => simulate(seed, mutant, Keep::Last),
        None => outcome,
    }
}

fn simulate(seed: u64, mutant: Option<Mutant>, keep: Keep) -> Outcome {
    let options = Options::draw(seed);
    Mutant::plant(mutant);
    let mut world = World::new(options.clone(), mutant, keep);
    world.run();
    Mutant::plant(None);
    Outcome {
        options,
        figures: world.figures,
        violation: world.violation,
        trace_hash: world.trace.hash(),
        trace: world.trace.lines(),
    }
}
