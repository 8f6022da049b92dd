//! How a worker reaches its master: over the network, or within this process.

use capataz_api::problem::{Code, Problem};
use capataz_api::proto::{WorkerFrame, workers_client::WorkersClient};
use capataz_server::LocalService;
use capataz_worker::session::{Connect, Connecting, GrpcConnect, LinkError};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt;

/// Either way, one type.
pub(super) enum Way {
    Network(GrpcConnect),
    Local(LocalService),
}

impl Connect for Way {
    fn connect(&mut self, outgoing: mpsc::Receiver<WorkerFrame>) -> Connecting {
        match self {
            Way::Network(connect) => connect.connect(outgoing),
            Way::Local(service) => Box::pin(join(service.clone(), outgoing)),
        }
    }
}

/// The same call that a worker elsewhere makes, on the service itself. Frames are encoded and
/// decoded all the same: a limit that holds there holds here.
async fn join(
    mut service: LocalService,
    outgoing: mpsc::Receiver<WorkerFrame>,
) -> Result<capataz_worker::session::Incoming, LinkError> {
    let ready = ServiceExt::<http::Request<tonic::body::Body>>::ready(&mut service).await;
    ready.map_err(|closed| {
        // Not a loss that may pass: the session ends instead of trying for ever.
        let detail = format!("the master of this process does not answer any more: {closed}");
        LinkError::Refused(Problem::new(Code::NotFound, detail))
    })?;
    // A frame that this master made is never too large for a worker of the same process.
    let mut client = WorkersClient::new(service).max_decoding_message_size(usize::MAX);
    let joined = client.session(ReceiverStream::new(outgoing)).await;
    let frames = joined.map_err(refused)?.into_inner();
    Ok(frames.map(|frame| frame.map_err(refused)).boxed())
}

fn refused(status: tonic::Status) -> LinkError {
    let problem = Problem::from_status(&status);
    let invalid = || Problem::new(Code::InvalidField, status.message());
    let invalid = (status.code() == tonic::Code::InvalidArgument).then(invalid);
    match problem.or(invalid) {
        Some(problem) => LinkError::Refused(problem),
        None => LinkError::Lost(format!("{}: {}", status.code(), status.message())),
    }
}
