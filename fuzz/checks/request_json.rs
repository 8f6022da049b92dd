//! Bodies of REST: what is accepted is accepted again as it is written, and means the same.

use capataz_api::rest;
use serde::Serialize;

pub(crate) fn check(bytes: &[u8]) {
    check_body::<rest::LeaseRequest>(bytes);
    check_body::<rest::StartRequest>(bytes);
    check_body::<rest::CompleteRequest>(bytes);
    check_body::<rest::FailRequest>(bytes);
    check_body::<rest::AgainRequest>(bytes);
    check_body::<rest::NoBody>(bytes);
    check_body::<rest::CancelRequest>(bytes);
    check_body::<rest::WaitRequest>(bytes);
    check_body::<rest::GroupPatch>(bytes);
    check_body::<rest::PodPatch>(bytes);
    check_body::<rest::DrainRequest>(bytes);
    check_body::<rest::TokenRequest>(bytes);
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
