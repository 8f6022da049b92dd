//! The only bridge between what goes over the wire and what the engine knows.

use std::collections::HashMap;

use bytes::Bytes;
use capataz_api::limits::{MESSAGE_BYTES, NAME_BYTES, PAYLOAD_BYTES, PAYLOAD_BYTES_MAX};
use capataz_api::proto;
use capataz_api::spec::{Flaw, SpecError, check_batch, check_name, validate};
use capataz_engine::limits::{RUN_OUTPUT_BYTES, STEP_OUTPUT_BYTES};
use capataz_engine::{
    Backoff, Hello, NewTask, Outcome, Policy, Reason, Report, Request, Span, Submission, TaskId,
    Timestamp, Usage,
};
use prost::Message;

use crate::owner::Token;

/// An encoded `TaskSpec`: the largest payload, and as much again for all else that its limits let
/// through, of which arguments, meta, tags and keys with their framing are some 210 KiB.
pub const BODY_BYTES: usize = 2 * PAYLOAD_BYTES;
/// An encoded `AttemptResult`: the largest output there may be, its message, and tails of its
/// logs, which may take more than their own limit where they are no UTF-8. What is larger would
/// make records that no journal takes.
pub const RESULT_BYTES: usize = PAYLOAD_BYTES_MAX + MESSAGE_BYTES + 64 * 1024;

/// Something that does not make a command.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A task of a submission is refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The bytes are no message.
    #[error("tasks[{index}] is not an encoded TaskSpec: {cause}")]
    Undecodable {
        /// Which task.
        index: usize,
        /// What the decoder says.
        cause: prost::DecodeError,
    },
    /// A request id is not 16 bytes.
    #[error("request_id must be 16 bytes, got {got}")]
    RequestId {
        /// How many came.
        got: usize,
    },
    /// The incarnation of a worker is not 16 bytes.
    #[error("hello.incarnation must be 16 bytes, got {got}")]
    Incarnation {
        /// How many came.
        got: usize,
    },
}

/// Makes a submission of encoded specs, which become the tasks' bodies as they are.
///
/// # Errors
///
/// The first task that is refused, with its index; then nothing is submitted.
pub fn submission(request_id: &[u8], bodies: Vec<Bytes>) -> Result<Submission, ConvertError> {
    check_batch(bodies.len(), bodies.iter().map(Bytes::len).sum())?;
    let request = request(request_id, &bodies)?;
    let mut builder = Builder::default();
    builder.submission.request = request;
    builder.submission.tasks.reserve(bodies.len());
    for (index, body) in bodies.into_iter().enumerate() {
        let spec = proto::TaskSpec::decode(body.clone())
            .map_err(|cause| ConvertError::Undecodable { index, cause })?;
        validate(&spec).map_err(|error| error.at(index))?;
        check_body(&body).map_err(|error| error.at(index))?;
        builder.add(spec, body);
    }
    Ok(builder.submission)
}

/// Makes a task of the spec of a step.
pub fn step_task(spec: proto::TaskSpec) -> Submission {
    let body = Bytes::from(spec.encode_to_vec());
    Submission {
        request: None,
        policies: vec![policy_of(&spec)],
        tasks: vec![new_task(&spec, body)],
        groups: vec![spec.group],
    }
}

/// Makes tasks of the specs of elements of a step.
pub fn step_tasks(specs: Vec<proto::TaskSpec>) -> Submission {
    let mut builder = Builder::default();
    for spec in specs {
        let body = Bytes::from(spec.encode_to_vec());
        builder.add(spec, body);
    }
    builder.submission
}

/// Refuses a body that takes more than its fields may: unknown fields, or the same one again and
/// again. It is kept as it came.
fn check_body(body: &[u8]) -> Result<(), SpecError> {
    if body.len() <= BODY_BYTES {
        return Ok(());
    }
    Err(SpecError {
        index: None,
        field: String::new(),
        flaw: Flaw::TooLarge {
            limit: BODY_BYTES,
            got: body.len(),
            unit: "bytes",
        },
    })
}

fn request(id: &[u8], bodies: &[Bytes]) -> Result<Option<Request>, ConvertError> {
    if id.is_empty() {
        return Ok(None);
    }
    let id: [u8; 16] = id
        .try_into()
        .map_err(|_| ConvertError::RequestId { got: id.len() })?;
    let mut hasher = blake3::Hasher::new();
    for body in bodies {
        hasher.update(&(body.len() as u64).to_le_bytes());
        hasher.update(body);
    }
    Ok(Some(Request {
        id: u128::from_be_bytes(id),
        content: first_half(&hasher.finalize()),
    }))
}

/// 128 bits of a hash: enough that two different texts never share them.
fn first_half(hash: &blake3::Hash) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_be_bytes(half)
}

