//! Submitting tasks: one request at a time, or many in flight on one stream.

use std::pin::Pin;

use capataz_api::proto;
use capataz_engine::Ids;
use capataz_journal::Position;
use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::{status, wire_problem};
use crate::convert::{self, ConvertError};
use crate::namespace::Namespace;
use crate::owner::CallError;

/// Requests of one stream that are carried out at once.
const IN_FLIGHT: usize = 1_024;

/// Serves `capataz.v1.Tasks`.
pub(crate) struct TasksService {
    pub(crate) namespace: Namespace,
}

#[derive(Debug, thiserror::Error)]
enum SubmitError {
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl crate::problem::ToProblem for SubmitError {
    fn to_problem(&self) -> capataz_api::problem::Problem {
        match self {
            SubmitError::Convert(error) => error.to_problem(),
            SubmitError::Call(error) => error.to_problem(),
        }
    }
}

async fn submit(
    namespace: &Namespace,
    request: proto::SubmitRequest,
) -> Result<proto::Submitted, SubmitError> {
    let bytes = request.tasks.iter().map(bytes::Bytes::len).sum();
    let now = crate::clock::wall();
    let submission = convert::submission(&request.request_id, request.tasks, now)?;
    let (ids, position) = namespace.submit(submission, bytes).await?;
    Ok(submitted(&ids, position))
}

fn submitted(ids: &Ids, position: Position) -> proto::Submitted {
    let mut submitted = proto::Submitted {
        position: position.get(),
        ..Default::default()
    };
    match ids {
        Ids::Range { first, count } => {
            submitted.first = first.0;
            submitted.count = *count;
        }
        Ids::List(ids) => submitted.ids = ids.iter().map(|id| id.0).collect(),
    }
    submitted
}

type Replies = Pin<Box<dyn Stream<Item = Result<proto::SubmitReply, Status>> + Send>>;

#[tonic::async_trait]
impl proto::tasks_server::Tasks for TasksService {
    type SubmitStreamStream = Replies;

    async fn submit(
        &self,
        request: Request<proto::SubmitRequest>,
    ) -> Result<Response<proto::SubmitReply>, Status> {
        let request = request.into_inner();
        let sequence = request.sequence;
        let submitted = submit(&self.namespace, request)
            .await
            .map_err(|error| status(&error))?;
        let result = Some(proto::submit_reply::Result::Submitted(submitted));
        Ok(Response::new(proto::SubmitReply { sequence, result }))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<proto::SubmitRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let namespace = self.namespace.clone();
        let replies = request
            .into_inner()
            .map(move |request| {
                let namespace = namespace.clone();
                async move {
                    let request = request?;
                    let sequence = request.sequence;
                    let result = match submit(&namespace, request).await {
                        Ok(submitted) => proto::submit_reply::Result::Submitted(submitted),
                        Err(error) => proto::submit_reply::Result::Problem(wire_problem(&error)),
                    };
                    Ok(proto::SubmitReply {
                        sequence,
                        result: Some(result),
                    })
                }
            })
            .buffer_unordered(IN_FLIGHT);
        Ok(Response::new(Box::pin(replies)))
    }
}
