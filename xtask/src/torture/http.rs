//! Just enough of HTTP/1.1 to call a server on this machine: one call at a time, on a connection
//! that is kept. It shares nothing with the clients that Capataz brings.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// How long a server may be silent in an answer. A stopped server is silent for seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a server is, and what it wants to see.
#[derive(Clone)]
pub(crate) struct Peer {
    address: String,
    token: String,
}

impl Peer {
    /// The same server for the holder of another token.
    pub(crate) fn with_token(&self, token: &str) -> Peer {
        Peer {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn new(url: &str, token: &str) -> Peer {
        let address = url.trim_start_matches("http://").to_owned();
        Peer {
            address,
            token: token.to_owned(),
        }
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::with_capacity(1 << 16, stream))
    }

    /// Sends a request and reads the head of its answer.
    fn ask(
        &self,
        stream: &mut BufReader<TcpStream>,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &[u8],
    ) -> io::Result<Head> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n",
            self.address,
            self.token,
            body.len()
        );
        if !body.is_empty() {
            head.push_str("content-type: application/json\r\n");
        }
        if let Some(key) = key {
            head.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        stream.get_mut().write_all(&message)?;
        Head::read(stream)
    }
}

/// A connection that is made anew when it broke.
pub(crate) struct Connection {
    peer: Peer,
    stream: Option<BufReader<TcpStream>>,
}

/// What a server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// The body of a success.
    pub(crate) fn json(&self) -> Result<Value> {
        let said = || String::from_utf8_lossy(&self.body[..self.body.len().min(500)]).into_owned();
        ensure!(self.status < 300, "status {}: {}", self.status, said());
        serde_json::from_slice(&self.body).with_context(said)
    }

    /// The body of a success that has a document on each line.
    pub(crate) fn lines(&self) -> Result<Vec<Value>> {
        ensure!(self.status < 300, "status {}", self.status);
        let text = std::str::from_utf8(&self.body)?;
        let read = |line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"));
        text.lines().map(read).collect()
    }

    /// The stable name of a refusal; empty when there is none.
    pub(crate) fn code(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Connection {
    pub(crate) fn new(peer: &Peer) -> Connection {
        Connection {
            peer: peer.clone(),
            stream: None,
        }
    }

    /// One call; `key` makes it safe to repeat. An error means that nobody knows what happened.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.peer.connect()?,
        };
        let head = self.peer.ask(&mut stream, method, path, key, body)?;
        let mut body = Vec::new();
        head.body(&mut stream).read_to_end(&mut body)?;
        if head
            .length
            .is_some_and(|length| length != body.len() as u64)
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok(Answer {
            status: head.status,
            body,
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Value> {
        self.call("GET", path, None, b"")
            .with_context(|| format!("GET {path}"))?
            .json()
    }
}

/// A stream of server-sent events, as long as it lasts.
pub(crate) fn listen(peer: &Peer, path: &str) -> Result<impl BufRead> {
    let mut stream = peer.connect()?;
    let head = peer.ask(&mut stream, "GET", path, None, b"")?;
    ensure!(head.status == 200, "{path}: status {}", head.status);
    Ok(BufReader::with_capacity(
        1 << 16,
        Chunks { stream, left: 0 },
    ))
}

struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Head {
    fn read(stream: &mut impl BufRead) -> io::Result<Head> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let status = line(stream)?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut head = Head {
            status: status.ok_or_else(bad)?,
            length: None,
            chunked: false,
            closes: false,
        };
        loop {
            let text = line(stream)?.to_ascii_lowercase();
            match text.split_once(": ") {
                None if text.is_empty() => return Ok(head),
                None => return Err(bad()),
                Some(("content-length", value)) => {
                    head.length = Some(value.parse().map_err(|_| bad())?);
                }
                Some(("transfer-encoding", value)) => head.chunked = value == "chunked",
                Some(("connection", value)) => head.closes = value == "close",
                Some(_) => {}
            }
        }
    }

    fn body<'a>(&self, stream: &'a mut (impl BufRead + 'a)) -> Box<dyn Read + 'a> {
        match self.chunked {
            true => Box::new(Chunks { stream, left: 0 }),
            false => Box::new(stream.take(self.length.unwrap_or_default())),
        }
    }
}

/// A line without its end; an error when the stream ends before.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    stream.read_line(&mut text)?;
    match text.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The content of a chunked body.
struct Chunks<S> {
    stream: S,
    left: u64,
}

impl<S: BufRead> Read for Chunks<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let size = line(&mut self.stream)?;
            self.left = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
            if self.left == 0 {
                line(&mut self.stream)?;
                return Ok(0);
            }
        }
        let most = into
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.stream.read(&mut into[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        if self.left == 0 {
            line(&mut self.stream)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_read_to_its_end_and_no_further() {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nHTTP";
        let mut stream = text.as_bytes();
        let head = Head::read(&mut stream).unwrap();
        let mut body = String::new();
        head.body(&mut stream).read_to_string(&mut body).unwrap();
        assert_eq!(
            (head.status, body.as_str(), stream),
            (200, "abcde", &b"HTTP"[..])
        );
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        let mut cut = Chunks {
            stream: &b"5\r\nabc"[..],
            left: 0,
        };
        assert!(cut.read_to_end(&mut Vec::new()).is_err());
        assert!(Head::read(&mut &b"HTTP/1.1 200 OK\r\ncontent-"[..]).is_err());
    }
}
