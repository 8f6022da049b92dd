//! What fuzzing has kept: every input goes through the check of its target.

#[path = "../../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/checks/template.rs"]
mod template;

#[test]
fn kept_inputs_of_template() {
    corpus::replay("template", template::check);
}
