//! What a worker says of its attempts. (task, attempt) is the fencing token: a report on a lease
//! that is not current is refused, unless it repeats what is on record.

use axum::Json;
use axum::extract::State;
use capataz_api::limits::PAYLOAD_BYTES;
use capataz_api::problem::{Code, Problem};
use capataz_api::proto::AttemptResult;
use capataz_api::rest::{
    AgainRequest, Blob, Changed, CompleteRequest, FailRequest, Heartbeat, NoBody, StartRequest,
    Usage,
};
use capataz_engine::{Change, Command, Ended, Outcome, Rejection, Report, Span};
use capataz_journal::Position;
use prost::Message;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Json as Body, NoQuery, Path};
use super::task_item;
use crate::access::{Caller, check_task};
use crate::convert;
use crate::feed::FeedRead;
use crate::owner::{CallError, Token};
use crate::store::Verdict;

/// What a worker does that holds no lease any more.
const STOP: &str = "stop the work: the task was cancelled, timed out, or given to another worker";

/// The attempt that a path names, when the caller may speak of it.
pub(super) async fn own_token(
    context: &Context,
    caller: &Caller,
    (task, attempt): (String, String),
) -> Result<Token, Problem> {
    let number = attempt
        .parse()
        .map_err(|_| not_found("attempt", &attempt))?;
    let key = task_item::key(&task)?;
    check_task(&context.namespace, caller, key).await?;
    Ok((key, number))
}

pub(super) fn stale((key, attempt): Token) -> Problem {
    let detail = Rejection::StaleLease { key, attempt }.to_string();
    Problem::new(Code::StaleLease, detail).hint(STOP).task(key)
}

/// Say that an attempt runs
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/start",
    operation_id = "start_attempt", tag = "attempts",
    params(
        ("task" = String, Path, description = "The task or element."),
        ("n" = String, Path, description = "The attempt.")),
    request_body = StartRequest,
    responses(
        (status = 200, description = "It is on record.", body = Changed),
        (status = 409, description = "The attempt holds no lease."),
    ))]
pub(super) async fn start(
    State(context): State<Context>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    _: NoQuery,
    Body(request): Body<StartRequest>,
) -> Answer<Json<Changed>> {
    let (key, attempt) = own_token(&context, &caller, path).await?;
    let start = Command::Start {
        key,
        attempt,
        ago: Span(request.ago.0),
    };
    match context.namespace.call(start).await {
        Ok(called) => Ok(Json(Changed {
            position: called.position.get(),
        })),
        Err(CallError::Rejected(Rejection::StaleLease { .. })) => Err(stale((key, attempt)).into()),
        Err(error) => Err(error.into()),
    }
}

/// Renew a lease
///
/// To be sent every `lease_ttl` / 3. Refused with `stale_lease`, the work is to be stopped.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/heartbeat",
    operation_id = "renew_lease", tag = "attempts",
    params(
        ("task" = String, Path, description = "The task or element."),
        ("n" = String, Path, description = "The attempt.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The lease lasts on.", body = Heartbeat),
        (status = 409, description = "The attempt holds no lease: stop the work."),
    ))]
pub(super) async fn heartbeat(
    State(context): State<Context>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    _: NoQuery,
    Body(NoBody {}): Body<NoBody>,
) -> Answer<Json<Heartbeat>> {
    let token = own_token(&context, &caller, path).await?;
    match context.namespace.touch(token).await {
        Ok(()) => Ok(Json(Heartbeat {
            lease_ttl: context.lease_ttl.into(),
            stop: false,
        })),
        Err(CallError::Rejected(Rejection::StaleLease { .. })) => Err(stale(token).into()),
        Err(error) => Err(error.into()),
    }
}

/// Report success
///
/// Repeated with the same token it is answered again. An output over its limit fails the attempt
/// for good, and the answer (400, `too_large`) says so.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/complete",
    operation_id = "complete_attempt", tag = "attempts",
    params(
        ("task" = String, Path, description = "The task or element."),
        ("n" = String, Path, description = "The attempt.")),
    request_body = CompleteRequest,
    responses(
        (status = 200, description = "It is on record.", body = Changed),
        (status = 409, description = "The attempt holds no lease, and did not succeed before."),
    ))]
pub(super) async fn complete(
    State(context): State<Context>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    _: NoQuery,
    Body(request): Body<CompleteRequest>,
) -> Answer<Json<Changed>> {
    let token = own_token(&context, &caller, path).await?;
    let length = request.output.as_ref().map_or(0, |output| output.0.len());
    let mut result = AttemptResult {
        output: request.output.map(|output| output.0),
        output_cut: request.output_cut,
        exit_code: request.exit_code,
        stdout_tail: bytes(request.stdout_tail),
        stderr_tail: bytes(request.stderr_tail),
        ..AttemptResult::default()
    };
    if length <= PAYLOAD_BYTES {
        let report = report(token, Outcome::Succeeded, &result, request.usage);
        return record(&context, report, Verdict::Succeeded).await;
    }
    let detail = format!("output is {length} bytes, over the limit of {PAYLOAD_BYTES}");
    result.output = None;
    result.message.clone_from(&detail);
    let failed = convert::failed("output_too_large", true);
    let report = report(token, failed, &result, request.usage);
    record(&context, report, Verdict::Failed).await.map(drop)?;
    let problem = Problem::new(Code::TooLarge, detail)
        .field("output")
        .got(length);
    let hint = "the attempt has failed for good; return the address of large data instead";
    Err(problem
        .limit(format!("{PAYLOAD_BYTES} bytes"))
        .hint(hint)
        .into())
}

