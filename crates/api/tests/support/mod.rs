//! A server that says what a test tells it to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with the next request.
pub(crate) enum Act {
    /// Answer with a status and a JSON document.
    Answer(u16, &'static str),
    /// Send a stream of events, then close the connection.
    Stream(&'static str),
    /// Close the connection without a word.
    HangUp,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path, such as `GET /api/v1/tasks`.
    pub line: String,
    /// All headers, lower case.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) struct Script {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    /// Serves the acts in order, one a request, on a port of its own.
    pub(crate) async fn play(acts: Vec<Act>) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut acts = VecDeque::from(acts);
            while !acts.is_empty() {
                let (mut stream, _) = listener.accept().await.unwrap();
                while let Some(request) = read(&mut stream).await {
                    log.lock().unwrap().push(request);
                    match acts.pop_front() {
                        Some(Act::Answer(status, json)) => answer(&mut stream, status, json).await,
                        Some(Act::Stream(text)) => {
                            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                            stream.write_all(head.as_bytes()).await.unwrap();
                            stream.write_all(text.as_bytes()).await.unwrap();
                            break;
                        }
                        Some(Act::HangUp) | None => break,
                    }
                }
            }
        });
        Script { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(stream: &mut TcpStream, status: u16, json: &str) {
    let text = format!(
        "HTTP/1.1 {status} Some Reason\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let (line, headers) = text.split_once("\r\n").unwrap();
    let mut asked = Asked {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: headers.replace('\r', ""),
        body: String::new(),
    };
    let length: usize = asked
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    while bytes.len() < head + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    asked.body = String::from_utf8(bytes[head + 4..].to_vec()).unwrap();
    Some(asked)
}
