//! The examples of the documentation are good, and its limits are the ones that hold.

use capataz_workflow::limits;

use super::parsed;

const FILE_PAGE: &str = include_str!("../../../../docs/reference/workflow-file.md");
const LANGUAGE_PAGE: &str = include_str!("../../../../docs/concepts/expressions.md");

#[test]
fn every_example_is_good() {
    let mut examples = 0;
    for page in [FILE_PAGE, LANGUAGE_PAGE] {
        for block in page.split("```yaml\n").skip(1) {
            let (example, _) = block.split_once("```").expect("the example ends");
            parsed(example);
            examples += 1;
        }
    }
    assert_eq!(examples, 3);
}

#[test]
fn the_pages_name_the_limits_that_hold() {
    let thousands = |n: usize| {
        let digits = n.to_string();
        let mut shown = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                shown.push(',');
            }
            shown.push(digit);
        }
        shown
    };
    let mib = |bytes: usize| format!("{} MiB", bytes / (1024 * 1024));
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    for (page, name, value) in [
        (FILE_PAGE, "bytes of a file", mib(limits::DEFINITION_BYTES)),
        (
            FILE_PAGE,
            "bytes that YAML aliases may add",
            mib(limits::ALIASED_BYTES),
        ),
        (FILE_PAGE, "steps", thousands(limits::STEPS)),
        (
            FILE_PAGE,
            "steps of the longest chain",
            thousands(limits::DEPTH),
        ),
        (FILE_PAGE, "edges", thousands(limits::EDGES)),
        (
            FILE_PAGE,
            "elements of a `for_each`",
            thousands(limits::FAN_OUT),
        ),
        (FILE_PAGE, "flaws that are listed", thousands(limits::FLAWS)),
        (
            LANGUAGE_PAGE,
            "bytes of an expression",
            kib(limits::EXPRESSION_BYTES),
        ),
        (
            LANGUAGE_PAGE,
            "parts in each other",
            thousands(limits::EXPRESSION_DEPTH),
        ),
        (
            LANGUAGE_PAGE,
            "fuel of one evaluation; all templates of one task are one",
            thousands(limits::FUEL as usize),
        ),
        (
            LANGUAGE_PAGE,
            "bytes of a text that is made",
            mib(limits::VALUE_BYTES),
        ),
        (
            LANGUAGE_PAGE,
            "compiled size of a regular expression",
            kib(limits::PATTERN_BYTES),
        ),
    ] {
        let row = format!("| {name} | {value} |");
        assert!(page.contains(&row), "no row {row:?}");
    }
}
