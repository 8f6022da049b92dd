//! What an attempt printed.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{Params, QueryText};
use super::{Blob, Query};
use crate::problem::Problem;

/// What is kept of an attempt's prints: the first mebibyte, and the last 16 KiB.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// The task.
    pub task: String,
    /// The attempt.
    pub attempt: u32,
    /// Whether it has ended, so that nothing more can come.
    pub ended: bool,
    /// The pieces, in the order in which they came. A jump of `offset` is a gap.
    pub chunks: Vec<LogChunk>,
}

/// A piece of one stream. Following yields these as server-sent events, until the attempt ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogChunk {
    /// The attempt.
    pub attempt: u32,
    /// Which stream.
    pub stream: LogStream,
    /// Place of its first byte in that stream.
    pub offset: u64,
    /// The bytes.
    pub data: Blob,
}

/// Where something was printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which logs to read.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Of which attempt; default the last.
    pub attempt: Option<u32>,
    /// Send what is there and what comes, as server-sent events.
    pub follow: bool,
    /// Skip this many bytes of stdout: they are known already.
    pub stdout_from: Option<u64>,
    /// Skip this many bytes of stderr.
    pub stderr_from: Option<u64>,
}

impl Query for LogsQuery {
    const NAMES: &'static [&'static str] = &["attempt", "follow", "stdout_from", "stderr_from"];

    fn read(params: &mut Params) -> Result<LogsQuery, Problem> {
        Ok(LogsQuery {
            attempt: params.parsed("attempt", "the number of an attempt")?,
            follow: params.flag("follow")?.unwrap_or(false),
            stdout_from: params.parsed("stdout_from", "a number of bytes")?,
            stderr_from: params.parsed("stderr_from", "a number of bytes")?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("attempt", self.attempt);
        out.add("follow", self.follow.then_some(true));
        out.add("stdout_from", self.stdout_from);
        out.add("stderr_from", self.stderr_from);
    }
}
