//! One line of a drawing: measured as a terminal shows it, cut at its width, coloured last.

use unicode_width::UnicodeWidthChar;

use crate::canvas::Canvas;

/// ANSI colours by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Magenta = 35,
    Cyan = 36,
    Grey = 90,
}

/// A line in the making. What it is given beyond its width is cut off; a part that is cut ends with
/// an ellipsis, and nothing follows it.
pub(crate) struct Line<'a> {
    canvas: &'a Canvas,
    text: String,
    width: usize,
    full: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn new(canvas: &'a Canvas) -> Line<'a> {
        Line {
            canvas,
            text: String::new(),
            width: 0,
            full: false,
        }
    }

    /// Columns taken so far.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn plain(&mut self, text: &str) {
        let room = self.canvas.width - self.width;
        let (cut, width) = fitted(text, room, self.canvas.ellipsis());
        if !self.full {
            self.full = cut != clean(text);
            self.text.push_str(&cut);
            self.width += width;
        }
    }

    pub(crate) fn coloured(&mut self, colour: Colour, text: &str) {
        if !self.canvas.colour {
            return self.plain(text);
        }
        self.text.push_str(&format!("\x1b[{}m", colour as u8));
        self.plain(text);
        self.text.push_str("\x1b[0m");
    }

    /// Spaces up to a column.
    pub(crate) fn pad_to(&mut self, column: usize) {
        if column > self.width {
            self.plain(&" ".repeat(column - self.width));
        }
    }

    /// A name in a field of so many columns, padded, or cut in its middle: names that are alike
    /// mostly differ at their ends.
    pub(crate) fn name(&mut self, name: &str, columns: usize) {
        let end = self.width + columns;
        self.plain(&shortened(name, columns, self.canvas.ellipsis()));
        self.pad_to(end);
    }

    /// Adds the line to a drawing, without blanks at its end.
    pub(crate) fn write_to(self, drawing: &mut String) {
        drawing.push_str(self.text.trim_end_matches(' '));
        drawing.push('\n');
    }
}

/// Columns that a text takes at most.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The text without what could steer a terminal or make its width a riddle: control characters,
/// marks that turn the direction of writing, and the selector that widens the character before it.
pub(crate) fn clean(text: &str) -> String {
    let shown = text.chars().filter(|letter| *letter != '\u{fe0f}');
    shown
        .map(|letter| match letter {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

fn columns(letter: char) -> usize {
    letter.width().unwrap_or(1)
}

/// The cleaned text, cut to so many columns with an ellipsis, and the columns it takes.
fn fitted(text: &str, room: usize, ellipsis: char) -> (String, usize) {
    let text = clean(text);
    let all = width(&text);
    if all <= room {
        return (text, all);
    }
    let mut cut = String::new();
    let mut taken = 0;
    for letter in text.chars() {
        if taken + columns(letter) + 1 > room {
            break;
        }
        taken += columns(letter);
        cut.push(letter);
    }
    if room > 0 {
        cut.push(ellipsis);
        taken += 1;
    }
    (cut, taken)
}

/// The cleaned name with an ellipsis in its middle, when it does not fit: a third of its head, two
/// thirds of its tail.
fn shortened(name: &str, room: usize, ellipsis: char) -> String {
    let name = clean(name);
    if width(&name) <= room || room == 0 {
        return fitted(&name, room, ellipsis).0;
    }
    let (head, _) = fitted(&name, (room - 1) / 3 + 1, ellipsis);
    let mut left = room - width(&head);
    let mut tail = Vec::new();
    for letter in name.chars().rev() {
        if columns(letter) > left {
            break;
        }
        left -= columns(letter);
        tail.push(letter);
    }
    head.chars().chain(tail.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize, text: &str) -> String {
        let canvas = Canvas::new(width, 10);
        let mut line = Line::new(&canvas);
        line.plain(text);
        line.plain(" and more");
        let mut drawing = String::new();
        line.write_to(&mut drawing);
        drawing
    }

    #[test]
    fn a_line_is_cut_once_and_shows_it() {
        assert_eq!(line(6, "measure"), "measu…\n");
        assert_eq!(line(7, "measure"), "measure\n");
        assert_eq!(line(16, "measure"), "measure and more\n");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(line(5, "測定する"), "測定…\n");
        assert_eq!(line(4, "測定する"), "測…\n");
    }

    #[test]
    fn names_keep_both_ends() {
        assert_eq!(shortened("mProject_ID0000001", 10, '…'), "mPr…000001");
        assert_eq!(
            shortened("mProject_ID0000001", 18, '…'),
            "mProject_ID0000001"
        );
        assert_eq!(shortened("測定する日本語", 6, '…'), "…本語");
        assert_eq!(shortened("abc", 1, '…'), "…");
        assert_eq!(shortened("abc", 0, '…'), "");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            clean("a\x1b[2J\nb\u{202e}"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}"
        );
    }
}
