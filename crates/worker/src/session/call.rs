//! What a session wants done, and how it may end.

use capataz_api::problem::Problem;
use capataz_api::proto;

use crate::clock::Boottime;
use crate::executor::{Assignment, AttemptId, Stop};

/// Why a session ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The master does not take the token, or not for these groups.
    #[error("the master refuses this worker's token: {detail}")]
    Unauthorized {
        /// What the master says.
        detail: String,
    },
    /// A later process goes by this worker's name.
    #[error("a later worker process has taken the name {name:?}")]
    Replaced {
        /// The name.
        name: String,
    },
    /// The master refuses what this worker says of itself.
    #[error("the master refuses this worker: {}", .0.detail)]
    Refused(Problem),
}

/// Something that the session wants done.
#[derive(Debug)]
pub enum Call {
    /// Open a connection and begin it with this frame.
    Connect(Box<proto::WorkerFrame>),
    /// Drop the connection.
    Disconnect,
    /// [`crate::Executor::start`].
    Start(AttemptId, Box<Assignment>, Boottime),
    /// [`crate::Executor::extend`].
    Extend(Vec<AttemptId>, Boottime),
    /// [`crate::Executor::stop`].
    Stop(AttemptId, Stop),
}
