//! A table for people: columns without lines between them, that `awk` can read too.

use unicode_width::UnicodeWidthStr;

/// Between two columns.
const GAP: &str = "  ";

/// Rows under headings, and sentences below them.
pub(crate) struct Sheet {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Sheet {
    /// A sheet without rows.
    pub(crate) fn new(headings: &[&str]) -> Sheet {
        Sheet {
            headings: headings.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A sheet of one thing: its fields, one a row, without headings.
    pub(crate) fn of_fields<const N: usize>(fields: [(&str, String); N]) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        for (name, value) in fields {
            sheet.field(name, value);
        }
        sheet
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a field, unless it is empty.
    pub(crate) fn field(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.rows.push(vec![name.to_owned(), value]);
        }
    }

    /// Adds a sentence below.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// The text, ending with a line feed.
    pub(crate) fn render(&self, color: bool) -> String {
        let mut text = if self.rows.is_empty() {
            "(none)\n".to_owned()
        } else {
            self.table(color)
        };
        for (place, note) in self.notes.iter().enumerate() {
            if place == 0 {
                text.push('\n');
            }
            text.push_str(&clean(note));
            text.push('\n');
        }
        text
    }

    fn table(&self, color: bool) -> String {
        let headings = Some(&self.headings).filter(|headings| !headings.is_empty());
        let rows: Vec<Vec<String>> = headings
            .into_iter()
            .chain(&self.rows)
            .map(|row| row.iter().map(|text| clean(text)).collect())
            .collect();
        let mut widths = Vec::new();
        for row in &rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, text) in widths.iter_mut().zip(row) {
                *width = text.width().max(*width);
            }
        }
        rows.iter().map(|row| line(row, &widths, color)).collect()
    }
}

fn line(row: &[String], widths: &[usize], color: bool) -> String {
    let mut line = String::new();
    for (place, (text, width)) in row.iter().zip(widths).enumerate() {
        if place > 0 {
            line.push_str(GAP);
        }
        match shade(text).filter(|_| color) {
            Some(code) => line.push_str(&format!("\x1b[{code}m{text}\x1b[0m")),
            None => line.push_str(text),
        }
        if place + 1 < row.len() {
            line.push_str(&" ".repeat(width - text.width()));
        }
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// The colour of a state, as a terminal's code; everything else is plain.
fn shade(text: &str) -> Option<u8> {
    match text {
        "succeeded" => Some(32),
        "failed" => Some(31),
        "running" => Some(36),
        "cancelled" | "skipped" => Some(90),
        _ => None,
    }
}

/// The text without control characters: what a task printed must not reach the terminal's
/// controls through a table.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            cleaned.extend(letter.escape_default());
        } else {
            cleaned.push(letter);
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_tasks_are_shown_and_not_obeyed() {
        let mut sheet = Sheet::new(&["OUTPUT"]);
        sheet.row(["\u{1b}[2Jgone\n".to_owned()]);
        assert_eq!(sheet.render(false), "OUTPUT\n\\u{1b}[2Jgone\\n\n");
    }

    #[test]
    fn a_state_is_coloured_without_moving_the_columns() {
        let mut sheet = Sheet::new(&[]);
        sheet.row(["failed".to_owned(), "x".to_owned()]);
        sheet.row(["succeeded".to_owned(), "y".to_owned()]);
        let lines = "\x1b[31mfailed\x1b[0m     x\n\x1b[32msucceeded\x1b[0m  y\n";
        assert_eq!(sheet.render(true), lines);
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let sheet = Sheet::of_fields([("id", "7".into()), ("reason", String::new())]);
        assert_eq!(sheet.render(false), "id  7\n");
    }
}
