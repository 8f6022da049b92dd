//! Bodies of REST: what is accepted is accepted again as it is written, and means the same.

use capataz_api::rest;
use serde::Serialize;

/// A body's name, and what checks bytes that may be one.
type Check = (&'static str, fn(&[u8]));

/// Every body there is: a test compares them with those that the server takes.
pub(crate) const BODIES: [Check; 18] = [
    ("AddStepsRequest", check_body::<rest::AddStepsRequest>),
    ("AgainRequest", check_body::<rest::AgainRequest>),
    ("CancelRequest", check_body::<rest::CancelRequest>),
    ("CancelRunRequest", check_body::<rest::CancelRunRequest>),
    ("CompleteRequest", check_body::<rest::CompleteRequest>),
    ("DrainRequest", check_body::<rest::DrainRequest>),
    ("FailRequest", check_body::<rest::FailRequest>),
    ("GroupPatch", check_body::<rest::GroupPatch>),
    ("LeaseRequest", check_body::<rest::LeaseRequest>),
    ("NoBody", check_body::<rest::NoBody>),
    ("PodPatch", check_body::<rest::PodPatch>),
    ("RerunRequest", check_body::<rest::RerunRequest>),
    ("RunWaitRequest", check_body::<rest::RunWaitRequest>),
    ("StartRequest", check_body::<rest::StartRequest>),
    ("StartRunRequest", check_body::<rest::StartRunRequest>),
    ("StartRunsRequest", check_body::<rest::StartRunsRequest>),
    ("TokenRequest", check_body::<rest::TokenRequest>),
    ("WaitRequest", check_body::<rest::WaitRequest>),
];

pub(crate) fn check(bytes: &[u8]) {
    for (_, check) in BODIES {
        check(bytes);
    }
}

fn check_body<T>(bytes: &[u8])
where
    T: rest::Body + Serialize + PartialEq + std::fmt::Debug,
{
    match rest::parse_body::<T>(bytes) {
        Ok(body) => {
            let written = serde_json::to_vec(&body).expect("JSON");
            let again = rest::parse_body::<T>(&written).expect("what is written is accepted");
            assert_eq!(again, body);
        }
        Err(problem) => assert!(problem.kind().is_some(), "{problem:?}"),
    }
}
