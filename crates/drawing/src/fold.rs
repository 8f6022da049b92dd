//! Makes a large graph small: steps that stand at the same place become one line.

use std::collections::BTreeMap;

use crate::graph::{Graph, Node};
use crate::picture::{Edge, Picture};

/// Fewer alike steps than this stay apart: a line that counts two of them says less than the two.
const FOLD_AT_LEAST: usize = 3;

/// The graph with at most so many nodes, if folding can do that, and folded no more than needed:
/// first steps with the same parents and children, then those at the same stage whose ids differ
/// in digits only.
pub(crate) fn folded(picture: &Picture, lines: usize) -> Graph {
    let graph = Graph::of(picture);
    if graph.nodes.len() <= lines {
        return graph;
    }
    let graph = merged(&graph, &twins(&graph));
    if graph.nodes.len() <= lines {
        return graph;
    }
    merged(&graph, &stages(&graph, picture))
}

/// Numbers the distinct keys.
struct Numbered<K>(BTreeMap<K, usize>);

impl<K: Ord> Numbered<K> {
    fn number(&mut self, key: K) -> usize {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }
}

/// The same number for nodes with the same parents and the same children.
fn twins(graph: &Graph) -> Vec<usize> {
    let children = graph.children();
    let mut groups = Numbered(BTreeMap::new());
    let nodes = graph.nodes.iter().zip(&children);
    nodes
        .map(|(node, children)| groups.number((&node.after, children)))
        .collect()
}

/// The same number for nodes that are equally deep, come after the same groups, and are named
/// alike. As an edge always leads to a deeper group, groups form no cycle.
fn stages(graph: &Graph, picture: &Picture) -> Vec<usize> {
    let mut depths = vec![0; graph.nodes.len()];
    let mut group_of = vec![usize::MAX; graph.nodes.len()];
    let mut groups = Numbered(BTreeMap::new());
    for place in graph.order() {
        let node = &graph.nodes[place];
        let deeper = node.after.iter().map(|(from, _)| depths[*from] + 1);
        depths[place] = deeper.max().unwrap_or(0);
        let mut after: Vec<(usize, Edge)> = node.after.clone();
        for (from, _) in &mut after {
            *from = group_of[*from];
        }
        after.sort_unstable();
        after.dedup();
        let pattern = without_digits(&picture.steps[node.members[0]].id);
        group_of[place] = groups.number((depths[place], after, pattern));
    }
    group_of
}

/// Every run of digits as one `#`.
fn without_digits(id: &str) -> String {
    let mut pattern = String::with_capacity(id.len());
    for letter in id.chars() {
        match letter.is_ascii_digit() {
            true if pattern.ends_with('#') => {}
            true => pattern.push('#'),
            false => pattern.push(letter),
        }
    }
    pattern
}

/// Each group as one node, at the place of its first member; small groups stay apart.
fn merged(graph: &Graph, group_of: &[usize]) -> Graph {
    let mut sizes = vec![0_usize; graph.nodes.len()];
    for group in group_of {
        sizes[*group] += 1;
    }
    let mut node_of_group = vec![usize::MAX; graph.nodes.len()];
    let mut node_of = Vec::with_capacity(graph.nodes.len());
    let mut nodes: Vec<Node> = Vec::new();
    for (place, group) in group_of.iter().enumerate() {
        let known = node_of_group[*group];
        let node = if sizes[*group] >= FOLD_AT_LEAST && known != usize::MAX {
            known
        } else {
            nodes.push(Node {
                members: Vec::new(),
                after: Vec::new(),
            });
            nodes.len() - 1
        };
        node_of_group[*group] = node;
        node_of.push(node);
        nodes[node].members.extend(&graph.nodes[place].members);
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        let edges = node
            .after
            .iter()
            .map(|(from, edge)| (node_of[*from], *edge));
        nodes[node_of[place]].after.extend(edges);
    }
    for (place, node) in nodes.iter_mut().enumerate() {
        node.members.sort_unstable();
        node.after.retain(|(from, _)| *from != place);
        node.after.sort_unstable();
        node.after.dedup();
    }
    Graph { nodes }
}
