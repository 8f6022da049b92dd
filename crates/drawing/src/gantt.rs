//! When which step waited and ran: one bar per step on a time axis.

use crate::canvas::Canvas;
use crate::critical::critical_path;
use crate::duration;
use crate::fold::folded;
use crate::glyph::{colour, glyph};
use crate::graph::{Graph, Node};
use crate::header::{extent, write_header};
use crate::line::{Line, width};
use crate::picture::Picture;
use crate::summary::Summary;
use crate::ticks::Axis;
use crate::window::{window, write_left_out};

/// Names get one part of so many of a line.
const PART_FOR_NAMES: usize = 3;
/// Columns beside names and bars: the state's sign, the mark of the critical path, the duration.
const OTHER_COLUMNS: usize = 4 + 2 + duration::COLUMNS;

/// Draws when which step waited (dotted) and ran (filled), on a time axis that begins with the run.
///
/// Lines are in the order in which their bars begin. A step on the critical path, which is what the end
/// of the run hung on, has a mark before its bar. Steps that are folded into one line show whether
/// any of them ran, else whether any waited.
pub fn gantt(picture: &Picture, canvas: &Canvas) -> String {
    let mut drawing = String::new();
    write_header(&mut drawing, canvas, picture);
    let lines = canvas.rows(2);
    let graph = folded(picture, lines);
    let order = by_start(picture, &graph);
    let shown = window(picture, &graph, &order, lines);
    let nodes = order[shown.clone()]
        .iter()
        .map(|place| &graph.nodes[*place]);
    let summaries: Vec<_> = nodes
        .map(|node| (node, Summary::of(picture, node)))
        .collect();
    let longest = summaries
        .iter()
        .map(|(_, summary)| width(&name(summary)))
        .max();
    let name_columns = longest.unwrap_or(0).min(canvas.width / PART_FOR_NAMES);
    let (from, to) = extent(picture);
    let axis = Axis {
        from,
        length: (to - from).max(1),
        columns: canvas
            .width
            .saturating_sub(name_columns + OTHER_COLUMNS)
            .max(1),
    };
    let critical = critical_path(picture);
    write_axis(&mut drawing, canvas, name_columns, &axis);
    write_left_out(&mut drawing, canvas, picture, &graph, &order[..shown.start]);
    for (node, summary) in &summaries {
        let is_critical = node.members.iter().any(|step| critical[*step]);
        let mut line = Line::new(canvas);
        draw_name(&mut line, canvas, name_columns, summary, is_critical);
        line.coloured(colour(summary.state), &bar(picture, canvas, &axis, node));
        let ran_for = summary.ran_for.map(duration::spoken).unwrap_or_default();
        line.plain(&format!(
            " {ran_for:>columns$}",
            columns = duration::COLUMNS
        ));
        line.write_to(&mut drawing);
    }
    write_left_out(&mut drawing, canvas, picture, &graph, &order[shown.end..]);
    drawing
}

/// The nodes by the first moment at which one of their steps waited or ran; what did neither comes
/// last.
fn by_start(picture: &Picture, graph: &Graph) -> Vec<usize> {
    let begun = |place: &usize| {
        let steps = graph.nodes[*place]
            .members
            .iter()
            .map(|step| &picture.steps[*step]);
        let times = steps.map(|step| step.queued_at.or(step.started_at).unwrap_or(u64::MAX));
        times.min()
    };
    let mut order = graph.order();
    order.sort_by_cached_key(begun);
    order
}

fn write_axis(drawing: &mut String, canvas: &Canvas, name_columns: usize, axis: &Axis) {
    let mut line = Line::new(canvas);
    line.pad_to(name_columns + 4);
    line.plain(&axis.labels(if canvas.ascii { '|' } else { '╷' }));
    line.write_to(drawing);
}

fn draw_name(line: &mut Line, canvas: &Canvas, columns: usize, summary: &Summary, critical: bool) {
    let sign = glyph(summary.state, canvas).to_string();
    line.coloured(colour(summary.state), &sign);
    line.plain(" ");
    line.name(&name(summary), columns);
    line.plain(match (critical, canvas.ascii) {
        (false, _) => "  ",
        (true, false) => " ◆",
        (true, true) => " !",
    });
}

fn name(summary: &Summary) -> String {
    match summary.single {
        Some(_) => summary.label.clone(),
        None => format!("{} {} steps", summary.label, summary.counts.total()),
    }
}

/// What a column shows, by how many of the steps are doing what there.
#[derive(Clone, Copy, Default)]
struct Change {
    waiting: i64,
    running: i64,
}

fn bar(picture: &Picture, canvas: &Canvas, axis: &Axis, node: &Node) -> String {
    let mut changes = vec![Change::default(); axis.columns + 1];
    for place in &node.members {
        let step = &picture.steps[*place];
        let waits_until = step.started_at.or(step.finished_at).unwrap_or(picture.now);
        if let Some(from) = step.queued_at.or(step.started_at) {
            changes[axis.column(from)].waiting += 1;
            changes[axis.column(waits_until)].waiting -= 1;
        }
        if let Some(from) = step.started_at {
            let to = step.finished_at.unwrap_or(picture.now);
            changes[axis.column(from)].running += 1;
            // What ran for less than a column is seen, too.
            changes[axis.column(to) + 1].running -= 1;
        }
    }
    let mut sum = Change::default();
    let mut bar = String::new();
    for change in &changes[..axis.columns] {
        sum.waiting += change.waiting;
        sum.running += change.running;
        bar.push(match (sum.running > 0, sum.waiting > 0, canvas.ascii) {
            (true, _, false) => '█',
            (true, _, true) => '#',
            (false, true, false) => '·',
            (false, true, true) => '.',
            (false, false, _) => ' ',
        });
    }
    bar
}
