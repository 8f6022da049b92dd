//! Submitting tasks: one request at a time, or many in flight on one stream.

use std::pin::Pin;

use capataz_api::proto;
use capataz_engine::Ids;
use capataz_journal::Position;
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::{status, stopped, wire_problem};
use crate::convert::{self, ConvertError};
use crate::namespace::{Admission, Namespace};
use crate::owner::CallError;

/// Requests of one stream that are carried out at once.
const IN_FLIGHT: usize = 1_024;

/// Serves `capataz.v1.Tasks`.
pub(crate) struct TasksService {
    pub(crate) namespace: Namespace,
    pub(crate) stop: watch::Receiver<bool>,
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

/// Waits for the request's turn: what has not been admitted is not read any further.
async fn admit(
    namespace: &Namespace,
    request: &proto::SubmitRequest,
) -> Result<Admission, CallError> {
    let bytes = request.tasks.iter().map(bytes::Bytes::len).sum();
    namespace.admit(bytes).await
}

async fn submit(
    namespace: &Namespace,
    request: proto::SubmitRequest,
    admission: Result<Admission, CallError>,
) -> Result<proto::Submitted, SubmitError> {
    let admission = admission?;
    let submission = convert::submission(&request.request_id, request.tasks)?;
    let (ids, position) = namespace.submit_admitted(submission, admission).await?;
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
        let admission = admit(&self.namespace, &request).await;
        let submitted = submit(&self.namespace, request, admission)
            .await
            .map_err(|error| status(&error))?;
        let result = Some(proto::submit_reply::Result::Submitted(submitted));
        Ok(Response::new(proto::SubmitReply { sequence, result }))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<proto::SubmitRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let gate = self.namespace.clone();
        let namespace = self.namespace.clone();
        let replies = request
            .into_inner()
            .take_until(stopped(self.stop.clone()))
            .then(move |request| {
                let gate = gate.clone();
                async move {
                    let request = request?;
                    let admission = admit(&gate, &request).await;
                    Ok::<_, Status>((request, admission))
                }
            })
            .map(move |admitted| {
                let namespace = namespace.clone();
                async move {
                    let (request, admission) = admitted?;
                    let sequence = request.sequence;
                    let result = match submit(&namespace, request, admission).await {
                        Ok(submitted) => proto::submit_reply::Result::Submitted(submitted),
                        Err(error) => proto::submit_reply::Result::Problem(wire_problem(&error)),
                    };
                    let result = Some(result);
                    Ok(proto::SubmitReply { sequence, result })
                }
            })
            .buffer_unordered(IN_FLIGHT);
        Ok(Response::new(Box::pin(replies)))
    }
}
