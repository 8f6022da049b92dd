//! The graph of the steps: edges to steps that exist, no cycle, no chain that is too long, no step
//! that can never run. Each check looks at every edge once.

use std::collections::BTreeMap;

use crate::definition::{Definition, Join, On, StepDefinition};
use crate::document::Path;
use crate::limits::{DEPTH, EDGES};
use crate::nearest;
use crate::refusal::{Flaws, Reason};

/// A step before another one, and how it must have ended.
pub(crate) type Edge = (usize, On);

/// A graph without cycles.
pub(super) struct Graph {
    /// The steps before each step.
    pub(super) before: Vec<Vec<Edge>>,
    /// All steps, each after all those before it.
    pub(super) order: Vec<usize>,
}

/// Builds the graph; none when it has a cycle or steps that do not exist.
pub(super) fn build(
    definition: &Definition,
    ids: &BTreeMap<&str, usize>,
    flaws: &mut Flaws<'_>,
) -> Option<Graph> {
    let before = edges(definition, ids, flaws)?;
    let order = order(&before);
    if order.len() < before.len() {
        report_cycles(definition, &before, &order, flaws);
        return None;
    }
    let graph = Graph { before, order };
    check_depth(&graph, flaws);
    check_reachable(definition, &graph, flaws);
    Some(graph)
}

/// The edges into each step; none when one of them leads nowhere.
fn edges(
    definition: &Definition,
    ids: &BTreeMap<&str, usize>,
    flaws: &mut Flaws<'_>,
) -> Option<Vec<Vec<Edge>>> {
    let mut before = Vec::with_capacity(definition.steps.len());
    let mut whole = true;
    let mut total = 0;
    for (index, step) in definition.steps.iter().enumerate() {
        let mut into = Vec::with_capacity(step.after.len());
        let path = Path::step(index);
        for (place, after) in step.after.iter().enumerate() {
            match ids.get(after.step.as_str()) {
                Some(from) => into.push((*from, after.on)),
                None => {
                    whole = false;
                    let hint = nearest::hint(&after.step, ids.keys().copied());
                    let name = nearest::shorten(&after.step);
                    let reason = Reason::UnknownStep { name };
                    flaws.hinted(&path.field("after").index(place), reason, hint);
                }
            }
        }
        report_twice(index, step, flaws);
        total += into.len();
        before.push(into);
    }
    if total > EDGES {
        let (limit, got, unit) = (EDGES, total, "edges");
        let path = Path::top("steps");
        flaws.add(&path, Reason::TooLarge { limit, got, unit });
        return None;
    }
    whole.then_some(before)
}

fn report_twice(index: usize, step: &StepDefinition, flaws: &mut Flaws<'_>) {
    let mut seen = BTreeMap::new();
    for (place, after) in step.after.iter().enumerate() {
        if let Some(first) = seen.insert(after.step.as_str(), after.on) {
            let name = nearest::shorten(&after.step);
            let differ = first != after.on;
            let hint = differ.then(|| "`on: any` takes it however it ended".to_owned());
            let path = Path::step(index);
            let path = path.field("after");
            flaws.hinted(&path.index(place), Reason::DuplicateEdge { name }, hint);
        }
    }
}

/// The steps in an order in which each comes after those before it; without those that are in a
/// cycle or behind one.
fn order(before: &[Vec<Edge>]) -> Vec<usize> {
    let mut after = vec![Vec::new(); before.len()];
    let mut waiting = Vec::with_capacity(before.len());
    for (step, into) in before.iter().enumerate() {
        waiting.push(into.len());
        for (from, _) in into {
            after[*from].push(step);
        }
    }
    let ready = (0..before.len()).filter(|step| waiting[*step] == 0);
    let mut order = ready.collect::<Vec<_>>();
    let mut next = 0;
    while let Some(step) = order.get(next).copied() {
        next += 1;
        for behind in &after[step] {
            waiting[*behind] -= 1;
            if waiting[*behind] == 0 {
                order.push(*behind);
            }
        }
    }
    order
}

