//! Tasks in JSON: what is accepted is within the limits, and is accepted again as it is shown.

use capataz_api::limits::{BATCH_TASKS, PAYLOAD_BYTES};
use capataz_api::problem::Problem;
use capataz_api::proto;
use capataz_api::spec::{self, SpecError, TaskSpec};

pub(crate) fn check(bytes: &[u8]) {
    let read = spec::parse_task(bytes, PAYLOAD_BYTES);
    check_read(read.map(|task| vec![task]));
    check_read(spec::parse_tasks(bytes, PAYLOAD_BYTES));
    check_read(spec::parse_lines(bytes, PAYLOAD_BYTES));
}

fn check_read(read: Result<Vec<proto::TaskSpec>, SpecError>) {
    match read {
        Ok(tasks) => {
            assert!((1..=BATCH_TASKS).contains(&tasks.len()));
            tasks.iter().for_each(check_task);
        }
        Err(error) => assert!(Problem::from(error).kind().is_some()),
    }
}

fn check_task(task: &proto::TaskSpec) {
    assert_eq!(spec::validate(task), Ok(()));
    assert_eq!(spec::decode(spec::encode(task)).as_ref(), Ok(task));
    let shown = serde_json::to_vec(&TaskSpec::from(task)).expect("JSON");
    let again = spec::parse_task(&shown, PAYLOAD_BYTES).expect("what is shown is accepted");
    assert_eq!(sorted(again), sorted(task.clone()), "{task:?}");
}

/// Without what may be spelled in several ways: the numbers in meta, and the order of secrets.
fn sorted(mut task: proto::TaskSpec) -> proto::TaskSpec {
    task.meta.clear();
    task.env_secret.sort_by(|a, b| a.name.cmp(&b.name));
    task
}
