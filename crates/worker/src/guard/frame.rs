//! What worker and guard tell each other: frames of a length (u32, little endian) and a postcard
//! value. Both ends are the same binary, so the format carries no version.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Boottime;
use crate::executor::AttemptId;
use crate::logs::Stream;
use crate::outcome::Usage;
use crate::process::Limits;

/// A frame above this is an error, in bytes: room for the largest task (4 MiB, a request's limit)
/// and for a payload on top.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;

/// From the worker to its guard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToGuard {
    /// The first frame.
    Setup(Setup),
    Start(Start),
    /// Moves deadlines forward.
    Extend {
        attempts: Vec<AttemptId>,
        lease: Boottime,
    },
    /// SIGTERM now and SIGKILL after the grace, or SIGKILL now without one.
    Stop {
        attempt: AttemptId,
        cause: StopCause,
        grace: Option<Duration>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Marks all processes of this worker's incarnation; see [`crate::guard::mark`].
    pub(crate) nonce: u64,
    /// The folder that scratch folders are made in; made by the guard, readable by its user only.
    pub(crate) scratch: String,
    /// The environment every attempt begins with.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) limits: Limits,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) attempt: AttemptId,
    pub(crate) argv: Vec<String>,
    /// Comes after [`Setup::env`] and before what the guard adds.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) payload: Bytes,
    pub(crate) lease: Boottime,
    pub(crate) timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL when the timeout is over.
    pub(crate) grace: Duration,
}

/// From the guard to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromGuard {
    Log {
        attempt: AttemptId,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    },
    /// Nothing of the attempt is left.
    Gone(Gone),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Gone {
    pub(crate) attempt: AttemptId,
    pub(crate) end: End,
    /// Why the guard stopped it, when it did.
    pub(crate) cause: Option<StopCause>,
    pub(crate) usage: Usage,
    /// What became of the file `CAPATAZ_OUTPUT`.
    pub(crate) output: FileFound,
    /// What became of the file `CAPATAZ_CONTROL`.
    pub(crate) control: FileFound,
    /// The scratch folder, when the attempt left files in it: removing them may take long, which
    /// is nothing for a loop that keeps deadlines.
    pub(crate) scratch_left: Option<String>,
}

/// How a main process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Exited(i32),
    Signalled(i32),
    /// No process was made. The error number is missing when none of the kernel's was the cause.
    NotStarted {
        errno: Option<i32>,
        message: String,
    },
}

/// Why an attempt was stopped. The first cause stays, but for a lost lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StopCause {
    Cancel,
    Timeout,
    LeaseLost,
}

/// A file an attempt may have written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FileFound {
    Missing,
    Bytes(Bytes),
    TooLarge(u64),
    Unreadable(String),
}

/// What is wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {got} bytes, the limit is {FRAME_BYTES_MAX}")]
    TooLarge { got: usize },
    #[error("a frame that cannot be read or written: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Appends a message as a frame. Nothing is appended when it fails.
pub(crate) fn encode(message: &impl Serialize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let mut written = postcard::to_extend(message, std::mem::take(out))?;
    let got = written.len() - start - LENGTH_BYTES;
    if got > FRAME_BYTES_MAX {
        written.truncate(start);
        *out = written;
        return Err(FrameError::TooLarge { got });
    }
    written[start..start + LENGTH_BYTES].copy_from_slice(&(got as u32).to_le_bytes());
    *out = written;
    Ok(())
}

/// Takes the first frame of `bytes`: the message and how many bytes it took, or none when the
/// frame is not complete yet.
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<Option<(M, usize)>, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { got: length });
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    Ok(Some((postcard::from_bytes(body)?, LENGTH_BYTES + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(id: u64) -> ToGuard {
        ToGuard::Stop {
            attempt: AttemptId(id),
            cause: StopCause::Cancel,
            grace: None,
        }
    }

    #[test]
    fn frames_come_out_one_by_one() {
        let mut bytes = Vec::new();
        encode(&stop(1), &mut bytes).unwrap();
        encode(&stop(300), &mut bytes).unwrap();
        let (first, taken) = decode::<ToGuard>(&bytes).unwrap().expect("a whole frame");
        assert!(matches!(
            first,
            ToGuard::Stop {
                attempt: AttemptId(1),
                ..
            }
        ));
        let (second, rest) = decode::<ToGuard>(&bytes[taken..])
            .unwrap()
            .expect("a whole frame");
        assert!(matches!(
            second,
            ToGuard::Stop {
                attempt: AttemptId(300),
                ..
            }
        ));
        assert_eq!(taken + rest, bytes.len());
        for cut in 0..taken {
            assert!(
                decode::<ToGuard>(&bytes[..cut]).unwrap().is_none(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_at_both_ends() {
        let log = FromGuard::Log {
            attempt: AttemptId(1),
            stream: Stream::Stdout,
            offset: 0,
            bytes: vec![0; FRAME_BYTES_MAX].into(),
        };
        let mut out = b"before".to_vec();
        assert!(matches!(
            encode(&log, &mut out),
            Err(FrameError::TooLarge { .. })
        ));
        assert_eq!(out, b"before");
        assert!(matches!(
            decode::<ToGuard>(&[255; 8]),
            Err(FrameError::TooLarge { .. })
        ));
    }
}
