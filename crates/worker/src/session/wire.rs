//! The bridge between what goes over the wire and what executors know.

use std::time::Duration;

use bytes::Bytes;
use capataz_api::{limits, proto};
use prost::Message;

use super::secrets::Secrets;
use crate::executor::{Assignment, OutputMode};
use crate::logs::{LogChunk, Stream};
use crate::outcome::{FailReason, Finished, Outcome};

/// Why an assignment cannot be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssignmentError {
    /// The master sent something that this build does not understand.
    #[error("the task's spec cannot be read by this worker: {0}")]
    Undecodable(#[from] prost::DecodeError),
    /// The operator has not provided a secret.
    #[error("the task needs the secret {name:?}, which this worker does not have")]
    NoSecret { name: String },
}

impl AssignmentError {
    /// The attempt's end, for good: workers of one group are set up alike, so that a further try
    /// would only hide what is wrong.
    pub(super) fn finished(&self) -> Finished {
        Finished::bare(Outcome::Failed {
            reason: FailReason::CouldNotStart,
            message: self.to_string(),
            exit_code: None,
            signal: None,
            fatal: true,
        })
    }
}

/// Reads a spec into what an executor starts.
pub(super) fn assignment(
    token: proto::Token,
    spec: Bytes,
    secrets: &Secrets,
) -> Result<Assignment, AssignmentError> {
    let spec = proto::TaskSpec::decode(spec)?;
    let mut env: Vec<(String, String)> = spec
        .env
        .into_iter()
        .map(|variable| (variable.name, variable.value))
        .collect();
    for variable in spec.env_secret {
        let Some(secret) = secrets.find(&variable.value) else {
            return Err(AssignmentError::NoSecret {
                name: variable.value,
            });
        };
        env.push((variable.name, secret));
    }
    Ok(Assignment {
        task: match token.index {
            None => token.task.to_string(),
            Some(index) => format!("{}.{index}", token.task),
        },
        attempt: token.attempt,
        index: token.index,
        output: output_mode(spec.output),
        group: spec.group,
        argv: spec.argv,
        payload: spec.payload.unwrap_or_default(),
        env,
        timeout: spec.timeout_us.map(Duration::from_micros),
        tags: spec.tags,
        meta: spec.meta,
        priority: spec.priority.unwrap_or(limits::PRIORITY_DEFAULT) as u8,
    })
}

fn output_mode(mode: i32) -> OutputMode {
    match proto::OutputMode::try_from(mode) {
        Ok(proto::OutputMode::File) => OutputMode::File,
        Ok(proto::OutputMode::Stdout) => OutputMode::Stdout,
        Ok(proto::OutputMode::None) => OutputMode::None,
        Ok(proto::OutputMode::Unspecified) | Err(_) => OutputMode::Auto,
    }
}

/// The end of an attempt that did not run, or that was stopped because it was told to.
pub(super) fn released(token: proto::Token) -> proto::Ended {
    proto::Ended {
        token: Some(token),
        outcome: proto::Outcome::Released.into(),
        ..proto::Ended::default()
    }
}

/// The end of an attempt, as it is reported.
pub(super) fn ended(token: proto::Token, mut finished: Finished) -> proto::Ended {
    refuse_large_output(&mut finished);
    let mut ended = proto::Ended {
        token: Some(token),
        wall_us: micros(finished.usage.wall),
        cpu_us: micros(finished.usage.cpu_user + finished.usage.cpu_system),
        peak_memory: finished.usage.max_rss_bytes,
        ..proto::Ended::default()
    };
    let mut result = proto::AttemptResult::default();
    let outcome = match finished.outcome {
        Outcome::Succeeded => proto::Outcome::Succeeded,
        Outcome::Again { after } => {
            ended.again_in_us = micros(after);
            proto::Outcome::Again
        }
        Outcome::Failed {
            reason,
            message,
            exit_code,
            signal,
            fatal,
        } => {
            ended.reason = reason_on_the_wire(reason, fatal).to_owned();
            ended.fatal = fatal;
            result.message = cut(message, limits::MESSAGE_BYTES);
            (result.exit_code, result.signal) = (exit_code, signal);
            proto::Outcome::Failed
        }
        // Nothing it did counts: only that it is over.
        Outcome::Cancelled | Outcome::LeaseLost => return released(token),
    };
    ended.outcome = outcome.into();
    result.output = finished.output;
    result.output_cut = finished.output_cut;
    if !finished.log_tail.is_empty() {
        result.stdout_tail = finished.log_tail.text(Stream::Stdout).into();
        result.stderr_tail = finished.log_tail.text(Stream::Stderr).into();
    }
    if result != proto::AttemptResult::default() {
        ended.result = result.encode_to_vec().into();
    }
    ended
}