/// Report failure
///
/// Repeated with the same token it is answered again.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/fail",
    operation_id = "fail_attempt", tag = "attempts",
    params(
        ("task" = String, Path, description = "The task or element."),
        ("n" = String, Path, description = "The attempt.")),
    request_body = FailRequest,
    responses(
        (status = 200, description = "It is on record.", body = Changed),
        (status = 409, description = "The attempt holds no lease, and did not fail before."),
    ))]
pub(super) async fn fail(
    State(context): State<Context>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    _: NoQuery,
    Body(request): Body<FailRequest>,
) -> Answer<Json<Changed>> {
    let token = own_token(&context, &caller, path).await?;
    let mut result = AttemptResult {
        output: request.output.map(|output| output.0),
        message: request.message.unwrap_or_default(),
        exit_code: request.exit_code,
        signal: request.signal,
        stdout_tail: bytes(request.stdout_tail),
        stderr_tail: bytes(request.stderr_tail),
        ..AttemptResult::default()
    };
    if let Some(output) = result
        .output
        .as_mut()
        .filter(|output| output.len() > PAYLOAD_BYTES)
    {
        output.truncate(PAYLOAD_BYTES);
        result.output_cut = true;
    }
    let reason = request.reason.unwrap_or_default();
    let outcome = convert::failed(&reason, request.fatal);
    record(
        &context,
        report(token, outcome, &result, request.usage),
        Verdict::Failed,
    )
    .await
}

/// Ask to be called again later
///
/// No failure: the slot is free, and the task comes back after `again_in`.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/again",
    operation_id = "postpone_attempt", tag = "attempts",
    params(
        ("task" = String, Path, description = "The task or element."),
        ("n" = String, Path, description = "The attempt.")),
    request_body = AgainRequest,
    responses(
        (status = 200, description = "It is on record.", body = Changed),
        (status = 409, description = "The attempt holds no lease."),
    ))]
pub(super) async fn again(
    State(context): State<Context>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    _: NoQuery,
    Body(request): Body<AgainRequest>,
) -> Answer<Json<Changed>> {
    let outcome = Outcome::Again {
        after: Span(request.again_in.0),
    };
    let token = own_token(&context, &caller, path).await?;
    let report = report(token, outcome, &AttemptResult::default(), request.usage);
    record(&context, report, Verdict::Again).await
}

fn bytes(blob: Option<Blob>) -> bytes::Bytes {
    blob.unwrap_or_default().0
}

fn report(token: Token, outcome: Outcome, result: &AttemptResult, usage: Option<Usage>) -> Report {
    let usage = usage.unwrap_or_default();
    Report {
        key: token.0,
        attempt: token.1,
        outcome,
        output: result.encode_to_vec().into(),
        value: bytes::Bytes::new(),
        usage: capataz_engine::Usage {
            wall: Span(usage.wall.0),
            cpu: Span(usage.cpu.0),
            peak_memory: usage.peak_memory,
        },
    }
}

/// Makes a report, and answers only when it, or an equal one before it, is on record.
async fn record(context: &Context, report: Report, verdict: Verdict) -> Answer<Json<Changed>> {
    let token = (report.key, report.attempt);
    match context.namespace.call(Command::Report(report)).await {
        Ok(called) => {
            // A report on a task that was cancelled meanwhile only frees the slot. That is all
            // that a failure asks for; a success was not recorded.
            if verdict == Verdict::Failed || is_recorded(context, token, called.position).await? {
                return Ok(Json(Changed {
                    position: called.position.get(),
                }));
            }
            Err(stale(token).into())
        }
        Err(CallError::Rejected(Rejection::StaleLease { .. })) => {
            repeated(context, token, verdict).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the record before `position` ends the attempt by its worker's report.
async fn is_recorded(context: &Context, token: Token, position: Position) -> Answer<bool> {
    let record = Position::new(position.get().saturating_sub(1));
    let feed = context.namespace.feed().clone();
    let read = tokio::task::spawn_blocking(move || feed.read(record)).await;
    let batches = match read {
        Ok(Ok(FeedRead::Batches(batches))) => batches,
        Ok(Ok(FeedRead::Gap(_)) | Err(_)) | Err(_) => {
            let detail = "the report was taken, but its record could not be read back";
            return Err(Problem::new(Code::UnknownOutcome, detail).into());
        }
    };
    let mut events = batches
        .iter()
        .filter(|batch| batch.end == position)
        .flat_map(|b| &*b.events);
    Ok(events.any(|event| {
        matches!(&event.change, Change::AttemptEnded { key, attempt, ended: Ended::Reported, .. }
            if (*key, *attempt) == token)
    }))
}

/// A report whose answer was lost comes again: the store knows how the attempt ended.
async fn repeated(context: &Context, token: Token, verdict: Verdict) -> Answer<Json<Changed>> {
    let position = context.catch_up().await?;
    let (key, number) = token;
    let attempts = context.read(move |store| store.attempts(key)).await?;
    let found = attempts
        .into_iter()
        .find(|attempt| attempt.attempt == number);
    match found.and_then(|attempt| attempt.verdict) {
        Some(known) if known == verdict => Ok(Json(Changed {
            position: position.get(),
        })),
        _ => Err(stale(token).into()),
    }
}
