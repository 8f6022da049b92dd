//! What fuzzing has kept: every input goes through the check of its target.

#[allow(clippy::disallowed_methods, reason = "the test reads its inputs")]
#[path = "../../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/checks/definition.rs"]
mod definition;
#[path = "../../../fuzz/checks/expression.rs"]
mod expression;

#[test]
fn kept_inputs_of_definition() {
    corpus::replay("definition", definition::check);
}

#[test]
fn kept_inputs_of_expression() {
    corpus::replay("expression", expression::check);
}
