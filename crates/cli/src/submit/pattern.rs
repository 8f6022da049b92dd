//! An argv with places for a line.

/// What a line takes the place of.
const PLACE: &str = "{}";

/// The argv with every `{}`, inside whichever argument, replaced by `line`. Nothing is split or
/// quoted: a line with spaces stays one argument. What the line itself has in braces stays.
pub(crate) fn fill(argv: &[String], line: &str) -> Vec<String> {
    argv.iter()
        .map(|argument| argument.replace(PLACE, line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(argv: &[&str], line: &str) -> Vec<String> {
        let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
        fill(&argv, line)
    }

    #[test]
    fn a_line_goes_to_every_place_in_any_argument() {
        assert_eq!(
            filled(&["cp", "{}", "out/{}.bak"], "a b"),
            ["cp", "a b", "out/a b.bak"]
        );
        assert_eq!(filled(&["{}{}"], "x"), ["xx"]);
    }

    #[test]
    fn without_a_place_the_argv_stays() {
        assert_eq!(filled(&["true", "{ }"], "x"), ["true", "{ }"]);
    }

    #[test]
    fn a_line_is_not_filled_itself() {
        assert_eq!(filled(&["echo", "{}"], "{}{}"), ["echo", "{}{}"]);
    }
}
