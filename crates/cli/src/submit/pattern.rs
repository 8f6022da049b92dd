//! An argv with places for a line.

use capataz_api::limits::ARGUMENT_BYTES;

/// What a line takes the place of.
const PLACE: &str = "{}";

/// A filled argv that is longer than any task's may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the arguments take {got} bytes with the line in its places, over {ARGUMENT_BYTES}")]
pub(crate) struct TooLong {
    /// All arguments together, in bytes.
    pub(crate) got: usize,
}

/// The argv with every `{}`, inside whichever argument, replaced by `line`. Nothing is split or
/// quoted: a line with spaces stays one argument. What the line itself has in braces stays.
pub(crate) fn fill(argv: &[String], line: &str) -> Result<Vec<String>, TooLong> {
    // Counted before it is built: many places and a long line are more than there is memory.
    let lengths = argv.iter().map(|argument| filled_bytes(argument, line));
    let got = lengths.fold(0, usize::saturating_add);
    if got > ARGUMENT_BYTES {
        return Err(TooLong { got });
    }
    let arguments = argv.iter().map(|argument| argument.replace(PLACE, line));
    Ok(arguments.collect())
}

fn filled_bytes(argument: &str, line: &str) -> usize {
    let places = argument.matches(PLACE).count();
    let kept = argument.len() - places * PLACE.len();
    places.saturating_mul(line.len()).saturating_add(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(argv: &[&str], line: &str) -> Vec<String> {
        let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
        fill(&argv, line).expect("a short argv")
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

    #[test]
    fn a_long_line_in_many_places_is_refused_before_it_is_built() {
        let argv = ["true".to_owned(), PLACE.repeat(ARGUMENT_BYTES / 2)];
        let line = "x".repeat(1 << 20);
        let got = 4 + (ARGUMENT_BYTES / 2) * line.len();
        assert_eq!(fill(&argv, &line), Err(TooLong { got }));
        let argv = [PLACE.to_owned()];
        assert!(fill(&argv, &"x".repeat(ARGUMENT_BYTES)).is_ok());
    }
}
