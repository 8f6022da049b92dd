//! The signs of the states.

use crate::canvas::Canvas;
use crate::line::Colour;
use crate::picture::StepState;

/// One column wide.
pub(crate) fn glyph(state: StepState, canvas: &Canvas) -> char {
    let (drawn, ascii) = match state {
        StepState::Blocked => ('○', 'o'),
        StepState::Scheduled => ('◔', 't'),
        StepState::Queued => ('◎', '='),
        StepState::Running => ('●', '>'),
        StepState::Succeeded => ('✔', '*'),
        StepState::Failed => ('✘', 'X'),
        StepState::Cancelled => ('⊘', '/'),
        StepState::Skipped => ('⊖', '_'),
    };
    if canvas.ascii { ascii } else { drawn }
}

pub(crate) fn colour(state: StepState) -> Colour {
    match state {
        StepState::Blocked | StepState::Skipped => Colour::Grey,
        StepState::Scheduled => Colour::Blue,
        StepState::Queued => Colour::Yellow,
        StepState::Running => Colour::Cyan,
        StepState::Succeeded => Colour::Green,
        StepState::Failed => Colour::Red,
        StepState::Cancelled => Colour::Magenta,
    }
}
