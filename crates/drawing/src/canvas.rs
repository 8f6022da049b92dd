//! What is drawn on.

/// The fewest lines that a drawing needs: a header, a time axis, what is left out above, a step,
/// what is left out below.
const HEIGHT_MIN: usize = 5;

/// A terminal's size and abilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Columns. No line is wider.
    pub width: usize,
    /// Lines. A drawing has no more, but never has to do with fewer than five.
    pub height: usize,
    /// Whether states are coloured with ANSI sequences.
    pub colour: bool,
    /// Whether to draw with ASCII characters only. Names stay as they are.
    pub ascii: bool,
}

impl Canvas {
    /// A canvas without colours, with box characters.
    pub fn new(width: usize, height: usize) -> Canvas {
        Canvas {
            width,
            height,
            colour: false,
            ascii: false,
        }
    }

    /// Lines for steps, below a heading of `heading` lines.
    pub(crate) fn rows(&self, heading: usize) -> usize {
        self.height.max(HEIGHT_MIN).saturating_sub(heading).max(1)
    }

    /// The sign that something was cut off.
    pub(crate) fn ellipsis(&self) -> char {
        if self.ascii { '~' } else { '…' }
    }

    /// What stands between two remarks.
    pub(crate) fn separator(&self) -> &'static str {
        if self.ascii { ", " } else { " · " }
    }
}
