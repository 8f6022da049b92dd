//! The live DAG: one line per step, its edges as lanes at the left.

use crate::canvas::Canvas;
use crate::duration;
use crate::fold::folded;
use crate::glyph::{colour, glyph};
use crate::header::write_header;
use crate::lanes::{Cell, Row, rows};
use crate::line::{Colour, Line, width};
use crate::picture::{Edge, Picture, PictureStep, StepState};
use crate::summary::Summary;
use crate::window::{window, write_left_out};

/// Columns of the longest state's name.
const STATE_COLUMNS: usize = 9;
/// The lanes get one part of so many of a line, each two columns: more of them say less than names.
const PART_FOR_LANES: usize = 3;
/// Of what is left of the lanes, names get so many percent at most: what a step waits for must fit,
/// too.
const NAME_PERCENT: usize = 40;
/// Names are not cut below so many columns for the sake of remarks.
const NAME_COLUMNS_MIN: usize = 8;
/// Things waited for that are named one by one.
const WAITS_NAMED: usize = 3;

/// Draws the run as a graph for a terminal: a header, then one line per step, each below all that
/// it comes after.
///
/// A step's line has its lane with the sign of its state, its id, its state, how long it has run,
/// and what there is to remark: what it waits for, who runs it, how far a fan-out is, why it ended
/// as it did. Lines lead down from a step to what comes after it; several that lead to the same
/// step share a lane.
///
/// ```
/// use capataz_drawing::{Canvas, Edge, Picture, PictureStep, dag};
///
/// let step = |id: &str, after| PictureStep { id: id.to_owned(), after, ..PictureStep::default() };
/// let steps = vec![step("fetch", vec![]), step("load", vec![(0, Edge::Success)])];
/// let picture = Picture { workflow: "etl".to_owned(), steps, ..Picture::default() };
/// let drawing = dag(&picture, &Canvas::new(60, 20));
/// assert!(drawing.lines().nth(1).is_some_and(|line| line.starts_with("○  fetch")));
/// ```
pub fn dag(picture: &Picture, canvas: &Canvas) -> String {
    let mut drawing = String::new();
    write_header(&mut drawing, canvas, picture);
    let lines = canvas.rows(1);
    let graph = folded(picture, lines);
    let order = graph.order();
    let shown = window(picture, &graph, &order, lines);
    let columns = (canvas.width / PART_FOR_LANES / 2).max(1);
    let rows = rows(&graph, &order, shown.clone(), columns);
    let summaries: Vec<_> = rows
        .iter()
        .map(|row| Summary::of(picture, &graph.nodes[row.node]))
        .collect();
    let layout = Layout::of(canvas, columns, &rows, &summaries);
    write_left_out(&mut drawing, canvas, picture, &graph, &order[..shown.start]);
    for (row, summary) in rows.iter().zip(&summaries) {
        let mut line = Line::new(canvas);
        draw_lanes(&mut line, canvas, &layout, row, summary.state);
        draw_words(&mut line, canvas, &layout, picture, summary);
        line.write_to(&mut drawing);
    }
    write_left_out(&mut drawing, canvas, picture, &graph, &order[shown.end..]);
    drawing
}

/// Where the parts of a line begin.
struct Layout {
    /// Lanes that are drawn.
    lanes: usize,
    /// Columns of all lanes, the one for what is clipped included.
    lane_columns: usize,
    name_columns: usize,
}

impl Layout {
    fn of(canvas: &Canvas, columns: usize, rows: &[Row], summaries: &[Summary]) -> Layout {
        let lanes = rows.iter().map(|row| row.cells.len()).max().unwrap_or(1);
        let clips = rows.iter().any(|row| row.clipped || row.column >= columns);
        let lane_columns = lanes * 2 + if clips { 2 } else { 0 } + 1;
        let room = canvas.width.saturating_sub(lane_columns) * NAME_PERCENT / 100;
        let longest = summaries.iter().map(|summary| width(&summary.label)).max();
        Layout {
            lanes,
            lane_columns,
            name_columns: longest.unwrap_or(0).min(room.max(NAME_COLUMNS_MIN)),
        }
    }
}

