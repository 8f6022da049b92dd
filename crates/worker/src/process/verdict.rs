//! What an end of a process means for its attempt.

use bytes::{Bytes, BytesMut};
use nix::libc;
use nix::sys::signal::Signal;

use super::control::{self, Control};
use crate::executor::OutputMode;
use crate::guard::frame::{End, FileFound, Gone, StopCause};
use crate::logs::{LogChunk, LogTail, Stream};
use crate::outcome::{FailReason, Finished, Outcome, STDOUT_OUTPUT_MAX};

/// The exit codes that shells use for commands that could not run.
const EXIT_NOT_FOUND: i32 = 127;
const EXIT_NOT_EXECUTABLE: i32 = 126;

/// What of an attempt's prints its end needs.
pub(super) struct Printed {
    mode: OutputMode,
    stdout: BytesMut,
    stdout_cut: bool,
    tail: LogTail,
}

impl Printed {
    pub(super) fn new(mode: OutputMode) -> Printed {
        Printed {
            mode,
            stdout: BytesMut::new(),
            stdout_cut: false,
            tail: LogTail::default(),
        }
    }

    pub(super) fn push(&mut self, chunk: LogChunk) {
        let wanted = matches!(self.mode, OutputMode::Auto | OutputMode::Stdout);
        if wanted && chunk.stream == Stream::Stdout {
            let room = STDOUT_OUTPUT_MAX - self.stdout.len();
            let taken = room.min(chunk.bytes.len());
            self.stdout.extend_from_slice(&chunk.bytes[..taken]);
            self.stdout_cut |= taken < chunk.bytes.len();
        }
        self.tail.push(chunk);
    }

    /// The output, or why there can be none, and whether it was cut.
    fn output(&mut self, file: FileFound) -> Result<(Option<Bytes>, bool), Outcome> {
        let of_file = matches!(self.mode, OutputMode::Auto | OutputMode::File);
        match file {
            FileFound::TooLarge(bytes) if of_file => return Err(Outcome::too_large(bytes)),
            FileFound::Unreadable(cause) if of_file => {
                let message = format!("CAPATAZ_OUTPUT cannot be read: {cause}");
                return Err(Outcome::failed(FailReason::Error, message));
            }
            FileFound::Bytes(bytes) if of_file => return Ok((Some(bytes), false)),
            _ => {}
        }
        let stdout = std::mem::take(&mut self.stdout).freeze();
        Ok(((!stdout.is_empty()).then_some(stdout), self.stdout_cut))
    }
}

/// How an attempt ended whose sandbox is gone.
pub(super) fn of(gone: Gone, mut printed: Printed) -> Finished {
    let control = read_control(gone.control);
    let mut outcome = match (gone.cause, control) {
        (Some(StopCause::LeaseLost), _) => Outcome::LeaseLost,
        (Some(StopCause::Cancel), _) => Outcome::Cancelled,
        (Some(StopCause::Timeout), _) => with_end(
            FailReason::Timeout,
            "ran longer than its timeout".into(),
            &gone.end,
        ),
        (None, Err(message)) => with_end(FailReason::Error, message, &gone.end),
        (None, Ok(control)) => of_end(&gone.end, control),
    };
    let (output, output_cut) = match printed.output(gone.output) {
        Ok(output) => output,
        Err(failure) => {
            // Whatever else went wrong is the first cause.
            if matches!(outcome, Outcome::Succeeded | Outcome::Again { .. }) {
                outcome = failure;
            }
            (None, false)
        }
    };
    Finished {
        outcome,
        output,
        output_cut,
        usage: gone.usage,
        log_tail: printed.tail,
    }
}

fn read_control(file: FileFound) -> Result<Control, String> {
    match file {
        FileFound::Missing => Ok(Control::default()),
        FileFound::Bytes(bytes) => control::read(&bytes).map_err(|error| error.to_string()),
        FileFound::TooLarge(bytes) => Err(format!("CAPATAZ_CONTROL is too large: {bytes} bytes")),
        FileFound::Unreadable(cause) => Err(format!("CAPATAZ_CONTROL cannot be read: {cause}")),
    }
}

fn of_end(end: &End, control: Control) -> Outcome {
    let mut outcome = match end {
        End::Exited(0) => match (&control.fatal, control.again) {
            (None, None) => Outcome::Succeeded,
            (None, Some(after)) => Outcome::Again { after },
            (Some(_), _) => with_end(FailReason::Error, String::new(), end),
        },
        End::Exited(code) => with_end(FailReason::Error, format!("exited with code {code}"), end),
        End::Signalled(signal) => {
            let name = Signal::try_from(*signal).map_or("unknown", Signal::as_str);
            with_end(
                FailReason::Killed,
                format!("killed by signal {signal} ({name})"),
                end,
            )
        }
        End::NotStarted { message, .. } => with_end(
            FailReason::CouldNotStart,
            format!("could not start {message}"),
            end,
        ),
    };
    if let (Some(said), Outcome::Failed { message, fatal, .. }) = (control.fatal, &mut outcome) {
        *message = said;
        *fatal = true;
    }
    outcome
}

fn with_end(reason: FailReason, message: String, end: &End) -> Outcome {
    let (exit_code, signal) = match end {
        End::Exited(code) => (Some(*code), None),
        End::Signalled(signal) => (None, Some(*signal)),
        End::NotStarted {
            errno: Some(libc::ENOENT),
            ..
        } => (Some(EXIT_NOT_FOUND), None),
        End::NotStarted { errno: Some(_), .. } => (Some(EXIT_NOT_EXECUTABLE), None),
        End::NotStarted { errno: None, .. } => (None, None),
    };
    // A command that is not here may be on the next worker's host, so even that is not for good.
    Outcome::Failed {
        reason,
        message,
        exit_code,
        signal,
        fatal: false,
    }
}
