//! Which lines are shown when there are too many: those around where the run stands.

use std::ops::Range;

use crate::canvas::Canvas;
use crate::graph::Graph;
use crate::line::{Colour, Line};
use crate::picture::Picture;
use crate::summary::Counts;

/// How much of the window is left for what is over, as one part of so many: where the run has come
/// from matters less than where it goes.
const PART_FOR_THE_PAST: usize = 4;

/// The places of `order` to show on so many lines, two of which say what is left out.
pub(crate) fn window(
    picture: &Picture,
    graph: &Graph,
    order: &[usize],
    lines: usize,
) -> Range<usize> {
    if order.len() <= lines {
        return 0..order.len();
    }
    let shown = lines.saturating_sub(2).max(1);
    let is_over = |place: &usize| {
        let mut members = graph.nodes[*place].members.iter();
        members.all(|step| picture.steps[*step].state.is_terminal())
    };
    let past = order.iter().take_while(|place| is_over(place)).count();
    let from = past
        .saturating_sub(shown / PART_FOR_THE_PAST)
        .min(order.len() - shown);
    from..from + shown
}

/// A line that counts the steps of the nodes that are left out; none when there are none.
pub(crate) fn write_left_out(
    drawing: &mut String,
    canvas: &Canvas,
    picture: &Picture,
    graph: &Graph,
    left_out: &[usize],
) {
    if left_out.is_empty() {
        return;
    }
    let mut counts = Counts::default();
    for place in left_out {
        for step in &graph.nodes[*place].members {
            counts.add(picture.steps[*step].state);
        }
    }
    let mut line = Line::new(canvas);
    let text = format!(
        "{} {} more: {}",
        canvas.ellipsis(),
        counts.total(),
        counts.spoken()
    );
    line.coloured(Colour::Grey, &text);
    line.write_to(drawing);
}
