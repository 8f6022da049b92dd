//! The edges of a graph as lanes: a column per step that is still to come.
//!
//! A lane leads down to one node. Every node that this one comes after joins its lane, so that a
//! fan-in of a hundred edges takes one column. A node takes its own lane over, or another one that
//! is free, for what comes after it.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::graph::Graph;

/// One line's part of the picture, as far as it is shown.
pub(crate) struct Row {
    pub(crate) node: usize,
    /// The node's own column.
    pub(crate) column: usize,
    /// For each shown column what runs through it.
    pub(crate) cells: Vec<Cell>,
    /// Whether something is beyond the shown columns.
    pub(crate) clipped: bool,
}

/// Where lines lead from the middle of a cell.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) up: bool,
    pub(crate) down: bool,
    pub(crate) left: bool,
    pub(crate) right: bool,
    /// The node's edges join or open this lane; else they pass it by.
    pub(crate) joined: bool,
}

/// The rows of `order` in `shown`, each with at most `columns` cells.
pub(crate) fn rows(
    graph: &Graph,
    order: &[usize],
    shown: Range<usize>,
    columns: usize,
) -> Vec<Row> {
    let mut lanes = Lanes::new(graph, order);
    let mut rows = Vec::with_capacity(shown.len());
    for (position, node) in order.iter().enumerate().take(shown.end) {
        if !shown.contains(&position) {
            lanes.pass(*node, position);
            continue;
        }
        let above = lanes.snapshot(columns);
        let (column, joined) = lanes.pass(*node, position);
        let below = lanes.snapshot(columns);
        rows.push(Row {
            node: *node,
            column,
            cells: cells(column, &joined, &above, &below, columns),
            clipped: lanes.taken.len() > columns,
        });
    }
    rows
}

struct Lanes {
    /// For each column the node that it leads to.
    taken: Vec<Option<usize>>,
    free: BTreeSet<usize>,
    /// The column of the node above when its lane ended there: a node that comes after nothing must
    /// not stand right below it, as if it came after it.
    ended: Option<usize>,
    /// For each node the column that leads to it.
    lane_of: Vec<Option<usize>>,
    /// For each node those after it, in the order in which they are drawn.
    children: Vec<Vec<usize>>,
    position_of: Vec<usize>,
}

impl Lanes {
    fn new(graph: &Graph, order: &[usize]) -> Lanes {
        let mut position_of = vec![0; order.len()];
        for (position, node) in order.iter().enumerate() {
            position_of[*node] = position;
        }
        let in_order = |edges: Vec<(usize, crate::Edge)>| {
            let mut children: Vec<usize> = edges.into_iter().map(|(child, _)| child).collect();
            children.sort_unstable_by_key(|child| position_of[*child]);
            children.dedup();
            children
        };
        Lanes {
            taken: Vec::new(),
            free: BTreeSet::new(),
            ended: None,
            lane_of: vec![None; order.len()],
            children: graph.children().into_iter().map(in_order).collect(),
            position_of,
        }
    }

    /// Draws one node: its column, and the columns that its edges join.
    fn pass(&mut self, node: usize, position: usize) -> (usize, Vec<usize>) {
        let column = self.lane_of[node].unwrap_or_else(|| self.begin(node));
        self.taken[column] = None;
        self.free.insert(column);
        let children = std::mem::take(&mut self.children[node]);
        let later = children
            .into_iter()
            .filter(|child| self.position_of[*child] > position);
        let later: Vec<usize> = later.collect();
        let mut joined = Vec::with_capacity(later.len());
        let mut own = Some(column);
        for child in later {
            let lane = match (self.lane_of[child], own) {
                (Some(lane), _) => lane,
                // The first goes straight on downwards.
                (None, Some(column)) => {
                    own = None;
                    self.take(column, child)
                }
                (None, None) => self.open(child),
            };
            joined.push(lane);
        }
        self.ended = own;
        self.trim();
        (column, joined)
    }

    /// Gives a node that comes after nothing a lane of its own.
    fn begin(&mut self, node: usize) -> usize {
        if self.ended == Some(self.taken.len()) {
            self.free.insert(self.taken.len());
            self.taken.push(None);
        }
        let lane = self
            .free
            .iter()
            .copied()
            .find(|lane| self.ended != Some(*lane));
        let lane = lane.unwrap_or(self.taken.len());
        if lane == self.taken.len() {
            self.taken.push(None);
        }
        self.take(lane, node)
    }

    /// Gives a node the leftmost free lane.
    fn open(&mut self, node: usize) -> usize {
        let lane = self.free.first().copied().unwrap_or(self.taken.len());
        if lane == self.taken.len() {
            self.taken.push(None);
        }
        self.take(lane, node)
    }

    fn take(&mut self, lane: usize, node: usize) -> usize {
        self.free.remove(&lane);
        self.taken[lane] = Some(node);
        self.lane_of[node] = Some(lane);
        lane
    }

    /// Forgets free lanes at the right end.
    fn trim(&mut self) {
        while self.taken.last().is_some_and(Option::is_none) {
            self.taken.pop();
            self.free.remove(&self.taken.len());
        }
    }

    /// Which of the first columns are taken.
    fn snapshot(&self, columns: usize) -> Vec<bool> {
        let first = self.taken.iter().take(columns);
        first.map(Option::is_some).collect()
    }
}

fn cells(
    column: usize,
    joined: &[usize],
    above: &[bool],
    below: &[bool],
    columns: usize,
) -> Vec<Cell> {
    let taken = |lanes: &[bool], place: usize| lanes.get(place).copied().unwrap_or(false);
    let left = joined.iter().copied().fold(column, usize::min);
    let right = joined.iter().copied().fold(column, usize::max);
    let is_joined: BTreeSet<usize> = joined.iter().copied().collect();
    let width = above.len().max(below.len()).max(right + 1).min(columns);
    let cell = |place| Cell {
        up: taken(above, place),
        down: taken(below, place),
        left: left < place && place <= right,
        right: left <= place && place < right,
        joined: is_joined.contains(&place),
    };
    (0..width).map(cell).collect()
}
