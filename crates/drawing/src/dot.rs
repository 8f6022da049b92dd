//! The graph for Graphviz.

use std::fmt::Write;

use crate::line::clean;
use crate::picture::{Edge, Picture, StepState};

/// The run's graph in the DOT language: states as colours, edges on another condition than success
/// dashed and labelled. Every step is in it, however many there are.
///
/// Nodes are called `s0`, `s1` and so on; ids are labels, escaped as Graphviz reads them.
pub fn dot(picture: &Picture) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, picture);
    text
}

fn write(text: &mut String, picture: &Picture) -> std::fmt::Result {
    let title = format!("{} {}", picture.workflow, picture.run);
    writeln!(text, "digraph {} {{", quoted(&title))?;
    writeln!(text, "  rankdir=LR;")?;
    writeln!(
        text,
        "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];"
    )?;
    for (place, step) in picture.steps.iter().enumerate() {
        let (label, colour) = (quoted(&step.id), fill(step.state));
        let state = step.state.name();
        writeln!(
            text,
            "  s{place} [label={label}, fillcolor=\"{colour}\", tooltip=\"{state}\"];"
        )?;
    }
    for (place, step) in picture.steps.iter().enumerate() {
        let known = step
            .after
            .iter()
            .filter(|(from, _)| *from < picture.steps.len());
        for (from, edge) in known {
            match edge {
                Edge::Success => writeln!(text, "  s{from} -> s{place};")?,
                Edge::Failure | Edge::Any => {
                    let name = edge.name();
                    writeln!(
                        text,
                        "  s{from} -> s{place} [style=dashed, label=\"{name}\"];"
                    )?;
                }
            }
        }
    }
    writeln!(text, "}}")
}

/// A text as Graphviz reads it back: in a label a backslash begins an escape, and `&` an entity.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '&' => quoted.push_str("&amp;"),
            letter => quoted.push_str(&clean(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    quoted.push('"');
    quoted
}

/// Light enough that black text is read on it.
pub(crate) fn fill(state: StepState) -> &'static str {
    match state {
        StepState::Blocked => "#eeeeee",
        StepState::Scheduled => "#cfe2ff",
        StepState::Queued => "#fff3cd",
        StepState::Running => "#9eeaf9",
        StepState::Succeeded => "#b7e4c7",
        StepState::Failed => "#f5b5b5",
        StepState::Cancelled => "#e2c6f0",
        StepState::Skipped => "#d6d6d6",
    }
}