/// Executors refuse large outputs themselves; a result beyond the wire's limit would be refused
/// by every master for ever, so it must not get into the outbox whoever made it.
fn refuse_large_output(finished: &mut Finished) {
    let Some(bytes) = finished.output.as_ref().map(Bytes::len) else {
        return;
    };
    if bytes > limits::PAYLOAD_BYTES_MAX {
        finished.output = None;
        finished.outcome = Outcome::too_large(bytes as u64);
    }
}

fn reason_on_the_wire(reason: FailReason, fatal: bool) -> &'static str {
    match reason {
        FailReason::Error if fatal => "fatal",
        // To a master it is an error with a signal.
        FailReason::Killed => FailReason::Error.as_str(),
        reason => reason.as_str(),
    }
}

/// The longest beginning of a text that fits and ends between two characters.
fn cut(mut text: String, bytes: usize) -> String {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A piece of a log.
pub(super) fn log_chunk(token: proto::Token, chunk: LogChunk) -> proto::LogChunk {
    let stream = match chunk.stream {
        Stream::Stdout => proto::LogStream::Stdout,
        Stream::Stderr => proto::LogStream::Stderr,
    };
    proto::LogChunk {
        token: Some(token),
        stream: stream.into(),
        offset: chunk.offset,
        data: chunk.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: proto::Token = proto::Token {
        task: 12,
        index: Some(3),
        attempt: 2,
    };

    fn result(ended: &proto::Ended) -> proto::AttemptResult {
        proto::AttemptResult::decode(ended.result.clone()).expect("a result")
    }

    #[test]
    fn a_spec_becomes_an_assignment_with_its_secrets() {
        let variable = |name: &str, value: &str| proto::Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let spec = proto::TaskSpec {
            group: "g".to_owned(),
            payload: Some(Bytes::from_static(b"p")),
            env: vec![variable("A", "1")],
            env_secret: vec![variable("PASSWORD", "db")],
            timeout_us: Some(1_500_000),
            ..proto::TaskSpec::default()
        };
        let spec = Bytes::from(spec.encode_to_vec());
        let secrets = Secrets::new(|name| (name == "db").then(|| "hunter2".to_owned()));
        let assignment_ = assignment(TOKEN, spec.clone(), &secrets).expect("it has the secret");
        assert_eq!(
            (assignment_.task.as_str(), assignment_.attempt),
            ("12.3", 2)
        );
        assert_eq!(
            assignment_.env[1],
            ("PASSWORD".to_owned(), "hunter2".to_owned())
        );
        assert_eq!(assignment_.timeout, Some(Duration::from_millis(1_500)));

        let refused = assignment(TOKEN, spec, &Secrets::none()).expect_err("no secrets");
        let ended = ended(TOKEN, refused.finished());
        assert_eq!(
            (ended.reason.as_str(), ended.fatal),
            ("could_not_start", true)
        );
        assert!(!result(&ended).message.contains("hunter2"));
    }

    #[test]
    fn a_bare_success_has_no_result_at_all() {
        let ended = ended(TOKEN, Finished::bare(Outcome::Succeeded));
        assert_eq!(ended.outcome(), proto::Outcome::Succeeded);
        assert!(ended.result.is_empty());
    }

    #[test]
    fn an_output_over_the_limit_fails_for_good() {
        let mut finished = Finished::bare(Outcome::Succeeded);
        finished.output = Some(vec![0; limits::PAYLOAD_BYTES_MAX + 1].into());
        let ended = ended(TOKEN, finished);
        assert_eq!(
            (ended.reason.as_str(), ended.fatal),
            ("output_too_large", true)
        );
        assert_eq!(result(&ended).output, None);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = "é".repeat(limits::MESSAGE_BYTES);
        let ended = ended(TOKEN, Finished::bare(Outcome::fatal(message)));
        assert_eq!(ended.reason, "fatal");
        let message = result(&ended).message;
        assert_eq!(message.len(), limits::MESSAGE_BYTES);
        assert!(message.chars().all(|c| c == 'é'));
    }

    #[test]
    fn what_was_stopped_reports_nothing_but_its_end() {
        for outcome in [Outcome::Cancelled, Outcome::LeaseLost] {
            let mut finished = Finished::bare(outcome);
            finished.output = Some(Bytes::from_static(b"half"));
            assert_eq!(ended(TOKEN, finished), released(TOKEN));
        }
    }
}
