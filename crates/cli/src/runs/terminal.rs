//! The terminal that a drawing goes to.

use std::io::{IsTerminal, stdout};

use capataz_drawing::Canvas;

use crate::talk::colors;

/// Columns where there is no terminal to ask: what fits a page.
const COLUMNS: usize = 100;

/// Lines of a terminal that does not say how many it has.
const LINES: usize = 24;

/// What stdout can show. Without a terminal there are as many lines as the `steps` need.
pub(crate) fn canvas(steps: usize) -> Canvas {
    let size = rustix::termios::tcgetwinsize(stdout()).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    let (width, lines) = match size {
        Some(size) => (size.ws_col.into(), size.ws_row.into()),
        None => (COLUMNS, LINES),
    };
    let height = match stdout().is_terminal() {
        true => lines,
        false => all_lines(steps),
    };
    Canvas {
        colour: colors(&stdout()),
        ascii: !speaks_utf8(|name| std::env::var(name).ok()),
        ..Canvas::new(width, height)
    }
}

/// The lines that a drawing of so many steps has at most: one each, a header, an axis, remarks.
pub(crate) fn all_lines(steps: usize) -> usize {
    steps + 5
}

/// Whether the language settings name UTF-8; those that say nothing are taken to.
fn speaks_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = names
        .iter()
        .filter_map(|name| variable(name))
        .find(|value| !value.is_empty());
    set.is_none_or(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_setting_decides() {
        let speaks = |all: &'static str, lang: &'static str| {
            speaks_utf8(move |name| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LANG" => Some(lang.to_owned()),
                _ => None,
            })
        };
        assert!(speaks("", "en_US.UTF-8"));
        assert!(!speaks("C", "en_US.UTF-8"));
        assert!(speaks("", ""));
    }
}
