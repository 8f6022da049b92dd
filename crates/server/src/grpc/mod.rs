//! gRPC: bulk submission, and workers' sessions.

mod tasks;
mod workers;

use capataz_api::problem::Problem;
use capataz_api::proto;
use tonic::Status;

pub(crate) use tasks::TasksService;
pub(crate) use workers::{WorkersService, with_bodies};

use crate::problem::ToProblem;

/// Bytes of one gRPC message: a full batch of tasks with its framing.
pub(crate) const MESSAGE_BYTES: usize = capataz_api::limits::BATCH_BYTES + 512 * 1024;

/// Ends when the server stops: a stream that goes on for ever would hold that up.
async fn stopped(mut stop: tokio::sync::watch::Receiver<bool>) {
    // A sender that is gone means stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn wire_problem(error: &impl ToProblem) -> proto::Problem {
    error.to_problem().into()
}

fn status(error: &impl ToProblem) -> Status {
    let problem: Problem = error.to_problem();
    problem.into()
}
