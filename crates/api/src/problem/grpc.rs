//! The same refusals over gRPC: as a message within a reply, or as the status of a call.

use bytes::Bytes;
use prost::Message;

use super::{Code, Problem};
use crate::proto;

impl From<Problem> for proto::Problem {
    fn from(problem: Problem) -> proto::Problem {
        let document = problem.into_document();
        proto::Problem {
            code: document.code,
            detail: document.detail,
            field: document.field.unwrap_or_default(),
            status: document.status.into(),
            limit: document.limit,
            got: document.got,
            hint: document.hint,
            retry_after_s: document.retry_after,
            task: document.task,
        }
    }
}

impl From<proto::Problem> for Problem {
    fn from(message: proto::Problem) -> Problem {
        let known = Code::from_wire(&message.code);
        let code = known.unwrap_or(Code::Internal);
        let mut problem = Problem::new(code, message.detail);
        if known.is_none() {
            problem.r#type = "about:blank".to_owned();
            problem.title = message.code.clone();
        }
        problem.status = u16::try_from(message.status).unwrap_or(code.status());
        problem.code = message.code;
        problem.field = Some(message.field).filter(|field| !field.is_empty());
        problem.limit = message.limit;
        problem.got = message.got;
        problem.hint = message.hint;
        problem.retry_after = message.retry_after_s;
        problem.task = message.task;
        problem
    }
}

impl From<Problem> for tonic::Status {
    /// The problem travels whole in the status's details.
    fn from(problem: Problem) -> tonic::Status {
        let code = match problem.status {
            401 => tonic::Code::Unauthenticated,
            403 | 421 => tonic::Code::PermissionDenied,
            404 => tonic::Code::NotFound,
            405 => tonic::Code::Unimplemented,
            409 => tonic::Code::FailedPrecondition,
            413 | 429 | 507 => tonic::Code::ResourceExhausted,
            400..=499 => tonic::Code::InvalidArgument,
            503 => tonic::Code::Unavailable,
            _ => tonic::Code::Internal,
        };
        let detail = problem.detail.clone();
        let message = proto::Problem::from(problem).encode_to_vec();
        tonic::Status::with_details(code, detail, Bytes::from(message))
    }
}

impl Problem {
    /// The problem in a status, when a master of ours sent it.
    pub fn from_status(status: &tonic::Status) -> Option<Problem> {
        let message = proto::Problem::decode(status.details()).ok()?;
        (!message.code.is_empty()).then(|| message.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_grpc() {
        for code in Code::ALL {
            let problem = Problem::new(*code, "because").field("f").retry_after(3);
            let status = tonic::Status::from(problem.clone());
            assert_eq!(Problem::from_status(&status), Some(problem));
        }
        let foreign = tonic::Status::internal("no problem inside");
        assert_eq!(Problem::from_status(&foreign), None);
    }

    #[test]
    fn a_code_of_a_later_version_keeps_its_name_and_status() {
        let message = proto::Problem {
            code: "brand_new".into(),
            status: 409,
            ..proto::Problem::default()
        };
        let problem = Problem::from(message);
        assert_eq!((problem.code.as_str(), problem.status), ("brand_new", 409));
        assert_eq!(problem.kind(), None);
    }
}
