//! The check of a task spec: what passes is encoded within its limit and can be shown.

use capataz_api::limits::{PAYLOAD_BYTES, PAYLOAD_BYTES_MAX};
use capataz_api::problem::Problem;
use capataz_api::spec::{self, TaskSpec};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(task) = spec::decode(bytes.to_vec().into()) else {
        return;
    };
    let encoded = spec::encode(&task);
    // A number of 32 bits that is below zero is read from five bytes or more, and always written as
    // ten.
    assert!(encoded.len() <= 2 * bytes.len(), "it grew to {encoded:?}");
    assert_eq!(spec::decode(encoded.clone()).as_ref(), Ok(&task));
    if let Err(error) = spec::validate(&task) {
        assert!(Problem::from(error).kind().is_some());
        return;
    }
    assert_eq!(spec::validate_within(&task, PAYLOAD_BYTES_MAX), Ok(()));
    assert!(encoded.len() <= 2 * PAYLOAD_BYTES);
    let shown = serde_json::to_vec(&TaskSpec::from(&task)).expect("JSON");
    let again: TaskSpec = serde_json::from_slice(&shown).expect("what is shown is read");
    assert_eq!(again.group, task.group);
    assert_eq!(again.timeout.map(|span| span.0), task.timeout_us);
    assert_eq!(again.run_at.map(|at| at.0), task.run_at_us);
}