/// Reports a cycle for each group of steps that wait for each other.
fn report_cycles(
    definition: &Definition,
    before: &[Vec<Edge>],
    order: &[usize],
    flaws: &mut Flaws<'_>,
) {
    let mut ordered = vec![false; before.len()];
    order.iter().for_each(|step| ordered[*step] = true);
    // On which walk a step was met first; 0 is none.
    let mut met = vec![0usize; before.len()];
    for start in 0..before.len() {
        let (mut step, mut walk) = (start, Vec::new());
        while !ordered[step] && met[step] == 0 {
            met[step] = start + 1;
            walk.push(step);
            // Every step that is left has one before it that is left, too.
            let left = before[step].iter().find(|(from, _)| !ordered[*from]);
            match left {
                Some((from, _)) => step = *from,
                None => break,
            }
        }
        if !ordered[step]
            && met[step] == start + 1
            && let Some(begin) = walk.iter().position(|met| *met == step)
        {
            report_cycle(definition, before, &walk[begin..], flaws);
        }
    }
}

/// Reports a cycle, given each step before the one that comes before it.
fn report_cycle(
    definition: &Definition,
    before: &[Vec<Edge>],
    cycle: &[usize],
    flaws: &mut Flaws<'_>,
) {
    /// Steps of a cycle that are named: enough to see it.
    const NAMED: usize = 20;
    let least = cycle.iter().enumerate().min_by_key(|(_, step)| **step);
    let Some((at, first)) = least else {
        return;
    };
    // From the least step in the order of execution, and back to it.
    let forward = cycle[..=at].iter().rev().chain(cycle[at..].iter().rev());
    let mut path = forward
        .map(|step| nearest::shorten(&definition.steps[*step].id))
        .collect::<Vec<_>>();
    if path.len() > NAMED {
        path.splice(NAMED / 2..path.len() - NAMED / 2, ["...".to_owned()]);
    }
    let waits_for = cycle[(at + 1) % cycle.len()];
    let edge = before[*first]
        .iter()
        .position(|(from, _)| *from == waits_for);
    let step = Path::step(*first);
    let place = step.field("after");
    flaws.add(&place.index(edge.unwrap_or(0)), Reason::Cycle { path });
}

fn check_depth(graph: &Graph, flaws: &mut Flaws<'_>) {
    let mut depth = vec![1usize; graph.before.len()];
    for step in &graph.order {
        let into = graph.before[*step].iter().map(|(from, _)| depth[*from] + 1);
        depth[*step] = into.max().unwrap_or(1);
        // The first that is too deep; all behind it are, too.
        if depth[*step] == DEPTH + 1 {
            let (limit, got) = (DEPTH, depth[*step]);
            flaws.add(&Path::step(*step), Reason::TooLong { limit, got });
            return;
        }
    }
}

/// Reports steps that no run can reach: they wait for a noop to fail, or for a step that cannot run
/// itself.
fn check_reachable(definition: &Definition, graph: &Graph, flaws: &mut Flaws<'_>) {
    let mut never = vec![false; graph.before.len()];
    for step in &graph.order {
        let impossible = |(from, on): &Edge| {
            let step = &definition.steps[*from];
            // With a `when`, its evaluation may fail.
            let cannot_fail = step.noop && step.when.is_none();
            *on != On::Any && never[*from] || *on == On::Failure && cannot_fail
        };
        let into = &graph.before[*step];
        let (blocked, by) = match definition.steps[*step].join {
            Join::All => (
                into.iter().any(impossible),
                into.iter().find(|e| impossible(e)),
            ),
            Join::Any => (
                !into.is_empty() && into.iter().all(impossible),
                into.first(),
            ),
        };
        if let (true, Some((from, on))) = (blocked, by) {
            let id = nearest::shorten(&definition.steps[*from].id);
            let because = match on {
                On::Failure if !never[*from] => {
                    format!("it waits for {id:?} to fail, which is a noop and cannot")
                }
                _ => format!("it waits for {id:?}, which can never run"),
            };
            never[*step] = true;
            flaws.add(&Path::step(*step), Reason::NeverRuns { because });
        }
    }
}
