//! Streams that go on where they were when their connection breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;

use super::ClientError;
use super::http::Http;
use super::sse::{Frame, Parser};
use super::transport::{Body, innermost};
use crate::limits::STREAM_SILENCE_SECS;
use crate::problem::Problem;
use crate::rest::{Event, EventsQuery, LogChunk, LogStream, LogsQuery, Query};

/// What happens in a namespace: at least once, in order. A gap in the history is an event.
#[derive(Debug)]
pub struct EventStream {
    stream: Stream,
    query: EventsQuery,
}

impl EventStream {
    pub(super) fn new(http: Arc<Http>, path: String, query: EventsQuery) -> EventStream {
        let stream = Stream::new(http, path);
        EventStream { stream, query }
    }

    /// The next event; none when the stream was asked to end and has.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        loop {
            let frame = match self.stream.next(&self.query.to_text()).await? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            if frame.id.is_some() {
                self.query.after = frame.id;
            }
            if !frame.data.is_empty() {
                return Some(self.stream.decode(&frame.data));
            }
        }
    }
}

/// What an attempt prints, until it ends.
#[derive(Debug)]
pub struct LogFollower {
    stream: Stream,
    query: LogsQuery,
}

impl LogFollower {
    pub(super) fn new(http: Arc<Http>, path: String, attempt: Option<u32>) -> LogFollower {
        let query = LogsQuery {
            attempt,
            follow: true,
            ..LogsQuery::default()
        };
        let stream = Stream::new(http, path);
        LogFollower { stream, query }
    }

    /// The next piece; none when the attempt has ended.
    pub async fn next(&mut self) -> Option<Result<LogChunk, ClientError>> {
        loop {
            let frame = match self.stream.next(&self.query.to_text()).await? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            if frame.data.is_empty() {
                continue;
            }
            let chunk: Result<LogChunk, _> = self.stream.decode(&frame.data);
            if let Ok(chunk) = &chunk {
                self.query.attempt = Some(chunk.attempt);
                let end = Some(chunk.offset + chunk.data.0.len() as u64);
                match chunk.stream {
                    LogStream::Stdout => self.query.stdout_from = end,
                    LogStream::Stderr => self.query.stderr_from = end,
                }
            }
            return Some(chunk);
        }
    }
}

/// Frames of one route over as many connections as it takes. A server ends a stream with a frame
/// named `end`, or `problem`; everything else is a broken connection.
#[derive(Debug)]
struct Stream {
    http: Arc<Http>,
    path: String,
    body: Option<Body>,
    parser: Parser,
    ready: VecDeque<Frame>,
    over: bool,
}

impl Stream {
    fn new(http: Arc<Http>, path: String) -> Stream {
        Stream {
            http,
            path,
            body: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
            over: false,
        }
    }

    /// The next frame. `query` says where to go on when the connection has to be made anew.
    async fn next(&mut self, query: &str) -> Option<Result<Frame, ClientError>> {
        if self.over {
            return None;
        }
        let http = Arc::clone(&self.http);
        let mut tries = http.patience.begin();
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return self.sift(frame);
            }
            let error = match self.read_some(query).await {
                Ok(()) => {
                    tries.reset();
                    continue;
                }
                Err((error, false)) => return self.give_up(error),
                Err((error, true)) => error,
            };
            self.body = None;
            self.parser = Parser::default();
            match tries.next_pause(None) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return self.give_up(error),
            }
        }
    }

    /// Waits for more bytes; connects first when there is no connection.
    async fn read_some(&mut self, query: &str) -> Result<(), (ClientError, bool)> {
        let broken = |cause: String| {
            let url = self.http.url().to_owned();
            (ClientError::NoAnswer { url, cause }, true)
        };
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let path = format!("{}{query}", self.path);
                self.body.insert(self.http.open_stream(&path).await?)
            }
        };
        let silence = Duration::from_secs(STREAM_SILENCE_SECS);
        let piece = tokio::time::timeout(silence, body.frame()).await;
        let piece = piece.map_err(|_| broken(format!("the stream is silent for {silence:?}")))?;
        let piece = piece.ok_or_else(|| broken("the stream broke off".to_owned()))?;
        let piece = piece.map_err(|error| broken(innermost(&error)))?;
        let mut frames = Vec::new();
        if let Some(bytes) = piece.data_ref() {
            self.parser.push(bytes, &mut frames);
        }
        self.ready.extend(frames);
        Ok(())
    }

    fn sift(&mut self, frame: Frame) -> Option<Result<Frame, ClientError>> {
        match frame.name.as_str() {
            "end" => {
                self.over = true;
                None
            }
            "problem" => {
                let error = match self.decode::<Problem>(&frame.data) {
                    Ok(problem) => ClientError::Refused(problem),
                    Err(error) => error,
                };
                self.give_up(error)
            }
            _ => Some(Ok(frame)),
        }
    }

    fn give_up(&mut self, error: ClientError) -> Option<Result<Frame, ClientError>> {
        self.over = true;
        Some(Err(error))
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, data: &str) -> Result<T, ClientError> {
        serde_json::from_str(data).map_err(|error| ClientError::Protocol {
            url: self.http.url().to_owned(),
            what: error.to_string(),
        })
    }
}
