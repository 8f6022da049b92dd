//! A version of a workflow with what is derived from its graph. Shared by all runs of it.

use std::sync::Arc;

use crate::workflow::{Edge, Graph, Node, Version};

/// A version, ready to be followed.
pub(crate) struct Plan {
    pub(crate) version: Version,
    /// Where the children of each step begin in `children`; one more at the end.
    starts: Vec<u32>,
    /// For each step those that come after it, with the number of the edge in their list.
    children: Vec<(u32, u32)>,
    /// The steps, each before all that come after it. Shorter than the graph if that had a cycle,
    /// which whoever compiled it has excluded.
    pub(crate) order: Vec<u32>,
}

impl Plan {
    pub(crate) fn new(version: Version) -> Arc<Plan> {
        let graph = &version.graph;
        let count = graph.steps.len();
        let mut starts = vec![0_u32; count + 1];
        for edge in edges(graph) {
            starts[edge.step as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let mut children = vec![(0, 0); starts[count] as usize];
        let mut free = starts.clone();
        for (step, node) in graph.steps.iter().enumerate() {
            for (number, edge) in node.after.iter().enumerate() {
                let Some(place) = free.get_mut(edge.step as usize) else {
                    continue;
                };
                if let Some(child) = children.get_mut(*place as usize) {
                    *child = (step as u32, number as u32);
                    *place += 1;
                }
            }
        }
        let mut plan = Plan {
            version,
            starts,
            children,
            order: Vec::new(),
        };
        plan.order = plan.topological();
        Arc::new(plan)
    }

    pub(crate) fn len(&self) -> usize {
        self.version.graph.steps.len()
    }

    pub(crate) fn node(&self, step: u32) -> Option<&Node> {
        self.version.graph.steps.get(step as usize)
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.version.graph.steps
    }

    /// The steps that come right after one, with the number of the edge in each one's list.
    pub(crate) fn children(&self, step: u32) -> &[(u32, u32)] {
        let at = step as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(from), Some(to)) => &self.children[*from as usize..*to as usize],
            _ => &[],
        }
    }

    /// The number of a step.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let place = self.nodes().iter().position(|node| node.name == name)?;
        Some(place as u32)
    }

    /// For each step the time from its start to the end of the run along the longest path, when
    /// every step takes as long as expected. All zero when nothing is expected.
    pub(crate) fn ranks(&self, expected: &[u32]) -> Vec<u32> {
        let mut ranks = vec![0_u32; self.len()];
        if expected.iter().all(|span| *span == 0) {
            return ranks;
        }
        for step in self.order.iter().rev() {
            let children = self.children(*step).iter();
            let longest = children.map(|(child, _)| ranks[*child as usize]).max();
            let own = expected.get(*step as usize).copied().unwrap_or(0);
            ranks[*step as usize] = own.saturating_add(longest.unwrap_or(0));
        }
        ranks
    }

    /// All that come after the steps, themselves included.
    pub(crate) fn descendants(&self, steps: &[u32]) -> Vec<bool> {
        let mut reached = vec![false; self.len()];
        let mut left: Vec<u32> = steps.to_vec();
        while let Some(step) = left.pop() {
            let Some(seen) = reached.get_mut(step as usize) else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                left.extend(self.children(step).iter().map(|(child, _)| *child));
            }
        }
        reached
    }

    fn topological(&self) -> Vec<u32> {
        let nodes = self.nodes();
        let mut open: Vec<usize> = nodes.iter().map(|node| node.after.len()).collect();
        let mut order: Vec<u32> = Vec::with_capacity(nodes.len());
        order.extend((0..nodes.len() as u32).filter(|step| open[*step as usize] == 0));
        let mut at = 0;
        while let Some(step) = order.get(at).copied() {
            at += 1;
            for (child, _) in self.children(step) {
                open[*child as usize] -= 1;
                if open[*child as usize] == 0 {
                    order.push(*child);
                }
            }
        }
        order
    }
}

/// Edges that lead from a step of the graph.
fn edges(graph: &Graph) -> impl Iterator<Item = &Edge> {
    let count = graph.steps.len();
    let all = graph.steps.iter().flat_map(|node| &node.after);
    all.filter(move |edge| (edge.step as usize) < count)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::workflow::{Join, NodeKind, On, Settings};

    fn plan(after: &[&[u32]]) -> Arc<Plan> {
        let node = |(number, after): (usize, &&[u32])| Node {
            name: format!("s{number}"),
            after: after
                .iter()
                .map(|step| Edge {
                    step: *step,
                    on: On::Success,
                })
                .collect(),
            join: Join::All,
            kind: NodeKind::Task,
            conditional: false,
            allow_failure: false,
            keeps_output: false,
            alters_message: false,
            parallelism: None,
        };
        Plan::new(Version {
            content: 0,
            settings: Settings::default(),
            graph: Graph {
                steps: after.iter().enumerate().map(node).collect(),
            },
            definition: Bytes::new(),
        })
    }

    #[test]
    fn the_longest_path_counts() {
        let diamond = plan(&[&[], &[0], &[0], &[1, 2]]);
        assert_eq!(diamond.ranks(&[1, 10, 2, 5]), [16, 15, 7, 5]);
        assert_eq!(diamond.ranks(&[]), [0, 0, 0, 0]);
        assert_eq!(diamond.children(0), [(1, 0), (2, 0)]);
        assert_eq!(diamond.children(2), [(3, 1)]);
        assert_eq!(diamond.descendants(&[1]), [false, true, false, true]);
    }

    #[test]
    fn a_cycle_and_an_edge_to_nowhere_do_no_harm() {
        let bad = plan(&[&[1], &[0], &[7]]);
        assert_eq!(bad.ranks(&[1, 1, 1]), [0, 0, 0]);
        assert_eq!(bad.descendants(&[0]), [true, true, false]);
    }
}
