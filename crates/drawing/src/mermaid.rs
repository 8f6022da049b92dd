//! The graph as a Mermaid flowchart, which many web pages draw from a code block.

use std::fmt::Write;

use crate::dot::fill;
use crate::line::clean;
use crate::picture::{Edge, Picture, StepState};

/// The run's graph as a Mermaid flowchart: states as colours, edges on another condition than
/// success dashed and labelled. Every step is in it; Mermaid itself draws no more than 500 edges
/// unless it is told to.
pub fn mermaid(picture: &Picture) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, picture);
    text
}

fn write(text: &mut String, picture: &Picture) -> std::fmt::Result {
    writeln!(text, "flowchart LR")?;
    for (place, step) in picture.steps.iter().enumerate() {
        let (label, state) = (escaped(&step.id), step.state.name());
        writeln!(text, "  s{place}[\"{label}\"]:::{state}")?;
    }
    for (place, step) in picture.steps.iter().enumerate() {
        let known = step
            .after
            .iter()
            .filter(|(from, _)| *from < picture.steps.len());
        for (from, edge) in known {
            match edge {
                Edge::Success => writeln!(text, "  s{from} --> s{place}")?,
                Edge::Failure | Edge::Any => {
                    writeln!(text, "  s{from} -. {} .-> s{place}", edge.name())?;
                }
            }
        }
    }
    for state in StepState::ALL {
        let (name, colour) = (state.name(), fill(state));
        writeln!(text, "  classDef {name} fill:{colour},color:#000")?;
    }
    Ok(())
}

/// A text inside quotes: whatever Mermaid or HTML may take for its own becomes a character's code.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\n' => escaped.push_str("<br/>"),
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' | '%' | '{' | '}' => {
                escaped.push_str(&format!("#{};", u32::from(letter)));
            }
            letter => escaped.push_str(&clean(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    escaped
}
