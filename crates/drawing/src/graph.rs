//! The steps as a graph that can be folded and brought into an order.

use crate::picture::{Edge, Picture};

/// A graph whose nodes stand for one or more steps each.
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
}

/// One line of a drawing.
pub(crate) struct Node {
    /// The steps it stands for, by their place in the picture, ascending; never empty.
    pub(crate) members: Vec<usize>,
    /// The nodes it comes after, ascending, each pair once.
    pub(crate) after: Vec<(usize, Edge)>,
}

impl Graph {
    /// One node per step. Edges from nowhere and from a step to itself are left out.
    pub(crate) fn of(picture: &Picture) -> Graph {
        let count = picture.steps.len();
        let nodes = picture.steps.iter().enumerate().map(|(place, step)| {
            let known = |(from, _): &(usize, Edge)| *from < count && *from != place;
            let mut after: Vec<_> = step.after.iter().copied().filter(known).collect();
            after.sort_unstable();
            after.dedup();
            Node {
                members: vec![place],
                after,
            }
        });
        Graph {
            nodes: nodes.collect(),
        }
    }

    /// For each node those that come after it, ascending, each pair once.
    pub(crate) fn children(&self) -> Vec<Vec<(usize, Edge)>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for (from, edge) in &node.after {
                children[*from].push((place, *edge));
            }
        }
        children
    }

    /// All nodes, each after those it comes after, branches kept together: what a node makes ready
    /// follows at once, so that few lanes are open at a time. Nodes of a cycle come last.
    pub(crate) fn order(&self) -> Vec<usize> {
        let children = self.children();
        let mut open: Vec<usize> = self.nodes.iter().map(|node| node.after.len()).collect();
        let roots = (0..self.nodes.len()).rev();
        let mut ready: Vec<usize> = roots.filter(|place| open[*place] == 0).collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(place) = ready.pop() {
            order.push(place);
            for (child, _) in children[place].iter().rev() {
                open[*child] -= 1;
                if open[*child] == 0 {
                    ready.push(*child);
                }
            }
        }
        order.extend((0..self.nodes.len()).filter(|place| open[*place] > 0));
        order
    }
}
