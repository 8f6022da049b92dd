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

/// The server reads no JSON body but a `Body`, and all of them are made in one folder.
#[test]
fn request_json_checks_every_body() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rest");
    let mut made = Vec::new();
    for file in std::fs::read_dir(folder).expect("the bodies' folder") {
        let path = file.expect("a readable folder").path();
        let text = std::fs::read_to_string(path).expect("a readable source");
        let impls = text
            .lines()
            .filter_map(|line| line.strip_prefix("impl Body for "));
        made.extend(impls.filter_map(|rest| Some(rest.split_once(' ')?.0.to_owned())));
    }
    made.sort();
    assert_eq!(made, request_json::BODIES.map(|(name, _)| name));
}

#[test]
fn kept_inputs_of_task_json() {
    corpus::replay("task_json", task_json::check);
}

#[test]
fn kept_inputs_of_task_spec() {
    corpus::replay("task_spec", task_spec::check);
}
