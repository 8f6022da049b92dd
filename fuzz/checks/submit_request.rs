//! A submission over gRPC: what is accepted is within the limits, task by task, and every body
//! reads as what was accepted.

use capataz_api::{limits, proto, spec};
use capataz_server::convert;
use capataz_server::problem::ToProblem;
use prost::Message;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(request) = proto::SubmitRequest::decode(bytes) else {
        return;
    };
    assert_eq!(
        proto::SubmitRequest::decode(&request.encode_to_vec()[..]),
        Ok(request.clone())
    );
    let count = request.tasks.len();
    let submission = match convert::submission(&request.request_id, request.tasks) {
        Ok(submission) => submission,
        Err(error) => return assert!(error.to_problem().kind().is_some(), "{error}"),
    };
    assert!((1..=limits::BATCH_TASKS).contains(&count));
    assert_eq!(submission.tasks.len(), count);
    for task in submission.tasks {
        let group = &submission.groups[task.group as usize];
        assert!((task.policy as usize) < submission.policies.len());
        assert!(task.body.len() <= convert::BODY_BYTES);
        let spec = spec::decode(task.body).expect("an accepted body");
        assert_eq!(spec.group, *group);
        assert_eq!(spec.count, task.count);
        assert_eq!(spec::validate(&spec), Ok(()));
    }
}
