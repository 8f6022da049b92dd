//! What fuzzing has kept: every input goes through the check of its target.

#[path = "../../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/checks/record.rs"]
mod record;
#[path = "../../../fuzz/checks/replay.rs"]
mod replay;
#[path = "../../../fuzz/checks/row.rs"]
mod row;
#[path = "../../../fuzz/checks/state_entries.rs"]
mod state_entries;
#[path = "../../../fuzz/checks/submit_request.rs"]
mod submit_request;
#[path = "../../../fuzz/checks/worker_frame.rs"]
mod worker_frame;

#[test]
fn kept_inputs_of_record() {
    corpus::replay("record", record::check);
}

#[test]
fn kept_inputs_of_replay() {
    corpus::replay("replay", replay::check);
}

#[test]
fn kept_inputs_of_row() {
    corpus::replay("row", row::check);
}

#[test]
fn kept_inputs_of_state_entries() {
    corpus::replay("state_entries", state_entries::check);
}

#[test]
fn kept_inputs_of_submit_request() {
    corpus::replay("submit_request", submit_request::check);
}

#[test]
fn kept_inputs_of_worker_frame() {
    corpus::replay("worker_frame", worker_frame::check);
}
