//! Keeps a submit stream going, connection after connection, as long as there is something to send.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::ClientError;
use super::backoff::Tries;
use super::frames::{Frames, Item, Settled};
use super::http::Http;
use crate::problem::{Code, Problem};
use crate::proto::tasks_client::TasksClient;
use crate::proto::{SubmitReply, SubmitRequest};

/// How long a request may stay without an answer before its connection is given up.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests that the stream itself holds; the window bounds them further.
const OUTGOING: usize = 16;
/// Received before sending goes on, so that what is there travels together.
const RECEIVED_AT_ONCE: usize = 1_024;

/// Why a connection is over.
enum Ended {
    /// All handles are gone and nothing is left to send.
    Closed,
    /// It broke: another try may do better.
    Broken(ClientError),
    /// The master does not let this client in, or is closed: no further try can help.
    Barred(ClientError),
}

/// Runs until all handles are gone and all they submitted is answered.
pub(super) async fn run(http: Arc<Http>, mut inbox: mpsc::Receiver<Item>) {
    let mut frames = Frames::default();
    let mut tries = http.patience.begin();
    loop {
        if frames.is_empty() {
            match inbox.recv().await {
                Some(item) => frames.push(item),
                None => return,
            }
            tries.reset();
        }
        let ended = connection(&http, &mut inbox, &mut frames, &mut tries).await;
        frames.requeue();
        match ended {
            Ended::Closed => return,
            Ended::Barred(error) => frames.fail_all(&error),
            Ended::Broken(error) => match tries.next_pause(None) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => frames.fail_all(&error),
            },
        }
    }
}

/// One connection, from its first request to its end.
async fn connection(
    http: &Http,
    inbox: &mut mpsc::Receiver<Item>,
    frames: &mut Frames,
    tries: &mut Tries<'_>,
) -> Ended {
    let (outgoing, requests) = mpsc::channel(OUTGOING);
    fill(frames, &outgoing);
    let mut replies = match open(http, requests).await {
        Ok(replies) => replies,
        Err(ended) => return ended,
    };
    http.patience.reached();
    let mut resume: Option<Instant> = None;
    let mut open = true;
    let mut received = Vec::new();
    let mut heard = Instant::now();
    loop {
        if !open && frames.is_empty() {
            return Ended::Closed;
        }
        tokio::select! {
            count = inbox.recv_many(&mut received, RECEIVED_AT_ONCE),
                if open && frames.has_room() =>
            {
                open = count > 0;
                if frames.is_empty() {
                    // The silence until now meant nothing.
                    heard = Instant::now();
                    tries.reset();
                }
                received.drain(..).for_each(|item| frames.push(item));
            }
            reply = replies.message() => {
                heard = Instant::now();
                let reply = match reply {
                    Ok(Some(reply)) => reply,
                    Ok(None) => return broken(http, "the stream broke off".to_owned()),
                    Err(status) => return refused(http, &status),
                };
                match frames.settle(reply) {
                    Settled::Done => tries.reset(),
                    Settled::Again(problem) => {
                        let asked = problem.retry_after.map(Duration::from_secs);
                        match tries.next_pause(asked) {
                            Some(pause) => resume = Some(Instant::now() + pause),
                            None => return Ended::Barred(ClientError::Refused(problem)),
                        }
                    }
                }
            }
            () = sleep_until(heard + REPLY_TIMEOUT), if frames.awaits_replies() => {
                return broken(http, format!("nothing came for {REPLY_TIMEOUT:?}"));
            }
            () = sleep_until(resume.unwrap_or(heard)), if resume.is_some() => resume = None,
        }
        if resume.is_none() {
            fill(frames, &outgoing);
        }
    }
}

/// Sends what may be sent.
fn fill(frames: &mut Frames, outgoing: &mpsc::Sender<SubmitRequest>) {
    while let Ok(slot) = outgoing.try_reserve() {
        match frames.next_request() {
            Some(request) => slot.send(request),
            None => return,
        }
    }
}

async fn open(
    http: &Http,
    requests: mpsc::Receiver<SubmitRequest>,
) -> Result<Streaming<SubmitReply>, Ended> {
    let service = http.transport.for_stream().await;
    let service = service.map_err(|error| match error {
        ClientError::Unreachable { .. } => Ended::Broken(error),
        error => Ended::Barred(error),
    })?;
    let mut request = tonic::Request::new(ReceiverStream::new(requests));
    let headers = [
        ("authorization", http.token()),
        ("capataz-namespace", http.namespace()),
    ];
    for (name, value) in headers {
        let value =
            value.and_then(|value| tonic::metadata::MetadataValue::try_from(value.as_bytes()).ok());
        if let Some(value) = value {
            request.metadata_mut().insert(name, value);
        }
    }
    let mut client = TasksClient::new(service);
    match timeout(REPLY_TIMEOUT, client.submit_stream(request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(refused(http, &status)),
        Err(_) => Err(broken(http, format!("nothing came for {REPLY_TIMEOUT:?}"))),
    }
}

fn broken(http: &Http, cause: String) -> Ended {
    let url = http.url().to_owned();
    Ended::Broken(ClientError::NoAnswer { url, cause })
}

/// What a status means for the whole stream.
fn refused(http: &Http, status: &tonic::Status) -> Ended {
    if let Some(error) = http.transport.closed(status) {
        return Ended::Barred(error);
    }
    let code = match status.code() {
        tonic::Code::Unauthenticated => Some(Code::Unauthorized),
        tonic::Code::PermissionDenied => Some(Code::Forbidden),
        _ => None,
    };
    let problem = Problem::from_status(status)
        .or_else(|| code.map(|code| Problem::new(code, status.message())));
    match problem {
        Some(problem) if !problem.is_transient() => Ended::Barred(ClientError::Refused(problem)),
        Some(problem) => Ended::Broken(ClientError::Refused(problem)),
        None if status.code() == tonic::Code::Unimplemented => {
            Ended::Barred(ClientError::Protocol {
                url: http.url().to_owned(),
                what: "it has no gRPC service for tasks".to_owned(),
            })
        }
        None => broken(http, status.message().to_owned()),
    }
}
