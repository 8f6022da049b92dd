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
    /// The bug that was planted.
    pub mutant: Option<Mutant>,
    /// What was done.
    pub figures: Figures,
    /// The broken promise, if there is one.
    pub violation: Option<String>,
    /// A number that two whole traces share only if they are equal.
    pub trace_hash: u64,
    /// The lines of the trace that were kept.
    pub trace: Vec<String>,
}

impl Outcome {
    /// What somebody wants to know of a broken promise, if there is one: what happened before, what
    /// the world was like, what is wrong, and how to see it again.
    pub fn explain(&self) -> Option<String> {
        let violation = self.violation.as_ref()?;
        let trace = self.trace.join("\n");
        let (options, seed) = (&self.options, self.options.seed);
        let mutant = self.mutant.and_then(Mutant::name);
        let planted = mutant.map_or(String::new(), |name| format!(" --mutant {name}"));
        Some(format!(
            "{trace}\n{options:#?}\nseed {seed}: {violation}\n\
             again: cargo xtask sim --seeds 1 --seed {seed}{planted} --trace"
        ))
    }
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
        mutant,
        figures: world.figures,
        violation: world.violation,
        trace_hash: world.trace.hash(),
        trace: world.trace.lines(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_in_lines_that_can_be_read_and_how_to_see_it_again() {
        let mutant = Mutant::named("ack_before_sync");
        let report = run(1, mutant, false).explain().expect("a caught bug");
        let again = "again: cargo xtask sim --seeds 1 --seed 1 --mutant ack_before_sync --trace";
        assert_eq!(report.lines().last(), Some(again));
        for part in ["Options {", "seed: 1,", "seed 1: ", "VIOLATION: "] {
            assert!(report.contains(part), "{part} is missing in\n{report}");
        }
        let trace = report.split("Options {").next().unwrap_or_default();
        assert!(trace.lines().all(|line| line.len() < 400), "{trace}");
        // An element of a task has the name that everybody knows it by.
        assert!(!report.contains("Key("), "{report}");
    }

    #[test]
    fn faults_name_those_they_happen_to() {
        let lines = run(3, None, true).trace;
        let faults = lines.iter().filter_map(|line| line.split_once(" fault: "));
        let faults: Vec<&str> = faults.map(|(_, fault)| fault).collect();
        assert_eq!(faults.iter().find(|fault| !fault.contains(" of ")), None);
        let of_workers = |fault: &&&str| ["worker", "host", "partition"].contains(&kind(fault));
        let of_workers: Vec<&&str> = faults.iter().filter(of_workers).collect();
        assert!(!of_workers.is_empty());
        assert!(of_workers.iter().all(|fault| fault.contains(" of w")));
    }

    /// The first word of a fault's name.
    fn kind(fault: &str) -> &str {
        fault.split('_').next().unwrap_or_default()
    }

    #[test]
    fn nothing_is_explained_where_nothing_failed() {
        assert_eq!(run(1, None, false).explain(), None);
    }
}
