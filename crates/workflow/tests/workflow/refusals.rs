//! What is refused, at which line, and how it is said: documents and their refusals are in
//! `refusals.txt`. `UPDATE_REFUSALS=1 cargo test -p capataz-workflow refusals` writes it down anew:
//! read the diff.

use std::path::Path;

use super::refused;

/// Stands between a document and its refusal.
const REFUSAL: &str = "----\n";
/// Stands after a refusal.
const NEXT: &str = "====\n";

#[test]
#[expect(clippy::disallowed_methods, reason = "the table lies beside this file")]
fn every_flaw_has_its_line_and_its_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflow/refusals.txt");
    let table = std::fs::read_to_string(&path).expect("the table is there");
    let mut written = String::new();
    for case in table.split_terminator(NEXT) {
        let (document, _) = case.split_once(REFUSAL).expect("a refusal");
        let refusal = refused(document.trim_end_matches('\n'));
        written += &format!("{document}{REFUSAL}{refusal}\n{NEXT}");
    }
    if update() {
        std::fs::write(&path, &written).expect("the table is written");
    } else {
        assert!(written == table, "expected:\n{table}\ngot:\n{written}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is told by it to write")]
fn update() -> bool {
    std::env::var("UPDATE_REFUSALS").is_ok_and(|value| value == "1")
}

#[test]
fn an_empty_text_is_refused() {
    let shown = refused("").to_string();
    assert_eq!(shown, "cannot be read: the document is empty");
}

#[test]
fn a_refusal_lists_a_hundred_flaws_and_counts_the_rest() {
    let mut text = String::from("name: w\nsteps:\n");
    for step in 0..150 {
        text += &format!("- {{id: s{step}, noop: true, after: gone}}\n");
    }
    let refusal = refused(&text);
    assert_eq!((refusal.flaws.len(), refusal.more), (100, 50));
    assert!(refusal.to_string().ends_with("\nand 50 more"));
}

#[test]
fn a_long_cycle_is_named_in_short() {
    let mut text = String::from("name: w\nsteps:\n- {id: s0, noop: true, after: s99}\n");
    for step in 1..100 {
        text += &format!("- {{id: s{step}, noop: true, after: s{}}}\n", step - 1);
    }
    let shown = refused(&text).to_string();
    assert!(
        shown.starts_with("line 3, column 31: steps[0].after[0] waits for itself: s0 -> s1"),
        "{shown}"
    );
    assert!(
        shown.contains("s9 -> ... -> s91") && shown.ends_with("s99 -> s0"),
        "{shown}"
    );
}