/// The number under which the engine knows a text.
pub fn hash(bytes: &[u8]) -> u128 {
    first_half(&blake3::hash(bytes))
}

#[derive(Default)]
struct Builder {
    submission: Submission,
    groups: HashMap<String, u32>,
    policies: HashMap<PolicyKey, u32>,
    last: Option<(String, u32)>,
}

type PolicyKey = (u32, u32, Option<u64>, Option<(u64, u32, u64, u32)>);

impl Builder {
    fn add(&mut self, spec: proto::TaskSpec, body: Bytes) {
        let task = NewTask {
            policy: self.policy(&spec),
            ..new_task(&spec, body)
        };
        let group = self.group(spec.group);
        self.submission.tasks.push(NewTask { group, ..task });
    }

    fn group(&mut self, name: String) -> u32 {
        if let Some((last, number)) = &self.last
            && *last == name
        {
            return *number;
        }
        let next = self.submission.groups.len() as u32;
        let number = *self.groups.entry(name.clone()).or_insert(next);
        if number == next {
            self.submission.groups.push(name.clone());
        }
        self.last = Some((name, number));
        number
    }

    fn policy(&mut self, spec: &proto::TaskSpec) -> u32 {
        let backoff = spec
            .backoff
            .as_ref()
            .map(|b| (b.initial_us, b.factor_percent, b.cap_us, b.jitter_percent));
        let default = Policy::default();
        let key = (
            spec.max_attempts.unwrap_or(default.max_attempts),
            spec.max_lost.unwrap_or(default.max_lost),
            spec.timeout_us,
            backoff,
        );
        let next = self.submission.policies.len() as u32;
        let number = *self.policies.entry(key).or_insert(next);
        if number == next {
            self.submission.policies.push(policy_of(spec));
        }
        number
    }
}

/// A task of the first group and with the first policy of its submission.
fn new_task(spec: &proto::TaskSpec, body: Bytes) -> NewTask {
    let dedup = spec.dedup_key.as_deref();
    let affinity = spec.affinity.iter();
    NewTask {
        group: 0,
        policy: 0,
        priority: spec
            .priority
            .map_or(capataz_engine::limits::PRIORITY_DEFAULT, |p| p as u8),
        count: spec.count,
        not_before: spec.run_at_us.map(Timestamp),
        delay: spec.delay_us.map(Span),
        expires_at: None,
        expires_in: spec.expires_in_us.map(Span),
        dedup: dedup.map(|key| (hash(key.as_bytes()), hash(&body))),
        affinity: affinity.map(|key| Submission::affinity_hash(key)).collect(),
        body,
    }
}

/// A spec's policy.
pub fn policy_of(spec: &proto::TaskSpec) -> Policy {
    let default = Policy::default();
    let backoff = spec
        .backoff
        .as_ref()
        .map_or(default.backoff, |backoff| Backoff {
            initial: Span(backoff.initial_us),
            factor_percent: backoff.factor_percent,
            cap: Span(backoff.cap_us),
            jitter_percent: backoff.jitter_percent.min(100) as u8,
        });
    Policy {
        max_attempts: spec.max_attempts.unwrap_or(default.max_attempts),
        max_lost: spec.max_lost.unwrap_or(default.max_lost),
        backoff,
        timeout: spec.timeout_us.map(Span),
    }
}

/// An attempt as the engine names it.
pub fn token(token: &proto::Token) -> Token {
    // A number that is no id becomes one that no lease has.
    let task = TaskId(token.task & ((1 << 37) - 1));
    let index = token
        .index
        .filter(|index| *index < capataz_engine::MAX_ELEMENTS);
    let key = index.map_or(task.key(), |index| task.element(index));
    (key, token.attempt)
}

/// An attempt as the wire names it.
pub fn wire_token((key, attempt): Token) -> proto::Token {
    proto::Token {
        task: key.task().0,
        index: key.index(),
        attempt,
    }
}

/// What a worker says of itself.
///
/// # Errors
///
/// A name that is none, or an incarnation that is no number.
pub fn hello(hello: proto::Hello) -> Result<Hello, ConvertError> {
    let incarnation: [u8; 16] =
        hello.incarnation[..]
            .try_into()
            .map_err(|_| ConvertError::Incarnation {
                got: hello.incarnation.len(),
            })?;
    let names = [
        ("name", &hello.name),
        ("host", &hello.host),
        ("pod", &hello.pod),
    ];
    let groups = hello.groups.iter().map(|group| ("groups", group));
    for (field, name) in names.into_iter().chain(groups) {
        check_name(field, name)?;
    }
    Ok(Hello {
        name: hello.name,
        incarnation: u128::from_be_bytes(incarnation),
        connection: hello.connection,
        host: hello.host,
        build: hello.build.chars().take(NAME_BYTES).collect(),
        pod: hello.pod,
        pod_slots: hello.pod_slots,
        groups: hello.groups,
        concurrency: hello.concurrency,
        polling: false,
        remember: hello.remember,
        affinity: hello
            .affinity
            .iter()
            .map(|key| Submission::affinity_hash(key))
            .collect(),
        running: hello.running.iter().map(token).collect(),
    })
}

