//! What fuzzing has kept: every input goes through the check of its target.

#[path = "../../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/checks/journal.rs"]
mod journal;

#[test]
fn kept_inputs_of_journal() {
    corpus::replay("journal", journal::check);
}
