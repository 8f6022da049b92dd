//! What must be before what: an expression reads outputs of steps before its own only, and the
//! message is altered by one step at a time.
//!
//! Whether a step is before another is asked for many pairs at once: 64 steps are followed through
//! the graph together, a bit for each, so that the worst document costs well under a second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::graph::Graph;
use super::programs::Programs;
use crate::definition::{Definition, StepDefinition};
use crate::document::Path;
use crate::expression::Site;
use crate::nearest;
use crate::refusal::{Flaws, Reason};

/// Steps that are followed through the graph at once.
const TOGETHER: usize = u64::BITS as usize;

pub(super) fn check(
    definition: &Definition,
    graph: &Graph,
    programs: &[Programs],
    flaws: &mut Flaws<'_>,
) {
    check_references(definition, graph, programs, flaws);
    check_message(definition, graph, programs, flaws);
}

fn check_references(
    definition: &Definition,
    graph: &Graph,
    programs: &[Programs],
    flaws: &mut Flaws<'_>,
) {
    // For each step that is referred to and not directly before: who refers to it, and where.
    let mut distant: BTreeMap<usize, Vec<(usize, &Site)>> = BTreeMap::new();
    for (step, programs) in programs.iter().enumerate() {
        let direct: BTreeSet<usize> = graph.before[step].iter().map(|edge| edge.0).collect();
        for site in &programs.sites {
            let uses = &site.expression.uses;
            for output in &uses.outputs {
                check_output(definition, step, *output, site, flaws);
            }
            let states = uses.states.difference(&uses.outputs);
            for target in uses.outputs.iter().chain(states) {
                if *target != step && !direct.contains(target) {
                    distant.entry(*target).or_default().push((step, site));
                }
            }
        }
    }
    let targets = distant.keys().copied().collect::<Vec<_>>();
    for targets in targets.chunks(TOGETHER) {
        let reached = reach(&graph.order, targets, |step| {
            graph.before[step].iter().map(|edge| edge.0)
        });
        for (bit, target) in targets.iter().enumerate() {
            for (step, site) in &distant[target] {
                if reached[*step] & (1 << bit) == 0 {
                    let name = nearest::shorten(&definition.steps[*target].id);
                    let hint = Some(format!("add {name:?} to `after`, here or further up"));
                    flaws.at_site(site, Reason::NotBefore { name }, hint);
                }
            }
        }
    }
}

/// What is evaluated for the run as a whole, once all steps are over.
pub(super) fn check_run(definition: &Definition, sites: &[Arc<Site>], flaws: &mut Flaws<'_>) {
    for site in sites {
        for output in &site.expression.uses.outputs {
            check_has_output(definition, *output, site, flaws);
        }
    }
}

fn check_output(
    definition: &Definition,
    step: usize,
    output: usize,
    site: &Site,
    flaws: &mut Flaws<'_>,
) {
    match step == output {
        true => flaws.at_site(site, Reason::Itself, None),
        false => check_has_output(definition, output, site, flaws),
    }
}

fn check_has_output(definition: &Definition, step: usize, site: &Site, flaws: &mut Flaws<'_>) {
    let StepDefinition { id, noop, task, .. } = &definition.steps[step];
    let output = task.output.as_ref().or(definition.defaults.output.as_ref());
    let because = match output.map(String::as_str) {
        _ if *noop => "is a noop and has none",
        Some("none") => "has none, as it says (`output: none`)",
        _ => return,
    };
    let name = nearest::shorten(id);
    flaws.at_site(site, Reason::NoOutput { name, because }, None);
}

/// Who may touch the message at the same time as one who alters it.
fn check_message(
    definition: &Definition,
    graph: &Graph,
    programs: &[Programs],
    flaws: &mut Flaws<'_>,
) {
    let steps = definition.steps.iter().enumerate();
    let writers = steps.filter(|(_, step)| step.alters_message);
    let writers = writers.map(|(index, _)| index).collect::<Vec<_>>();
    if writers.is_empty() {
        return;
    }
    let reads = |step: usize| {
        let mut sites = programs[step].sites.iter();
        sites.any(|site| site.expression.uses.message)
    };
    let involved = |step: &usize| definition.steps[*step].alters_message || reads(*step);
    let involved = (0..programs.len()).filter(involved).collect::<Vec<_>>();
    let after = behind(graph);
    let backwards = graph.order.iter().rev().copied().collect::<Vec<_>>();
    for writers in writers.chunks(TOGETHER) {
        let before = reach(&graph.order, writers, |step| {
            graph.before[step].iter().map(|edge| edge.0)
        });
        let behind = reach(&backwards, writers, |step| after[step].iter().copied());
        for (bit, writer) in writers.iter().enumerate() {
            for step in &involved {
                let apart = (before[*step] | behind[*step]) & (1 << bit) != 0;
                let writes = definition.steps[*step].alters_message;
                // A pair of writers is reported once.
                if apart || step == writer || writes && step < writer {
                    continue;
                }
                let name = nearest::shorten(&definition.steps[*step].id);
                let path = Path::step(*writer);
                let path = path.field("alters_message");
                flaws.add(&path, Reason::Race { name, writes });
            }
        }
    }
}

/// The steps directly behind each step.
fn behind(graph: &Graph) -> Vec<Vec<usize>> {
    let mut behind = vec![Vec::new(); graph.before.len()];
    for (step, into) in graph.before.iter().enumerate() {
        for (from, _) in into {
            behind[*from].push(step);
        }
    }
    behind
}

/// For each step, which of at most 64 targets can be reached from it over `edges`; `order` has each
/// step after those that its edges lead to.
fn reach<I: Iterator<Item = usize>>(
    order: &[usize],
    targets: &[usize],
    edges: impl Fn(usize) -> I,
) -> Vec<u64> {
    let mut own = vec![0u64; order.len()];
    for (bit, target) in targets.iter().enumerate() {
        own[*target] |= 1 << bit;
    }
    let mut reached = vec![0u64; order.len()];
    for step in order {
        let masks = edges(*step).map(|from| reached[from] | own[from]);
        reached[*step] = masks.fold(0, |all, mask| all | mask);
    }
    reached
}
