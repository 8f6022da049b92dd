//! How a command that did not work ends: one sentence, a hint, an exit code.

use std::fmt;
use std::process::ExitCode;

use capataz_api::client::ClientError;
use capataz_api::problem::Code;

use crate::talk::say;

/// What scripts can tell apart. The numbers are a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It worked.
    Success,
    /// A wrong flag, file or spec, or no server.
    Usage,
    /// The command worked; the work it waited for failed.
    WorkFailed,
    /// The work was cancelled, and none of it failed.
    Cancelled,
    /// The time to wait was over before the work was.
    TimedOut,
    /// No such task, group, pod or worker.
    NotFound,
}

impl Exit {
    /// The number the process ends with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Usage => 1,
            Exit::WorkFailed => 2,
            Exit::Cancelled => 3,
            Exit::TimedOut => 4,
            Exit::NotFound => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// An error a user can be told: its `Display` is one sentence without a full stop.
pub(crate) trait Told: std::error::Error + Send + Sync {
    /// What to try next.
    fn hint(&self) -> Option<String> {
        None
    }

    /// What the process ends with.
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Told for ClientError {
    fn hint(&self) -> Option<String> {
        ClientError::hint(self)
    }

    fn exit(&self) -> Exit {
        match self {
            ClientError::TimedOut { .. } => Exit::TimedOut,
            error if error.code() == Some(Code::NotFound) => Exit::NotFound,
            _ => Exit::Usage,
        }
    }
}

/// Any command's error.
pub(crate) enum Failure {
    /// To be told.
    Told(Box<dyn Told>),
    /// The reader of stdout went away, as `head` does: nothing is wrong, and nobody listens.
    ReaderGone,
}

impl<E: Told + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Told(Box::new(error))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Told(error) => write!(f, "{error}"),
            Failure::ReaderGone => f.write_str("the reader of stdout went away"),
        }
    }
}

impl Failure {
    /// Tells stderr, and says how to end.
    pub(crate) fn tell(&self) -> Exit {
        match self {
            Failure::ReaderGone => Exit::Success,
            Failure::Told(error) => {
                say(format_args!("capataz: {error}"));
                if let Some(hint) = error.hint() {
                    say(format_args!("  hint: {hint}"));
                }
                error.exit()
            }
        }
    }
}

/// A write to stdout that did not work.
#[derive(Debug, thiserror::Error)]
#[error("stdout cannot be written: {0}")]
pub(crate) struct StdoutBroken(std::io::Error);

impl Told for StdoutBroken {}

/// The failure of a write to stdout.
pub(crate) fn stdout_failed(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => StdoutBroken(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use capataz_api::problem::Problem;

    use super::*;

    #[test]
    fn exit_codes_are_a_promise() {
        let all = [
            Exit::Success,
            Exit::Usage,
            Exit::WorkFailed,
            Exit::Cancelled,
            Exit::TimedOut,
            Exit::NotFound,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_refusal_because_something_is_not_there_has_its_own_exit_code() {
        let refused = |code| ClientError::Refused(Problem::new(code, "x")).exit();
        assert_eq!(refused(Code::NotFound), Exit::NotFound);
        assert_eq!(refused(Code::TooLarge), Exit::Usage);
        let unreachable = ClientError::Unreachable {
            url: "u".into(),
            cause: "c".into(),
        };
        assert_eq!(
            (unreachable.exit(), unreachable.hint().is_some()),
            (Exit::Usage, true)
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(stdout_failed(gone).tell(), Exit::Success);
    }
}