fn draw_lanes(line: &mut Line, canvas: &Canvas, layout: &Layout, row: &Row, state: StepState) {
    let sign = glyph(state, canvas).to_string();
    for (place, cell) in row.cells.iter().enumerate() {
        match place == row.column {
            true => line.coloured(colour(state), &sign),
            false => line.plain(crossing(*cell, canvas)),
        }
        line.plain(match (cell.right, canvas.ascii) {
            (false, _) => " ",
            (true, false) => "─",
            (true, true) => "-",
        });
    }
    line.pad_to(layout.lanes * 2);
    if row.column >= layout.lanes {
        line.coloured(colour(state), &sign);
    } else if row.clipped {
        line.coloured(Colour::Grey, &canvas.ellipsis().to_string());
    }
    line.pad_to(layout.lane_columns);
}

/// A cell of another lane: one that the node's edges join, open, or pass by.
fn crossing(cell: Cell, canvas: &Canvas) -> &'static str {
    let (drawn, ascii) = match (cell.joined, cell.up, cell.left, cell.right) {
        (true, true, true, true) => ("┼", "+"),
        (true, true, true, false) => ("┤", "+"),
        (true, true, false, _) => ("├", "+"),
        (true, false, true, true) => ("┬", "."),
        (true, false, true, false) => ("╮", "."),
        (true, false, false, _) => ("╭", "."),
        (false, ..) if cell.up || cell.down => ("│", "|"),
        (false, _, true, true) => ("─", "-"),
        (false, ..) => (" ", " "),
    };
    if canvas.ascii { ascii } else { drawn }
}

fn draw_words(
    line: &mut Line,
    canvas: &Canvas,
    layout: &Layout,
    picture: &Picture,
    summary: &Summary,
) {
    line.name(&summary.label, layout.name_columns);
    line.plain("  ");
    let end = line.width() + STATE_COLUMNS;
    line.coloured(colour(summary.state), summary.state.name());
    line.pad_to(end);
    let ran_for = summary.ran_for.map(duration::spoken).unwrap_or_default();
    line.plain(&format!(
        " {ran_for:>columns$}",
        columns = duration::COLUMNS
    ));
    let remarks = match summary.single {
        Some(step) => remarks(picture, step),
        None => vec![format!(
            "{} steps: {}",
            summary.counts.total(),
            summary.counts.spoken()
        )],
    };
    if !remarks.is_empty() {
        line.plain("  ");
        line.coloured(Colour::Grey, &remarks.join(canvas.separator()));
    }
}

/// What there is to say of a step beyond its state.
fn remarks(picture: &Picture, step: &PictureStep) -> Vec<String> {
    let mut remarks = Vec::new();
    if !step.reason.is_empty() {
        remarks.push(step.reason.clone());
    }
    if let Some(elements) = step.elements {
        let failed = match elements.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        remarks.push(format!(
            "{} of {} elements{failed}",
            elements.done, elements.total
        ));
    }
    match step.state {
        StepState::Running => {
            remarks.extend(step.worker.as_ref().map(|worker| format!("on {worker}")));
        }
        StepState::Queued => {
            let since = step.queued_at.map(|from| picture.now.saturating_sub(from));
            remarks.extend(since.map(|waited| format!("for {}", duration::spoken(waited))));
        }
        _ => {}
    }
    if !step.state.is_terminal() {
        remarks.extend(conditions(picture, step));
        remarks.extend(waits(&step.waits_for));
    }
    remarks
}

/// The edges on which something else than success is asked for.
fn conditions<'a>(
    picture: &'a Picture,
    step: &'a PictureStep,
) -> impl Iterator<Item = String> + 'a {
    let edges = step.after.iter().filter(|(_, edge)| *edge != Edge::Success);
    let edges = edges.filter_map(|(from, edge)| Some((&picture.steps.get(*from)?.id, edge)));
    edges.take(WAITS_NAMED).map(|(id, edge)| match edge {
        Edge::Failure => format!("if {id} fails"),
        Edge::Any | Edge::Success => format!("however {id} ends"),
    })
}

fn waits(waits_for: &[String]) -> Option<String> {
    let named = waits_for
        .iter()
        .take(WAITS_NAMED)
        .cloned()
        .collect::<Vec<_>>();
    match waits_for.len().saturating_sub(WAITS_NAMED) {
        _ if named.is_empty() => None,
        0 => Some(format!("waits for {}", named.join(", "))),
        more => Some(format!("waits for {} and {more} more", named.join(", "))),
    }
}