/// What a worker says of its attempts: those that run, with how long, and those that ended.
pub fn reports(reports: proto::Reports) -> (Vec<(Token, Span)>, Vec<Report>) {
    let started = reports.started.iter();
    let started = started.filter_map(|s| Some((token(s.token.as_ref()?), Span(s.ago_us))));
    let ended = reports.ended.into_iter().filter_map(report);
    (started.collect(), ended.collect())
}

/// What a worker says of an attempt that ended; `None` when it says nothing that is known. A result
/// that is too large fails the attempt for good.
pub fn report(ended: proto::Ended) -> Option<Report> {
    let mut outcome = match ended.outcome() {
        proto::Outcome::Succeeded => Outcome::Succeeded,
        proto::Outcome::Failed => failed(&ended.reason, ended.fatal),
        proto::Outcome::Again => Outcome::Again {
            after: Span(ended.again_in_us),
        },
        proto::Outcome::Released => Outcome::Released,
        proto::Outcome::Unspecified => return None,
    };
    let (key, attempt) = token(ended.token.as_ref()?);
    let mut output = ended.result;
    if output.len() > RESULT_BYTES {
        outcome = failed("output_too_large", true);
        output = too_large(output.len());
    }
    let usage = Usage {
        wall: Span(ended.wall_us),
        cpu: Span(ended.cpu_us),
        peak_memory: ended.peak_memory,
    };
    Some(Report {
        key,
        attempt,
        outcome,
        output,
        value: Bytes::new(),
        usage,
    })
}

/// The result that stands for one of `got` bytes.
fn too_large(got: usize) -> Bytes {
    said(format!(
        "the result is {got} bytes, over the limit of {RESULT_BYTES}"
    ))
}

/// The result that stands for one whose output other steps refer to, and may not be kept.
pub(crate) fn output_over(got: usize, room: usize) -> Bytes {
    said(format!(
        "the output is {got} bytes; other steps refer to it, and at most {STEP_OUTPUT_BYTES} are kept \
         of a step and {RUN_OUTPUT_BYTES} of a run, of which {room} were left for it"
    ))
}

fn said(message: String) -> Bytes {
    let result = proto::AttemptResult {
        message,
        ..Default::default()
    };
    result.encode_to_vec().into()
}

/// A failure with the reason that a worker names; one that is not known counts as an error.
pub(crate) fn failed(reason: &str, fatal: bool) -> Outcome {
    let reason = match reason {
        "timeout" => Reason::Timeout,
        "output_too_large" => Reason::OutputTooLarge,
        "could_not_start" => Reason::CouldNotStart,
        "fatal" => Reason::Fatal,
        _ => Reason::Error,
    };
    let fatal = fatal || matches!(reason, Reason::OutputTooLarge | Reason::Fatal);
    Outcome::Failed { reason, fatal }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(result: Vec<u8>) -> proto::Ended {
        proto::Ended {
            token: Some(proto::Token::default()),
            outcome: proto::Outcome::Succeeded.into(),
            result: result.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_result_over_its_limit_fails_the_attempt_for_good() {
        let largest = report(ended(vec![0; RESULT_BYTES])).expect("a report");
        assert_eq!(largest.outcome, Outcome::Succeeded);
        let larger = report(ended(vec![0; RESULT_BYTES + 1])).expect("a report");
        let reason = Reason::OutputTooLarge;
        let fatal = true;
        assert_eq!(larger.outcome, Outcome::Failed { reason, fatal });
        let result = proto::AttemptResult::decode(larger.output).expect("a result");
        assert!(result.message.contains("over the limit"), "{result:?}");
    }

    #[test]
    fn a_body_that_repeats_its_fields_without_end_is_refused() {
        let group = proto::TaskSpec {
            group: "g".repeat(255),
            ..Default::default()
        };
        let body = group.encode_to_vec().repeat(BODY_BYTES / 255);
        let refused = submission(&[], vec![body.into()]).map(drop);
        let Err(ConvertError::Spec(error)) = refused else {
            panic!("expected a refusal, got {refused:?}");
        };
        assert_eq!(error.index, Some(0));
        assert!(matches!(
            error.flaw,
            Flaw::TooLarge {
                limit: BODY_BYTES,
                ..
            }
        ));
    }
}
