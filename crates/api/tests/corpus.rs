//! What fuzzing has kept: every input goes through the check of its target.

#[path = "../../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/checks/request_json.rs"]
mod request_json;
#[path = "../../../fuzz/checks/task_json.rs"]
mod task_json;
#[path = "../../../fuzz/checks/task_spec.rs"]
mod task_spec;

#[test]
fn kept_inputs_of_request_json() {
    corpus::replay("request_json", request_json::check);
}

#[test]
fn kept_inputs_of_task_json() {
    corpus::replay("task_json", task_json::check);
}

#[test]
fn kept_inputs_of_task_spec() {
    corpus::replay("task_spec", task_spec::check);
}
